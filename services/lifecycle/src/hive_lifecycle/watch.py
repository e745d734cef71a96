"""Keeping agents as they are wanted: what dies unasked is told of and started again, ever more slowly."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

import nats.errors
import nats.js.errors
import structlog
from hivecommon.contracts.events import NEEDS_UPDATE, UP_TO_DATE, AgentChanged
from hivecommon.contracts.roster import ContainerState
from hivecommon.errors import HiveError
from hivecommon.names import AgentName

from hive_lifecycle.agents import Agent, Wanted, is_steady, restart_delay_s
from hive_lifecycle.jobs import JobQueue
from hive_lifecycle.operations import Operations
from hive_lifecycle.runtime import Observation
from hive_lifecycle.surprises import surprise

Sleep = Callable[[float], Awaitable[None]]

_AT_ONCE: Final = 4
"""Agents that are started side by side at lifecycle's own start; each takes a second of CPU."""

_PASSING: Final = frozenset({ContainerState.STARTING, ContainerState.STOPPING})

_log = structlog.get_logger()


class Watch:
    """Looks after all living agents."""

    def __init__(
        self, operations: Operations, jobs: JobQueue, group: asyncio.TaskGroup, sleep: Sleep
    ) -> None:
        self._do = operations
        self._jobs = jobs
        self._group = group
        self._sleep = sleep
        self._attended: set[AgentName] = set()
        self._tries: dict[AgentName, int] = {}
        self._settled: dict[AgentName, Observation] = {}
        self._looked_into: set[AgentName] = set()
        self._behind: dict[AgentName, bool] = {}
        self._starting = asyncio.Semaphore(_AT_ONCE)

    async def observe_all(self) -> None:
        """Observe every living agent, and show it."""
        for agent in self._do.store.living():
            await self._do.observe(agent.name)

    async def look_again(self) -> None:
        """Do the same, and help those that failed unnoticed."""
        for agent in self._do.store.living():
            if await self._do.observe(agent.name) is ContainerState.FAILED:
                self._attend(agent.name)
        self.look_for_updates()

    def look_for_updates(self) -> None:
        """Tell of each agent that runs something older than there is, or no longer does."""
        for agent in self._do.store.living():
            row = self._do.roster.row(agent.name)
            if row is not None and row.needs_update != self._behind.get(agent.name, False):
                self._group.create_task(self._note_age(agent.name))

    async def _note_age(self, name: AgentName) -> None:
        """Tell when an agent runs what is not the newest any more, and when it does again."""
        async with self._jobs.exclusive(name):
            if self._do.store.find(name) is None:
                return
            behind = (await self._do.runtime.observe(name)).needs_update
            if behind != self._behind.get(name, False):
                self._behind[name] = behind
                what = NEEDS_UPDATE if behind else UP_TO_DATE
                detail = f"`hive rebuild {name}` gives it what is newest" if behind else ""
                await self._do.tell(AgentChanged(agent=name, what=what, detail=detail))

    async def recall_all(self) -> None:
        """Take in what every harness last said."""
        for agent in self._do.store.living():
            try:
                await self._do.roster.recall(agent.name)
            except (nats.errors.Error, nats.js.errors.Error) as error:
                _log.warning("status_not_recalled", agent=agent.name, error=str(error))

    def start_all(self) -> None:
        """Bring up each agent that should run and does not, as after a restart of the host."""
        for agent in self._do.store.living():
            if agent.wanted is Wanted.RUNNING:
                self._attend(agent.name)

    async def follow(self) -> None:
        """Look at each agent whose state may have changed, for ever."""
        async for name in self._do.runtime.changes():
            if self._do.store.find(name) is None:
                await self._meet_strangers()
            elif await self._do.observe(name) is ContainerState.FAILED:
                self._attend(name)
            elif name not in self._looked_into:
                self._looked_into.add(name)
                self._group.create_task(self._look_into(name))

    async def _look_into(self, name: AgentName) -> None:
        """Tell of what was done to an agent by hand on the host, or what the runtime made good."""
        async with self._jobs.exclusive(name):
            self._looked_into.discard(name)
            agent = self._do.store.find(name)
            if agent is None or name in self._attended:
                return
            seen = await self._do.runtime.observe(name)
            await self._do.roster.update(agent, seen)
            if seen.state in _PASSING:
                return
            before = self._settled.get(name)
            self._settled[name] = seen
        if told := surprise(agent.wanted, before, seen):
            _log.warning("agent_surprised", agent=name, what=told.what, note=told.detail)
            await self._do.tell(AgentChanged(agent=name, what=told.what, detail=told.detail))

    async def _meet_strangers(self) -> None:
        """Show and tell of containers that look like agents' and are none."""
        roster = self._do.roster
        known = {agent.name for agent in self._do.store.living()}
        found = await self._do.runtime.strangers(known)
        new = [name for name in found if name not in roster.strangers]
        roster.strangers = found
        for name in new:
            _log.warning("stranger_found", agent=name)
            detail = f"its container is there without an agent; `hive spawn {name}` takes it over"
            await self._do.tell(AgentChanged(agent=name, what="stranger", detail=detail))

    def _attend(self, name: AgentName) -> None:
        if name not in self._attended:
            self._attended.add(name)
            self._group.create_task(self._keep_up(name))

    async def _keep_up(self, name: AgentName) -> None:
        """Start an agent until it runs, or is not wanted any more."""
        try:
            while (delay_s := await self._try(name)) is not None:
                await self._sleep(delay_s)
        finally:
            self._attended.discard(name)

    async def _try(self, name: AgentName) -> float | None:
        """Return None when there is nothing more to do, else the seconds until the next try."""
        async with self._starting, self._jobs.exclusive(name):
            seen = await self._do.runtime.observe(name)
            agent = self._do.store.find(name)
            if agent is None or agent.wanted is Wanted.STOPPED or _is_up(seen):
                return None
            if seen.state is ContainerState.FAILED and self._do.store.note_crash(name, seen.since):
                return await self._on_crash(agent, seen)
            if await self._start(agent):
                if seen.state is ContainerState.FAILED:
                    await self._note_restart(agent)
                return None
            now = await self._do.runtime.observe(name)
            # One that ended again is met as a crash at the next look.
            return 0.0 if now.state is ContainerState.FAILED else self._next_delay_s(name)

    async def _on_crash(self, agent: Agent, seen: Observation) -> float:
        name = agent.name
        ran = seen.since - seen.started_at if seen.started_at else timedelta()
        if is_steady(ran.total_seconds()):
            self._tries.pop(name, None)
        delay_s = self._next_delay_s(name)
        _log.warning("agent_crashed", agent=name, note=seen.note, restart_in_s=delay_s)
        detail = f"{seen.note}; started again in {delay_s:g} s"
        await self._do.tell(AgentChanged(agent=name, what="crashed", detail=detail))
        return delay_s

    def _next_delay_s(self, name: AgentName) -> float:
        tries = self._tries.get(name, 0)
        self._tries[name] = tries + 1
        return restart_delay_s(tries, self._do.config.max_restart_delay_s)

    async def _start(self, agent: Agent) -> bool:
        steps: list[str] = []

        async def report(text: str, *, changed: bool = True) -> None:
            steps.append(text if changed else f"({text})")

        try:
            await self._do.bring_up(agent.name, report)
        except HiveError as error:
            _log.warning("start_failed", agent=agent.name, code=error.code, reason=error.message)
            return False
        except (nats.errors.Error, nats.js.errors.Error, OSError):
            _log.exception("start_failed", agent=agent.name)
            return False
        _log.info("agent_started", agent=agent.name, steps=steps)
        return True

    async def _note_restart(self, agent: Agent) -> None:
        self._do.store.note_restart(agent.name, agent.restarts + 1)
        await self._do.observe(agent.name)
        await self._do.tell(
            AgentChanged(agent=agent.name, what="restarted", detail="after a crash")
        )


def _is_up(seen: Observation) -> bool:
    return seen.state is ContainerState.RUNNING


async def repeat(action: Callable[[], Awaitable[None]], every_s: float, sleep: Sleep) -> None:
    """Do something again and again, for ever; a failure is logged and the next time comes."""
    while True:
        await sleep(every_s)
        try:
            await action()
        except (HiveError, nats.errors.Error, nats.js.errors.Error, OSError):
            _log.exception("upkeep_failed")
