"""The dashboard as a process of its own, and a small hive for it to talk to: real bus, real contracts."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest
from hivecommon.broker import operators_directory
from hivecommon.bus import Bus
from hivecommon.callers import OperatorDirectory
from hivecommon.command import start_detached
from hivecommon.contracts.approvals import (
    Approval,
    ApprovalKind,
    ApprovalReply,
    ApprovalsReply,
    ApprovalState,
    Approve,
    Deny,
    ListApprovals,
)
from hivecommon.contracts.dashboard import DashboardTicket
from hivecommon.contracts.events import AgentEvent, AgentEventBody, ApprovalChanged, JobChanged
from hivecommon.contracts.harness import Interrupt, Ticket, UiTicket
from hivecommon.contracts.jobs import Job, JobAccepted, JobsReply, JobState, ListJobs
from hivecommon.contracts.lifecycle import (
    AgentSettings,
    Destroy,
    Done,
    ListAgents,
    Restart,
    RosterReply,
    Spawn,
    Stop,
)
from hivecommon.contracts.roster import Activity, ContainerState, HarnessStatus, RosterRow
from hivecommon.contracts.streams import ROSTER_BUCKET, STREAMS
from hivecommon.errors import HiveError
from hivecommon.names import MANAGER, agent_port, parse_agent_name
from hivecommon.service import Call, Service
from hivetesting.broker import Broker, free_port, running_broker
from nats.js.kv import KeyValue

PATIENCE_S = 15.0


def present() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - test data is dated now


def roster_row(name: str, **changes: Any) -> RosterRow:
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


async def until(condition: Callable[[], Any], what: str) -> None:
    """Wait for something that another task brings about."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.01)
    assert condition(), what


@dataclass
class Agent:
    """A harness's voice: its events, its answers."""

    bus: Bus
    name: str
    seq: int = 0
    interrupted_by: list[str] = field(default_factory=list)
    page_url: str = "http://127.0.0.1:1/#ticket=abcdefgh12345678"

    async def listen(self) -> None:
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
    asked: list[tuple[str, Any, str]] = field(default_factory=list)
    """(operator, request, request id) of each act."""
    names: list[str] = field(default_factory=list)

    async def show(self, row: RosterRow) -> None:
        """Put a row into the roster, as lifecycle does."""
        self.rows[row.name] = row
        await self.bucket.put(row.name, msgspec.json.encode(row))

    async def hide(self, name: str) -> None:
        del self.rows[name]
        await self.bucket.delete(name)

    async def propose(self, approval: Approval) -> None:
        """Make an approval and tell everybody, as approvals does."""
        self.approvals[approval.id] = approval
        await self.approvals_bus.publish_event("approvals", ApprovalChanged(approval))

    async def set_job(self, job: Job) -> None:
        self.jobs[job.id] = job
        await self.lifecycle.publish_event("lifecycle", JobChanged(job))

    async def list_agents(self, _call: Call, _request: ListAgents) -> RosterReply:
        return RosterReply(agents=list(self.rows.values()), kept=self.kept)

    async def list_jobs(self, _call: Call, _request: ListJobs) -> JobsReply:
        return JobsReply(jobs=list(self.jobs.values()))

    async def list_approvals(self, _call: Call, _request: ListApprovals) -> ApprovalsReply:
        waiting = [one for one in self.approvals.values() if one.state is ApprovalState.PENDING]
        return ApprovalsReply(approvals=list(self.approvals.values()), pending=len(waiting))

    async def verb(self, call: Call, request: Any) -> JobAccepted:
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
        self.asked.append((call.caller.name, request, call.request_id))
        approval = self.approvals[request.id]
        if approval.digest != request.digest:
            raise HiveError("it is not what was shown", code="changed", hint="look again")
        return await self._decide(approval, ApprovalState.APPROVED, call, "")

    async def deny(self, call: Call, request: Deny) -> ApprovalReply:
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


@pytest.fixture
def own_broker(tmp_path: Path) -> Any:
    """A bus of this test's own: the roster and the approvals are the hive's, not one agent's."""
    with running_broker(tmp_path / "home") as broker:
        yield broker


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
        group = await stack.enter_async_context(asyncio.TaskGroup())
        operators = OperatorDirectory(operators_directory(broker.home))
        await Service(
            lifecycle, group, name="lifecycle", version="0.0.1", description="", operators=operators
        ).start(
            {
                ListAgents: hive.list_agents, ListJobs: hive.list_jobs,
                **dict.fromkeys((Spawn, Stop, Restart, Destroy), hive.verb),
            }
        )  # fmt: skip
        await Service(
            approvals, group, name="approvals", version="0.0.1", description="", operators=operators
        ).start(
            {ListApprovals: hive.list_approvals, Approve: hive.approve, Deny: hive.deny}
        )  # fmt: skip
        await lifecycle.client.flush()
        await approvals.client.flush()
        yield hive


@pytest.fixture
async def hive(own_broker: Broker) -> AsyncIterator[Hive]:
    async with open_hive(own_broker) as opened:
        yield opened


MakeAgent = Callable[[str], Awaitable[Agent]]


@pytest.fixture
async def make_agent(hive: Hive) -> AsyncIterator[MakeAgent]:
    """Register an agent on the bus and in the roster, and speak as its harness."""
    async with AsyncExitStack() as stack:

        async def make(name: str) -> Agent:
            login = await hive.broker.register(name)
            bus = await Bus.connect(login, patience_s=5)
            stack.push_async_callback(bus.drain)
            agent = Agent(bus, name)
            await agent.listen()
            await hive.show(roster_row(name))
            return agent

        yield make


class Dashboard:
    """The dashboard's process, on a port that it keeps across restarts."""

    def __init__(self, broker: Broker, operator: Bus) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.output = broker.home.root / "dashboard.out"
        self._broker = broker
        self._operator = operator
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it, and return once it answers on the bus and by HTTP."""
        self.process = await start_detached(
            [sys.executable, "-m", "hive_dashboard"],
            env={
                "PATH": "/usr/bin:/bin", "HOME": "/nonexistent",
                "HIVE_HOME": str(self._broker.home.root), "HIVE_RUN": "/nonexistent",
                "HIVE_NATS_URL": self._broker.address.url,
                "HIVE_DASHBOARD_PORT": str(self.port),
            },
            cwd=self._broker.home.root,
            output=self.output,
        )  # fmt: skip
        await self.link()
        async with httpx.AsyncClient() as client:
            assert (await client.get(self.url, timeout=PATIENCE_S)).status_code == 200

    async def link(self) -> str:
        """Ask for a login link, as `hive open` does."""
        return (await self._operator.request(DashboardTicket(), timeout_s=PATIENCE_S)).url

    async def stop(self, *, kill: bool = False) -> int:
        """End the process; return its exit status."""
        assert self.process is not None
        if self.process.returncode is None:
            (self.process.kill if kill else self.process.terminate)()
        return await self.process.wait()


@pytest.fixture
async def dashboard(hive: Hive) -> AsyncIterator[Dashboard]:
    operator = await Bus.connect(hive.broker.operator_login(), patience_s=5)
    running = Dashboard(hive.broker, operator)
    try:
        await running.start()
        yield running
    finally:
        if running.process is not None:
            await running.stop(kill=True)
        await operator.drain()
