"""Several agents at work on one bus, for tests."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hivecommon.bus import Bus
from hivecommon.contracts.base import fill
from hivecommon.contracts.inbox import InboxMessage
from hivecommon.contracts.streams import EVENTS, INBOX
from hivecommon.names import parse_agent_name

from hivetesting.broker import Broker
from hivetesting.harness import AgentWatch, HarnessProcess
from hivetesting.messages_api.journal import Exchange
from hivetesting.messages_api.server import ScriptedMessagesApi


@dataclass
class Agents:
    """Makes agents; `operator` and `lifecycle` are connections of those principals."""

    broker: Broker
    operator: Bus
    lifecycle: Bus
    api: ScriptedMessagesApi
    directory: Path
    made: list[HarnessProcess] = field(default_factory=list)

    async def register(
        self, name: str, *, environment: dict[str, str] | None = None, **settings: Any
    ) -> HarnessProcess:
        """Make an agent whose harness does not run yet; `settings` are fields of `HarnessConfig`.

        Nothing is left of one that an earlier test gave the same name on the same bus.
        """
        await self.broker.register(name, settings.get("recipients"))
        for stream, subject in (
            (EVENTS.name, fill("events.{agent}.>", agent=name)),
            (INBOX.name, InboxMessage.filter_for(parse_agent_name(name))),
        ):
            await self.lifecycle.jetstream.purge_stream(stream, subject=subject)
        agent = HarnessProcess(
            self.broker, self.directory / name, name, self.api.base_url, settings, environment or {}
        )
        self.made.append(agent)
        return agent

    async def watch(self, name: str) -> AgentWatch:
        """Follow an agent's events from now on."""
        return await AgentWatch.begin(self.operator, name)

    async def spawn(self, name: str, **settings: Any) -> tuple[HarnessProcess, AgentWatch]:
        """Make an agent and start its harness; return it and its events."""
        agent = await self.register(name, **settings)
        watch = await self.watch(name)
        return agent.start(), watch

    async def asked(self, text: str) -> Exchange:
        """Return the first request to the model whose newest text contains `text`."""
        return await self.api.wait_for(lambda e: text in e.request.last_user_text, deadline_s=60)

    def kill_all(self) -> None:
        """End every harness at once."""
        for agent in self.made:
            agent.kill()
