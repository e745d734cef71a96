"""What the dashboard knows of the hive: kept up to date from the bus, watched by pages."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import structlog
from hivecommon.bus import Bus
from hivecommon.contracts.approvals import Approval, ListApprovals
from hivecommon.contracts.base import wildcard
from hivecommon.contracts.events import ApprovalChanged, HiveEvent, JobChanged
from hivecommon.contracts.inbox import OPERATOR
from hivecommon.contracts.jobs import Job, ListJobs
from hivecommon.contracts.lifecycle import ListAgents
from hivecommon.contracts.questions import ListQuestions, Question, QuestionState
from hivecommon.contracts.roster import RosterRow
from hivecommon.contracts.schedules import ListSchedules, Schedule
from hivecommon.contracts.streams import ROSTER_BUCKET
from hivecommon.errors import HiveError
from hiveweb.feed import Sink, Source
from nats.aio.msg import Msg

from hive_dashboard.table import Table
from hive_dashboard.tail import Part, Stored, follow

POLL_S: Final = 5.0
_ASK_S: Final = 3.0
_KEPT_JOBS: Final = 40
_KEPT_APPROVALS: Final = 200

_log = structlog.get_logger()


class ServiceHealth(msgspec.Struct, frozen=True):
    """Whether a service answers, as last seen."""

    ok: bool
    since: datetime
    error: str = ""


class Watch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of a table's topic: there are none."""


@dataclass
class Mirror:
    """The roster, approvals, jobs and services, as tables; `keep` keeps them up to date."""

    bus: Bus
    clock: Callable[[], datetime]
    roster: Table[RosterRow] = field(default_factory=Table)
    approvals: Table[Approval] = field(default_factory=Table)
    jobs: Table[Job] = field(default_factory=Table)
    kept: Table[str] = field(default_factory=Table)
    """Destroyed agents whose state is kept, by name."""
    questions: Table[Question] = field(default_factory=Table)
    """Those to the operators that wait."""
    schedules: Table[Schedule] = field(default_factory=Table)
    services: Table[ServiceHealth] = field(default_factory=Table)
    _news: dict[str, asyncio.Event] = field(default_factory=dict)

    async def keep(self) -> None:
        """Follow the bus until cancelled."""
        await self.bus.subscribe(wildcard(HiveEvent.subject), self._on_event)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow_roster())
            group.create_task(self._poll("lifecycle", self._ask_lifecycle))
            group.create_task(self._poll("approvals", self._ask_approvals))

    async def _follow_roster(self) -> None:
        prefix = f"$KV.{ROSTER_BUCKET}."
        part = Part(f"KV_{ROSTER_BUCKET}", (f"{prefix}>",), latest=True)

        async def take(stored: Stored) -> None:
            name = stored.subject.removeprefix(prefix)
            if stored.removal:
                self.roster.remove(name)
                return
            try:
                self.roster.put(name, msgspec.json.decode(stored.data, type=RosterRow))
            except msgspec.MsgspecError as error:
                _log.warning("bad_roster_row", agent=name, reason=str(error))

        await follow(self.bus, part, take)

    async def _on_event(self, msg: Msg) -> None:
        event = msgspec.json.decode(msg.data, type=HiveEvent)
        match event.body:
            case ApprovalChanged(approval=approval):
                self.approvals.put(str(approval.id), approval)
                self._wake("approvals")
            case JobChanged(job=job):
                self.jobs.put(job.id, job)
                self._forget_old_jobs()
            case _:
                self._wake("lifecycle")
                self._wake("approvals")

    async def _poll(self, service: str, ask: Callable[[], Awaitable[None]]) -> None:
        """Ask `service` again and again: every few seconds, and at once when there is news."""
        news = self._news[service] = asyncio.Event()
        while True:
            news.clear()
            try:
                await ask()
            except HiveError as error:
                self._note(service, ok=False, error=error.message)
            else:
                self._note(service, ok=True)
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await news.wait()

    async def _ask_lifecycle(self) -> None:
        agents = await self.bus.request(ListAgents(), timeout_s=_ASK_S)
        listed = {row.name: row for row in agents.agents}
        for name in self.roster.rows.keys() - listed.keys():
            self.roster.remove(name)
        for name, row in listed.items():
            self.roster.put(name, row)
        self.kept.replace({name: name for name in agents.kept})
        jobs = await self.bus.request(ListJobs(limit=_KEPT_JOBS), timeout_s=_ASK_S)
        self.jobs.replace({job.id: job for job in jobs.jobs})

    async def _ask_approvals(self) -> None:
        reply = await self.bus.request(ListApprovals(limit=_KEPT_APPROVALS), timeout_s=_ASK_S)
        self.approvals.replace({str(one.id): one for one in reply.approvals})
        waiting = ListQuestions(state=QuestionState.OPEN)
        asked = await self.bus.request(waiting, timeout_s=_ASK_S)
        mine = {str(one.id): one for one in asked.questions if one.answerer == OPERATOR}
        self.questions.replace(mine)
        planned = await self.bus.request(ListSchedules(), timeout_s=_ASK_S)
        self.schedules.replace({str(one.id): one for one in planned.schedules})

    def _note(self, service: str, *, ok: bool, error: str = "") -> None:
        known = self.services.rows.get(service)
        since = known.since if known is not None and known.ok == ok else self.clock()
        self.services.put(service, ServiceHealth(ok=ok, since=since, error=error))

    def _wake(self, service: str) -> None:
        if service in self._news:
            self._news[service].set()

    def _forget_old_jobs(self) -> None:
        if len(self.jobs.rows) > 2 * _KEPT_JOBS:
            newest = sorted(self.jobs.rows.values(), key=lambda job: job.created_at)[-_KEPT_JOBS:]
            self.jobs.replace({job.id: job for job in newest})


def watch(table: Table[Any]) -> Source[Watch]:
    """Return the source of a topic: the whole table first, then what changes."""

    async def source(_params: Watch, sink: Sink, /) -> None:
        version = table.version
        await sink.put({"all": table.rows})
        while True:
            await table.newer_than(version)
            changed, gone = table.since(version)
            version = table.version
            await sink.put({"set": changed, "gone": gone})

    return source


def utc_now() -> datetime:
    """Return the present."""
    return datetime.now(UTC)  # noqa: TID251 - the edge: this is the clock
