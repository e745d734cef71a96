"""A scripted lifecycle: answers what approvals asks of the real one, as the contracts promise it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
from hivecommon.broker import operators_directory
from hivecommon.bus import Bus
from hivecommon.callers import OperatorDirectory
from hivecommon.contracts.approvals import ApprovalLog, FlakeInput
from hivecommon.contracts.base import ErrorDetail, Request
from hivecommon.contracts.changes import (
    Base,
    ChangesReply,
    CompareCommit,
    DigestCommit,
    Digests,
    ExecuteApply,
    JobLog,
    MarkCommit,
    PinCommit,
    Pinned,
)
from hivecommon.contracts.events import JobChanged
from hivecommon.contracts.inputs import EVERY_AGENT, ExecuteUpdate, FindInputs, InputsReply
from hivecommon.contracts.jobs import Job, JobAccepted, JobReply, JobState
from hivecommon.contracts.lifecycle import (
    ApprovalJob,
    CheckName,
    Done,
    ExecuteDestroy,
    ExecuteSpawn,
    FindStateDirs,
    MayWrite,
    StateDirs,
)
from hivecommon.errors import HiveError
from hivecommon.service import Call, Handler, Service

from hivetesting.broker import Broker


@dataclass
class JobBook:
    """What lifecycle keeps on disk: it survives the end of a `ScriptedLifecycle`."""

    jobs: dict[int, Job] = field(default_factory=dict)
    """By approval, as the approval's number is the job's key."""
    carried_out: Counter[int] = field(default_factory=Counter)
    """How often each approval's change was really made: 1 is right."""
    state_dirs: set[str] = field(default_factory=set)
    commits: dict[str, str] = field(default_factory=dict)
    """Commits that can be pinned, by how an agent may name them."""
    running: str = "0" * 40
    """What is deployed, of whichever agent."""
    tags: dict[str, str] = field(default_factory=dict)
    """Commits by `<stage>/<approval>`."""
    inputs: dict[str, str] = field(default_factory=lambda: {"nixpkgs": "old", "other": "older"})
    """Revisions of the agents' flake's inputs, by name."""
    logs: dict[int, str] = field(default_factory=dict)
    """What builds said, by approval."""
    checked: list[dict[str, str]] = field(default_factory=list)
    """First commits that were to be checked."""
    bases: list[str | None] = field(default_factory=list)
    """What each change was approved against, in the order in which they were carried out."""


