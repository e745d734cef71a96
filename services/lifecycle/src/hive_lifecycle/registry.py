"""Who an agent is on the bus: its key, its rights, its inbox. `register_agent` of the design."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import nats.js.errors
from hivecommon.broker import agent_key, operator_key, write_operators
from hivecommon.broker_admin import declare_inbox, reload_server, write_agents
from hivecommon.bus import Bus
from hivecommon.contracts.inbox import InboxMessage, inbox_consumers
from hivecommon.contracts.streams import INBOX
from hivecommon.environment import HiveEnvironment
from hivecommon.errors import HiveError
from hivecommon.keys import ensure_key
from hivecommon.names import AgentName

from hive_lifecycle import agent_files
from hive_lifecycle.agents import Agent
from hive_lifecycle.patience import patiently
from hive_lifecycle.runtime import Report


class Registry:
    """The bus's view of agents and operators."""

    def __init__(
        self, hive: HiveEnvironment, bus: Bus, system: Bus, living: Callable[[], list[Agent]]
    ) -> None:
        self._hive = hive
        self._bus = bus
        self._system = system
        self._living = living
        self._rendering = asyncio.Lock()
        # Whether the server knows its files: a lifecycle before us may have ended before its
        # reload. No reload without need: while one runs, a new connection can be turned away.
        self._loaded = False

    async def register(self, agent: Agent, report: Report) -> None:
        """Make or keep the agent's key, copy it to its runtime directory, let the bus know it.

        The agent is among the living. Connections, its own too, stay as they are.
        """
        key = agent_key(self._hive.home, agent.name)
        made = not key.exists()
        ensure_key(key)
        copied = agent_files.write_bus_key(self._hive, agent.name)
        await report("bus key made" if made else "bus key in place", changed=made or copied)
        changed = await self.apply()
        await report("known to the bus", changed=changed)
        await patiently(lambda: declare_inbox(self._bus, agent.name))
        await report("inbox in place", changed=made)

    async def unregister(self, name: AgentName, report: Report) -> None:
        """Cut an agent off that is no longer among the living; its key is void."""
        agent_key(self._hive.home, name).unlink(missing_ok=True)
        await report("cut off from the bus", changed=await self.apply())

    async def apply(self) -> bool:
        """Let the bus know exactly the living agents; return whether its file changed."""
        async with self._rendering:
            agents = {agent.name: agent.settings.recipients for agent in self._living()}
            changed = write_agents(self._hive.home, agents)
            if changed:
                self._loaded = False
            if not self._loaded:
                await patiently(lambda: reload_server(self._system))
                self._loaded = True
            return changed

    async def drop_inbox(self, name: AgentName) -> bool:
        """Remove an agent's inbox with all that is in it; return whether there was one."""
        dropped = await self._drop(lambda: self._purge_stream(name))
        for consumer in inbox_consumers(name):
            dropped |= await self._drop(partial(self._delete_consumer, consumer))
        return dropped

    async def _purge_stream(self, name: AgentName) -> bool:
        # nats-py returns only that it went well.
        return await self._bus.jetstream.purge_stream(
            INBOX.name, subject=InboxMessage.filter_for(name)
        )

    async def _delete_consumer(self, consumer: str) -> bool:
        return await self._bus.jetstream.delete_consumer(INBOX.name, consumer)

    async def _drop(self, act: Callable[[], Awaitable[bool]]) -> bool:
        try:
            return await patiently(act)
        except nats.js.errors.NotFoundError:
            return False

    # Operators

    def operators(self) -> list[str]:
        """Return the operators' names."""
        return sorted(file.stem for file in operator_key(self._hive.home, "x").parent.glob("*.nk"))

    async def add_operator(self, name: str) -> None:
        """Make an operator's key, or keep it, and let the bus know it."""
        ensure_key(operator_key(self._hive.home, name))
        await self._apply_operators()

    async def remove_operator(self, name: str) -> None:
        """Cut an operator off; raise `unknown_operator`, or `last_operator`."""
        names = self.operators()
        if name not in names:
            raise HiveError(
                f"there is no operator {name!r}", code="unknown_operator",
                hint=f"there are: {', '.join(names)}",
            )  # fmt: skip
        if names == [name]:
            raise HiveError(
                f"{name!r} is the only operator", code="last_operator",
                hint="add another one first, or nobody could ask for anything",
            )  # fmt: skip
        operator_key(self._hive.home, name).unlink(missing_ok=True)
        await self._apply_operators()

    async def _apply_operators(self) -> None:
        async with self._rendering:
            write_operators(self._hive.home)
            await patiently(lambda: reload_server(self._system))
