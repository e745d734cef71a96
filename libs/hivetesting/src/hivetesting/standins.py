"""Stand-ins for lifecycle, approvals and harnesses on a real bus, for tests of what talks to them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from uuid import uuid4

import msgspec
from hivecommon.broker import operators_directory
from hivecommon.bus import Bus
from hivecommon.callers import OperatorDirectory
from hivecommon.contracts.approvals import (
    Approval,
    ApprovalKind,
    ApprovalLog,
    ApprovalReply,
    ApprovalsReply,
    ApprovalState,
    Approve,
    Deny,
    ListApprovals,
    ReadLog,
)
from hivecommon.contracts.audit import AuditEntry, AuditReply, ListAudit
from hivecommon.contracts.base import Reply, Request
from hivecommon.contracts.changes import (
    ChangesReply,
    DiffApproval,
    HistoryReply,
    ListHistory,
    Revision,
    Rollback,
)
from hivecommon.contracts.events import (
    AgentEvent,
    AgentEventBody,
    ApprovalChanged,
    JobChanged,
    QuestionChanged,
)
from hivecommon.contracts.harness import Interrupt, Ticket, UiTicket
from hivecommon.contracts.jobs import Job, JobAccepted, JobsReply, JobState, ListJobs
from hivecommon.contracts.lifecycle import (
    AgentReply,
    AgentSettings,
    Destroy,
    Done,
    GetStatus,
    ListAgents,
    Restart,
    RosterReply,
    Spawn,
    Stop,
)
from hivecommon.contracts.questions import (
    AnswerQuestion,
    ListQuestions,
    Question,
    QuestionReply,
    QuestionsReply,
)
from hivecommon.contracts.roster import Activity, ContainerState, HarnessStatus, RosterRow
from hivecommon.contracts.schedules import (
    EditSchedule,
    ListSchedules,
    Schedule,
    ScheduleReply,
    SchedulesReply,
)
from hivecommon.contracts.streams import ROSTER_BUCKET, STREAMS
from hivecommon.errors import HiveError
from hivecommon.names import MANAGER, agent_port, parse_agent_name
from hivecommon.service import Call, Service
from nats.js.kv import KeyValue

from hivetesting.broker import Broker

PATIENCE_S = 15.0


def present() -> datetime:
    """Return now."""
    return datetime.now(UTC)


def roster_row(name: str, **changes: Any) -> RosterRow:
    """Return the row of an idle agent, with `changes`."""
    row = RosterRow(
        name=name,
        manager=name == MANAGER,
        port=agent_port(parse_agent_name(name)),
        runtime="local",
        sandboxed=True,
        wanted="running",
        state=ContainerState.RUNNING,
        since=present() - timedelta(minutes=7),
        pid=4242,
        harness=HarnessStatus(activity=Activity.IDLE, since=present() - timedelta(seconds=40)),
    )
    return msgspec.structs.replace(row, **changes)


@dataclass
class Agent:
    """A harness's voice: its events, its answers."""

    bus: Bus
    name: str
    seq: int = 0
    interrupted_by: list[str] = field(default_factory=list)
    asked: list[Request[Any]] = field(default_factory=list)
    """What `answers` was asked."""
    page_url: str = "http://127.0.0.1:1/#ticket=abcdefgh12345678"

    async def listen(self) -> None:
        """Answer what operators ask of a harness."""

        async def answer(msg: Any) -> None:
            verb = msg.subject.rpartition(".")[2]
            if verb == "ui_ticket":
                reply: Any = Ticket(url=self.page_url, expires_at=present())
            else:
                self.interrupted_by.append((msg.headers or {}).get("Hive-Operator", ""))
                reply = Done()
            await msg.respond(msgspec.json.encode(reply))

        for request in (Interrupt, UiTicket):
            subject = request.subject.format(agent=self.name)
            await self.bus.client.subscribe(subject, cb=answer)
        await self.bus.client.flush()

    async def answers(self, request: type[Request[Any]], reply: Reply) -> None:
        """Answer a request with `reply` from now on, whatever it asks; what is asked is kept."""

        async def answer(msg: Any) -> None:
            self.asked.append(request.decode(msg.data))
            await msg.respond(msgspec.json.encode(reply))

        await self.bus.client.subscribe(request.subject.format(agent=self.name), cb=answer)
        await self.bus.client.flush()

    async def says(self, body: AgentEventBody, *, turn: int = 0) -> None:
        """Publish one event, and return once the stream has it."""
        self.seq += 1
        event = AgentEvent(seq=self.seq, at=present(), turn=turn, body=body)
        await self.bus.publish_acked(
            event.subject_for(self.name),
            msgspec.json.encode(event),
            message_id=event.message_id(self.name, "test"),
        )