class ScriptedLifecycle:
    """Takes jobs and ends them when the test says so, or at once."""

    def __init__(self, bus: Bus, book: JobBook, *, finish_at_once: bool) -> None:
        self._bus = bus
        self._finish_at_once = finish_at_once
        self.book = book
        self.refusals: dict[str, HiveError] = {}
        """What is refused, by agent."""
        self.lose_answers = 0
        """How many of the next jobs are begun although their asker is told `unavailable`."""
        self.asked = asyncio.Event()
        """Set whenever a job was asked for."""

    @property
    def bus(self) -> Bus:
        """The connection with which it asks as lifecycle."""
        return self._bus

    @property
    def endpoints(self) -> dict[type[Request[Any]], Handler[Any]]:
        """What is answered by what."""
        return {
            ExecuteSpawn: self._execute,
            ExecuteDestroy: self._execute,
            ApprovalJob: self._job,
            FindStateDirs: self._state_dirs,
            CheckName: self._check,
            PinCommit: self._pin,
            MarkCommit: self._mark,
            CompareCommit: self._compare,
            DigestCommit: self._digests,
            ExecuteApply: self._execute,
            ExecuteUpdate: self._execute,
            FindInputs: self._inputs,
            JobLog: self._log,
            MayWrite: self._may_write,
        }

    async def finish(self, approval: int, error: ErrorDetail | None = None) -> None:
        """End the job of `approval`, well or with an error, and say so."""
        job = self.book.jobs[approval]
        if job.state.ended:
            return
        state = JobState.DONE if error is None else JobState.FAILED
        self.book.carried_out[approval] += error is None
        ended = msgspec.structs.replace(job, state=state, error=error, ended_at=_now())
        self.book.jobs[approval] = ended
        await self._bus.publish_event("lifecycle", JobChanged(job=ended))

    async def _execute(
        self, _call: Call, request: ExecuteSpawn | ExecuteDestroy | ExecuteApply | ExecuteUpdate
    ) -> JobAccepted:
        self.asked.set()
        agent = EVERY_AGENT if isinstance(request, ExecuteUpdate) else request.agent
        if (refusal := self.refusals.get(agent)) is not None:
            raise refusal
        verb = request.subject.rpartition(".")[2]
        if request.approval not in self.book.jobs:
            if isinstance(request, ExecuteApply):
                self.book.bases.append(request.base)
            self.book.jobs[request.approval] = Job(
                id=f"job-{request.approval}",
                verb=verb,
                agent=agent,
                state=JobState.RUNNING,
                requested_by=request.requested_by,
                created_at=_now(),
                approval=request.approval,
            )
        if self._finish_at_once:
            await self.finish(request.approval)
        if self.lose_answers:
            self.lose_answers -= 1
            raise HiveError("the answer was lost", code="unavailable")
        job = self.book.jobs[request.approval]
        return JobAccepted(job=job.id, state=job.state, agent=job.agent, verb=verb)

    async def _pin(self, _call: Call, request: PinCommit) -> Pinned:
        if (refusal := self.refusals.get(request.agent)) is not None:
            raise refusal
        if request.commit not in self.book.commits:
            raise HiveError(f"no commit {request.commit}", code="unknown_commit")
        commit = self.book.commits[request.commit]
        return Pinned(commit=commit, subject="<b>a change</b>", running=self.book.running)

    async def _mark(self, _call: Call, request: MarkCommit) -> Done:
        self.book.tags[f"{request.stage}/{request.approval}"] = request.commit
        return Done()

    async def _compare(self, _call: Call, request: CompareCommit) -> ChangesReply:
        return ChangesReply(
            approval=request.approval, agent=request.agent, base=request.base,
            base_commit=self.book.running, running=self.book.running, commit=request.commit,
            digest=self._digest(request.commit, request.base), files=[], marks=[],
        )  # fmt: skip

    async def _digests(self, _call: Call, request: DigestCommit) -> Digests:
        found = {base: self._digest(request.commit, base) for base in Base}
        return Digests(running=self.book.running, digests=found)

    def _digest(self, commit: str, base: Base) -> str:
        return f"{base}:{self.book.running}..{commit}"

    async def _job(self, _call: Call, request: ApprovalJob) -> JobReply:
        if request.approval not in self.book.jobs:
            raise HiveError(f"no job of approval {request.approval}", code="unknown_job")
        return JobReply(job=self.book.jobs[request.approval])

    async def _inputs(self, _call: Call, request: FindInputs) -> InputsReply:
        if (refusal := self.refusals.get(EVERY_AGENT)) is not None:
            raise refusal
        wanted = request.inputs or sorted(self.book.inputs)
        found = [FlakeInput(name=name, revision=self.book.inputs[name]) for name in wanted]
        return InputsReply(inputs=found)

    async def _log(self, _call: Call, request: JobLog) -> ApprovalLog:
        if request.approval not in self.book.jobs:
            raise HiveError(f"no job of approval {request.approval}", code="unknown_job")
        return ApprovalLog(approval=request.approval, text=self.book.logs.get(request.approval, ""))

    async def _state_dirs(self, _call: Call, request: FindStateDirs) -> StateDirs:
        return StateDirs(present=[name for name in request.agents if name in self.book.state_dirs])

    async def _may_write(self, _call: Call, request: MayWrite) -> Done:
        if (refusal := self.refusals.get(request.to)) is not None:
            raise refusal
        return Done(changed=False)

    async def _check(self, _call: Call, request: CheckName) -> Done:
        self.book.checked.append(request.files)
        if (refusal := self.refusals.get(request.agent)) is not None:
            raise refusal
        return Done(changed=False)


@asynccontextmanager
async def scripted_lifecycle(
    broker: Broker, book: JobBook, *, finish_at_once: bool = False
) -> AsyncIterator[ScriptedLifecycle]:
    """Be lifecycle on the bus until the block ends."""
    bus = await Bus.connect(broker.service_login("lifecycle"), patience_s=5)
    try:
        async with asyncio.TaskGroup() as group:
            service = Service(
                bus, group, name="lifecycle", version="0.0.1", description="scripted",
                operators=OperatorDirectory(operators_directory(broker.home)),
            )  # fmt: skip
            scripted = ScriptedLifecycle(bus, book, finish_at_once=finish_at_once)
            await service.start(scripted.endpoints)
            await bus.client.flush()
            yield scripted
            await service.drain()
    finally:
        await bus.drain()


def _now() -> datetime:
    return datetime.now(UTC)
