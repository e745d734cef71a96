"""What jobs do: each order as a row of steps that may be done again from the start."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

import structlog
from hivecommon.command import Run
from hivecommon.contracts.events import AgentChanged, OperatorChanged
from hivecommon.contracts.jobs import Job
from hivecommon.contracts.lifecycle import AgentSettings
from hivecommon.contracts.roster import ContainerState
from hivecommon.errors import HiveError
from hivecommon.names import AgentName

from hive_lifecycle import agent_files
from hive_lifecycle.agents import Agent, Wanted
from hive_lifecycle.config import LifecycleConfig
from hive_lifecycle.config_repos import ConfigRepos
from hive_lifecycle.deploying import Deploying
from hive_lifecycle.errors import agent_exists, unknown_agent
from hive_lifecycle.inboxes import Inboxes
from hive_lifecycle.orders import Order, Verb
from hive_lifecycle.registry import Registry
from hive_lifecycle.roster import Roster
from hive_lifecycle.runtime import AgentSpec, Report, Runtime
from hive_lifecycle.store import Store

_HAPPENED: Final = {
    Verb.SPAWN: "spawned",
    Verb.START: "started",
    Verb.STOP: "stopped",
    Verb.RESTART: "restarted",
    Verb.REBUILD: "rebuilt",
    Verb.RENAME: "renamed",
    Verb.DESTROY: "destroyed",
    Verb.APPLY: "deployed",
    Verb.UPDATE: "inputs updated",
}

_log = structlog.get_logger()


class Tell(Protocol):
    """Publishes an event; never raises."""

    async def __call__(self, change: AgentChanged | OperatorChanged, event_id: str = "") -> None:
        """Do so; under the same id it is one event."""


Submit = Callable[[str, Order, str], Awaitable[object]]
"""Puts an order into the queue under a key, for whoever is named; the same key does so once."""


@dataclass(frozen=True, kw_only=True)
class Operations:
    """Carries out orders, one per agent at a time."""

    config: LifecycleConfig
    store: Store
    runtime: Runtime
    registry: Registry
    roster: Roster
    inboxes: Inboxes
    repos: ConfigRepos
    tell: Tell
    submit: Submit
    run: Run
    clock: Callable[[], datetime]

    async def carry_out(self, job: Job, order: Order, report: Report) -> None:
        """Do what `order` wants; see `jobs.Work`."""
        if order.verb is Verb.UPDATE:
            await self._update(job, order, report)
            return
        name = order.name
        what, detail = _HAPPENED[order.verb], ""
        match order.verb:
            case Verb.SPAWN:
                await self._spawn(job.id, order, report)
            case Verb.START:
                self.store.want(self._living(name).name, Wanted.RUNNING)
                await self.bring_up(name, report)
            case Verb.STOP:
                await self._stop(name, report)
            case Verb.RESTART:
                self.store.want(self._living(name).name, Wanted.RUNNING)
                await self.runtime.stop(name, report)
                await self.bring_up(name, report)
            case Verb.REBUILD:
                await self._rebuild(name, report)
            case Verb.RENAME:
                name, detail = await self._rename(job.id, order, report), f"was {name}"
            case Verb.DESTROY:
                await self._destroy(name, report, purge=order.purge)
                detail = "purged" if order.purge else "login and notes kept"
            case Verb.APPLY:
                await self.deploying.apply(order, report)
                detail = f"{order.commit[:10]}, approval {order.approval}"
        change = AgentChanged(agent=name, what=what, by=job.requested_by, detail=detail)
        # A kill before the job's end has it done and told again.
        await self.tell(change, f"job-{job.id}")

    async def _update(self, job: Job, order: Order, report: Report) -> None:
        """Take newer inputs, then have every agent rebuilt, each by a job of its own."""
        agents = [agent.name for agent in self.store.living()]
        mark = f"Update inputs: approval {order.approval}"
        moved = list[str]()

        async def told(text: str, *, changed: bool = True) -> None:
            if changed:
                moved.append(text)
            await report(text, changed=changed)

        await self.runtime.take_inputs(order.inputs, agents, mark, told)
        for name in agents:
            key = f"approval-{order.approval}-{name}"
            await self.submit(key, Order(verb=Verb.REBUILD, agent=name), job.requested_by)
            await report(f"{name} is rebuilt with them", changed=False)
        await self.tell(
            AgentChanged(
                agent=order.agent, what=_HAPPENED[order.verb], by=job.requested_by,
                detail="; ".join(moved),
            ),
            f"job-{job.id}",
        )  # fmt: skip

    async def give_up(self, order: Order) -> None:
        """Leave things in order after a job that is not tried again."""
        if order.verb is Verb.APPLY:
            await self.deploying.give_up(order)

    @property
    def deploying(self) -> Deploying:
        """What deploys commits."""
        return Deploying(self.store, self.repos, self.runtime, self._refresh)

    def _living(self, name: AgentName) -> Agent:
        agent = self.store.find(name)
        if agent is None:
            raise unknown_agent(name)
        return agent

    async def observe(self, name: AgentName) -> ContainerState:
        """Look at an agent and show it in the roster."""
        seen = await self.runtime.observe(name)
        agent = self.store.find(name)
        if agent is not None:
            await self.roster.update(agent, seen)
        return seen.state

    async def _spawn(self, job: str, order: Order, report: Report) -> None:
        name, settings = order.name, order.settings or AgentSettings()
        agent = self.store.find(name)
        if agent is None:
            agent = Agent(name=name, settings=settings, origin=job, created_at=self.clock())
            self.store.put(agent)
            await report("agent written down")
        elif agent.origin != job:
            raise agent_exists(name)
        if order.files:
            agent_files.make_directories(self.config.hive, name)
            made = await self.repos.ensure(name, agent.settings, order.files)
            await report(f"first commit with {', '.join(sorted(order.files))}", changed=made)
        await self.bring_up(name, report)

    async def bring_up(self, name: AgentName, report: Report) -> None:
        """Put everything in place that belongs to an agent, and start it."""
        await self.lay_out(name, report)
        await self.runtime.prepare(self._spec(name), report)
        await self.launch(name, report)

    async def lay_out(self, name: AgentName, report: Report) -> None:
        """Make directories, bus identity and inbox of an agent, or find them in place."""
        made = agent_files.make_directories(self.config.hive, name)
        await report("directories made" if made else "directories in place", changed=made)
        try:
            made = await self.deploying.adopt(name)
            await report("config repos made" if made else "config repos in place", changed=made)
        except HiveError as error:
            # It can run without; only changes to it cannot be asked for.
            _log.warning("no_config_repos", agent=name, code=error.code, reason=error.message)
            await report(f"no config repos: {error.message}", changed=False)
        await self.registry.register(self._living(name), report)

    async def launch(self, name: AgentName, report: Report) -> None:
        """Start an agent that is laid out; return once its harness has reported.

        Raises `start_failed` when it ends before that. A slow one is no failure.
        """
        seen = await self.runtime.observe(name)
        agent = self._living(name)
        agent_files.write_harness_config(
            self.config.hive, agent, runtime=self.runtime.name, sandboxed=seen.sandboxed
        )
        before = self.clock()
        try:
            await self.runtime.start(self._spec(name), report)
        finally:
            await self.observe(name)
        if seen.state is ContainerState.RUNNING:
            return
        greeted = await self.roster.wait_for_hello(name, before, self.config.hello_s)
        if greeted:
            await report("its harness has reported")
        elif await self.observe(name) is ContainerState.RUNNING:
            await report(
                f"it runs, but has not reported within {self.config.hello_s:g} s", changed=False
            )
        else:
            note = (await self.runtime.observe(name)).note
            raise HiveError(
                f"{name} ended right after its start: {note}", code="start_failed",
                hint=f"see `hive logs {name}`; lifecycle goes on trying",
            )  # fmt: skip

    async def _stop(self, name: AgentName, report: Report) -> None:
        # Written down first, so that its end is no crash, whoever notices it.
        self.store.want(self._living(name).name, Wanted.STOPPED)
        try:
            await self.runtime.stop(name, report)
        finally:
            await self.observe(name)

    async def _refresh(self, name: AgentName, report: Report) -> None:
        """Give an agent what the database says it is to have; see `deploying.Restart`."""
        await self.registry.register(self._living(name), report)
        if self._living(name).wanted is Wanted.RUNNING:
            await self.runtime.stop(name, report)
            await self.launch(name, report)
        else:
            await report("it is stopped and gets it at its next start", changed=False)
            await self.observe(name)

    async def _rebuild(self, name: AgentName, report: Report) -> None:
        agent = self._living(name)
        await self.lay_out(name, report)
        await self.runtime.prepare(self._spec(name), report)
        if agent.wanted is Wanted.RUNNING:
            self.store.want(name, Wanted.RUNNING)
            await self.runtime.stop(name, report)
            await self.launch(name, report)
        else:
            await report("it is to stay stopped", changed=False)
            await self.observe(name)

    async def _destroy(self, name: AgentName, report: Report, *, purge: bool) -> None:
        agent_files.check_places(self.config.hive.home, name)
        if self.store.find(name) is not None:
            await self._stop(name, report)
        await self.runtime.remove(name, report)
        self.store.bury(name, self.clock(), purged=False)
        await self.registry.unregister(name, report)
        removed = await agent_files.remove_run_directory(self.config.hive, name, self.run)
        await report("runtime directory removed", changed=removed)
        await self.roster.drop(name)
        if purge:
            dropped = await self.registry.drop_inbox(name)
            await report("inbox removed with all messages", changed=dropped)
            purged = await agent_files.purge(self.config.hive.home, name, self.run)
            await report("login, notes and history wiped", changed=purged)
            self.store.bury(name, self.clock(), purged=True)
        else:
            await report(f"login and notes kept in {self._kept(name)}", changed=False)

    async def _rename(self, job: str, order: Order, report: Report) -> AgentName:
        old, new = order.name, order.makes
        if new is None:
            raise HiveError(f"{old} is to be renamed to nothing", code="bad_request")
        if (agent := self.store.find(old)) is not None:
            agent_files.check_places(self.config.hive.home, old)
            await self.runtime.stop(old, report)
            await self.runtime.remove(old, report)
            agent_files.move(self.config.hive.home, old, new)
            self.store.rename(old, new)
            await report(f"directories moved, {old} is now {new}")
        elif (agent := self.store.find(new)) is None:
            raise unknown_agent(old)
        await self.roster.drop(old)
        await self.registry.unregister(old, report)
        await self.lay_out(new, report)
        moved = await self.inboxes.readdress(old, new, job)
        await report(f"{moved} unread messages readdressed", changed=bool(moved))
        await self.registry.drop_inbox(old)
        removed = await agent_files.remove_run_directory(self.config.hive, old, self.run)
        await report("runtime directory removed", changed=removed)
        await self.runtime.prepare(self._spec(new), report)
        if agent.wanted is Wanted.RUNNING:
            await self.launch(new, report)
        else:
            await self.observe(new)
        return new

    def _spec(self, name: AgentName) -> AgentSpec:
        agent = self._living(name)
        return AgentSpec(name, agent.settings, agent.revision)

    def _kept(self, name: AgentName) -> Path:
        return self.config.hive.home.agent(name)