@dataclass
class Hive:
    """lifecycle and approvals as far as the dashboard sees them, and what they were asked."""

    broker: Broker
    lifecycle: Bus
    approvals_bus: Bus
    bucket: KeyValue
    rows: dict[str, RosterRow] = field(default_factory=dict)
    approvals: dict[int, Approval] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    questions: dict[int, Question] = field(default_factory=dict)
    schedules: dict[int, Schedule] = field(default_factory=dict)
    changes: dict[int, ChangesReply] = field(default_factory=dict)
    """What approvals would change, by number."""
    logs: dict[int, str] = field(default_factory=dict)
    """What was done about approvals, by number."""
    revisions: list[Revision] = field(default_factory=list)
    """The history of whichever agent."""
    audit: list[AuditEntry] = field(default_factory=list)
    asked: list[tuple[str, Any, str]] = field(default_factory=list)
    """(operator, request, request id) of each act."""
    decisions: asyncio.Event = field(default_factory=asyncio.Event)
    """Cleared: approvals takes its time to answer a decision."""

    async def show(self, row: RosterRow) -> None:
        """Put a row into the roster, as lifecycle does."""
        self.rows[row.name] = row
        await self.bucket.put(row.name, msgspec.json.encode(row))

    async def hide(self, name: str) -> None:
        """Take a row out of the roster, as after a destroy."""
        del self.rows[name]
        await self.bucket.delete(name)

    async def propose(self, approval: Approval) -> None:
        """Make an approval and tell everybody, as approvals does."""
        self.approvals[approval.id] = approval
        await self.approvals_bus.publish_event("approvals", ApprovalChanged(approval))

    async def question(self, question: Question) -> None:
        """Let an agent ask, and tell everybody."""
        self.questions[question.id] = question
        await self.approvals_bus.publish_event("approvals", QuestionChanged(question))

    async def set_job(self, job: Job) -> None:
        """Change a job and tell everybody."""
        self.jobs[job.id] = job
        await self.lifecycle.publish_event("lifecycle", JobChanged(job))

    async def list_agents(self, _call: Call, _request: ListAgents) -> RosterReply:
        """Answer `hive.list`."""
        return RosterReply(agents=list(self.rows.values()), kept=self.kept)

    async def status(self, _call: Call, request: GetStatus) -> AgentReply:
        """Answer `hive.status`."""
        if request.agent not in self.rows:
            raise HiveError(f"there is no agent {request.agent!r}", code="unknown_agent")
        return AgentReply(agent=self.rows[request.agent])

    async def list_jobs(self, _call: Call, _request: ListJobs) -> JobsReply:
        """Answer `hive.job.list`."""
        return JobsReply(jobs=list(self.jobs.values()))

    async def list_approvals(self, _call: Call, _request: ListApprovals) -> ApprovalsReply:
        """Answer `hive.approvals.list`."""
        waiting = [one for one in self.approvals.values() if one.state is ApprovalState.PENDING]
        return ApprovalsReply(approvals=list(self.approvals.values()), pending=len(waiting))

    async def list_questions(self, _call: Call, _request: ListQuestions) -> QuestionsReply:
        """Answer `hive.questions.list`."""
        return QuestionsReply(questions=list(self.questions.values()), open=len(self.questions))

    async def answer(self, call: Call, request: AnswerQuestion) -> QuestionReply:
        """Answer `hive.questions.answer`."""
        self.asked.append((call.caller.name, request, call.request_id))
        return QuestionReply(question=self.questions.pop(request.id))

    async def list_schedules(self, _call: Call, _request: ListSchedules) -> SchedulesReply:
        """Answer `hive.schedules.list`."""
        return SchedulesReply(schedules=list(self.schedules.values()))

    async def diff(self, _call: Call, request: DiffApproval) -> ChangesReply:
        """Answer `hive.approvals.diff`."""
        return msgspec.structs.replace(self.changes[request.id], base=request.base)

    async def log(self, _call: Call, request: ReadLog) -> ApprovalLog:
        """Answer `hive.approvals.log`."""
        return ApprovalLog(approval=request.id, text=self.logs.get(request.id, ""))

    async def history(self, _call: Call, request: ListHistory) -> HistoryReply:
        """Answer `hive.history`."""
        return HistoryReply(agent=request.agent, revisions=self.revisions)

    async def edit_schedule(self, call: Call, request: EditSchedule) -> ScheduleReply:
        """Answer `hive.schedules.edit`; what is listed stays as it is."""
        self.asked.append((call.caller.name, request, call.request_id))
        return ScheduleReply(schedule=self.schedules[request.id])

    async def list_audit(self, call: Call, request: ListAudit) -> AuditReply:
        """Answer `hive.audit.list`."""
        self.asked.append((call.caller.name, request, call.request_id))
        return AuditReply(entries=self.audit)

    async def verb(self, call: Call, request: Any) -> JobAccepted:
        """Answer a slow verb with a job that runs."""
        self.asked.append((call.caller.name, request, call.request_id))
        verb = type(request).__name__.lower()
        if verb == "spawn" and request.agent in self.rows:
            raise HiveError(
                f"there is an agent {request.agent!r}", code="exists", hint="choose another name"
            )
        job = Job(
            id=f"{verb}-{uuid4().hex[:6]}", verb=verb, agent=request.agent,
            state=JobState.RUNNING, requested_by=str(call.caller), created_at=present(),
        )  # fmt: skip
        await self.set_job(job)
        return JobAccepted(job=job.id, state=job.state, agent=job.agent, verb=verb)

    async def approve(self, call: Call, request: Approve) -> ApprovalReply:
        """Approve, if the digest is right."""
        await self.decisions.wait()
        self.asked.append((call.caller.name, request, call.request_id))
        approval = self.approvals[request.id]
        shown = self.changes.get(request.id)
        if request.digest != (approval.digest if shown is None else shown.digest):
            raise HiveError("it is not what was shown", code="changed", hint="look again")
        return await self._decide(approval, ApprovalState.APPROVED, call, "")

    async def deny(self, call: Call, request: Deny) -> ApprovalReply:
        """Deny."""
        self.asked.append((call.caller.name, request, call.request_id))
        approval = self.approvals[request.id]
        return await self._decide(approval, ApprovalState.DENIED, call, request.reason)

    async def _decide(
        self, approval: Approval, state: ApprovalState, call: Call, reason: str
    ) -> ApprovalReply:
        decided = msgspec.structs.replace(
            approval, state=state, decided_by=str(call.caller), decided_at=present(),
            decision_reason=reason,
        )  # fmt: skip
        await self.propose(decided)
        return ApprovalReply(approval=decided)


def spawn_approval(number: int, agent: str, **changes: Any) -> Approval:
    """Return a spawn that the manager asks for, with `changes`."""
    approval = Approval(
        id=number,
        kind=ApprovalKind.SPAWN,
        agent=agent,
        state=ApprovalState.PENDING,
        requested_by=f"agent:{MANAGER}",
        requested_at=present() - timedelta(minutes=3),
        reason="somebody has to review what alice writes",
        settings=AgentSettings(persona="You review code.", model="claude-sonnet-4-5"),
        digest=uuid4().hex * 2,
    )
    return msgspec.structs.replace(approval, **changes)


@asynccontextmanager
async def open_hive(broker: Broker) -> AsyncIterator[Hive]:
    """Run the stand-ins until the block ends."""
    async with AsyncExitStack() as stack:

        async def connect(name: str) -> Bus:
            bus = await Bus.connect(broker.service_login(name), patience_s=5)
            stack.push_async_callback(bus.drain)
            return bus

        lifecycle, approvals = await connect("lifecycle"), await connect("approvals")
        for stream in STREAMS:
            await lifecycle.declare(stream)
        bucket = await lifecycle.jetstream.create_key_value(bucket=ROSTER_BUCKET, direct=True)
        hive = Hive(broker, lifecycle, approvals, bucket)
        hive.decisions.set()
        group = await stack.enter_async_context(asyncio.TaskGroup())
        operators = OperatorDirectory(operators_directory(broker.home))
        await Service(
            lifecycle, group, name="lifecycle", version="0.0.1", description="", operators=operators
        ).start(
            {
                ListAgents: hive.list_agents,
                GetStatus: hive.status, ListJobs: hive.list_jobs,
                ListHistory: hive.history,
                **dict.fromkeys((Spawn, Stop, Restart, Destroy, Rollback), hive.verb),
            }
        )  # fmt: skip
        await Service(
            approvals, group, name="approvals", version="0.0.1", description="", operators=operators
        ).start(
            {
                ListApprovals: hive.list_approvals, Approve: hive.approve, Deny: hive.deny,
                ListQuestions: hive.list_questions, AnswerQuestion: hive.answer,
                ListSchedules: hive.list_schedules, DiffApproval: hive.diff,
                ListAudit: hive.list_audit, ReadLog: hive.log,
                EditSchedule: hive.edit_schedule,
            }
        )  # fmt: skip
        await lifecycle.client.flush()
        await approvals.client.flush()
        yield hive


class AgentMaker:
    """Registers agents on the bus and in the roster, and speaks as their harnesses."""

    def __init__(self, hive: Hive) -> None:
        self._hive = hive
        self._stack = AsyncExitStack()
        self._made: dict[str, Agent] = {}

    async def __aenter__(self) -> Self:
        """Begin."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Disconnect all of them."""
        await self._stack.aclose()

    async def __call__(self, name: str, **row: Any) -> Agent:
        """Make the agent `name`, once; `row` changes its row in the roster."""
        await self._hive.show(roster_row(name, **row))
        if name in self._made:
            return self._made[name]
        login = await self._hive.broker.register(name)
        bus = await Bus.connect(login, patience_s=5)
        self._stack.push_async_callback(bus.drain)
        agent = self._made[name] = Agent(bus, name)
        await agent.listen()
        return agent
