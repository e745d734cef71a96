"""A bus, lifecycle as a process of its own, a stand-in for approvals, and agents that misbehave."""

# ruff: noqa: TID251, S603 - it starts lifecycle as a process, with an environment made from this one
import asyncio
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import msgspec
import pytest
from hive_lifecycle.config import LifecycleConfig, read_config
from hivecommon.broker import operators_directory
from hivecommon.bus import Bus, Login
from hivecommon.callers import OperatorDirectory
from hivecommon.contracts.approvals import (
    Approval,
    ApprovalKind,
    ApprovalReply,
    ApprovalState,
    RecordSpawn,
)
from hivecommon.contracts.base import Reply, Request
from hivecommon.contracts.changes import RecordRollback
from hivecommon.contracts.events import AgentChanged, HiveEvent
from hivecommon.contracts.inputs import EVERY_AGENT, RecordUpdate
from hivecommon.contracts.jobs import Job, JobAccepted, WaitJob
from hivecommon.contracts.lifecycle import AgentSettings, GetStatus, ListAgents, Spawn
from hivecommon.contracts.roster import RosterRow
from hivecommon.environment import HiveEnvironment, read_environment
from hivecommon.errors import HiveError
from hivecommon.names import AgentName
from hivecommon.service import Call, Service
from hivetesting.broker import Broker, running_broker
from nats.aio.msg import Msg

R = TypeVar("R", bound=Reply)

HARNESS = Path(__file__).with_name("stand_in.py").read_text()
PATIENCE_S = 110.0


class Approvals:
    """approvals, as far as a spawn needs it: it remembers what it was told."""

    def __init__(self) -> None:
        self.records: list[RecordSpawn] = []
        self.rollbacks: list[RecordRollback] = []
        self.updates: list[RecordUpdate] = []
        self._rollback: ApprovalReply | None = None

    def answer_rollback(self, reply: ApprovalReply) -> None:
        """Answer the next rollback so."""
        self._rollback = reply

    async def record_rollback(self, _call: Call, request: RecordRollback) -> ApprovalReply:
        self.rollbacks.append(request)
        assert self._rollback is not None
        return self._rollback

    async def record_update(self, _call: Call, request: RecordUpdate) -> ApprovalReply:
        self.updates.append(request)
        approval = Approval(
            id=500 + len(self.updates), kind=ApprovalKind.UPDATE, agent=EVERY_AGENT,
            state=ApprovalState.APPROVED, requested_by=f"operator:{request.operator}",
            requested_at=datetime.now(UTC),
        )  # fmt: skip
        return ApprovalReply(approval=approval)

    async def record_spawn(self, _call: Call, request: RecordSpawn) -> ApprovalReply:
        self.records.append(request)
        approval = Approval(
            id=len(self.records), kind=ApprovalKind.SPAWN, agent=request.agent,
            state=ApprovalState.APPROVED, requested_by=f"operator:{request.operator}",
            requested_at=datetime.now(UTC),
        )  # fmt: skip
        return ApprovalReply(approval=approval)


class Happenings:
    """What lifecycle tells of agents, in order."""

    def __init__(self) -> None:
        self.all: list[AgentChanged] = []
        self._moved = asyncio.Condition()

    async def take(self, msg: Msg) -> None:
        body = msgspec.json.decode(msg.data, type=HiveEvent).body
        if isinstance(body, AgentChanged):
            async with self._moved:
                self.all.append(body)
                self._moved.notify_all()

    async def wait_for(self, agent: str, what: str, count: int = 1) -> AgentChanged:
        """Return the `count`th happening of this kind."""

        def found() -> list[AgentChanged]:
            return [one for one in self.all if (one.agent, one.what) == (agent, what)]

        async with asyncio.timeout(PATIENCE_S), self._moved:
            await self._moved.wait_for(lambda: len(found()) >= count)
        return found()[count - 1]


class Hive:
    """A hive of whose services only lifecycle is real."""

    def __init__(self, broker: Broker, directory: Path, stack: AsyncExitStack) -> None:
        self.broker = broker
        self.environ = {
            **{name: os.environ[name] for name in ("PATH", "HOME")},
            "HIVE_HOME": str(broker.home.root),
            "HIVE_RUN": str(directory / "run"),
            "HIVE_NATS_URL": broker.address.url,
            "HIVE_MANAGER": "off",
            "ANTHROPIC_API_KEY": "secret-of-the-operator",
            "HIVE_HARNESS_COMMAND": shlex.join([sys.executable, "-P", "-c", HARNESS]),
        }
        self.approvals = Approvals()
        self.happenings = Happenings()
        self.log = directory / "lifecycle.log"
        self._stack = stack
        self._process: subprocess.Popen[bytes] | None = None
        self._operator: Bus | None = None
        self._approvals_bus: Bus | None = None

    @property
    def environment(self) -> HiveEnvironment:
        return read_environment(self.environ, uid=os.getuid())

    @property
    def config(self) -> LifecycleConfig:
        return read_config(self.environ, self.environment)

    @property
    def operator(self) -> Bus:
        assert self._operator is not None
        return self._operator

    def start_lifecycle(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "hive_lifecycle"], stdout=log, stderr=log, env=self.environ
            )

    def end_lifecycle(self, number: signal.Signals = signal.SIGTERM) -> int:
        if self._process is None:
            return 0
        process, self._process = self._process, None
        process.send_signal(number)
        return process.wait(15)

    def offline(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "hive_lifecycle", *arguments],
            env=self.environ, capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip

    async def connect(self, login: Login) -> Bus:
        bus = await Bus.connect(login, patience_s=5)
        self._stack.push_async_callback(bus.drain)
        return bus

    async def open(self) -> None:
        """Connect the operator and stand in for approvals."""
        self._operator = await self.connect(self.broker.operator_login())
        await self._operator.subscribe(HiveEvent.filter_for("lifecycle"), self.happenings.take)
        await self._operator.client.flush()
        self._approvals_bus = approvals = await self.connect(self.broker.service_login("approvals"))
        group = await self._stack.enter_async_context(asyncio.TaskGroup())
        service = Service(
            approvals, group, name="approvals", version="0.0.1", description="a stand-in",
            operators=OperatorDirectory(operators_directory(self.broker.home)),
        )  # fmt: skip
        await service.start(
            {
                RecordSpawn: self.approvals.record_spawn,
                RecordRollback: self.approvals.record_rollback,
                RecordUpdate: self.approvals.record_update,
            }
        )
        await approvals.client.flush()

    async def approvals_bus(self) -> Bus:
        """Speak as approvals."""
        assert self._approvals_bus is not None
        return self._approvals_bus

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def let_approvals_go(self) -> None:
        assert self._approvals_bus is not None
        await self._approvals_bus.drain()

    async def agent(self, name: str) -> Bus:
        """Connect with an agent's own key."""
        return await self.connect(self.broker.agent_login(name))

    async def ask(self, request: Request[R]) -> R:
        """Ask as the operator, however long lifecycle takes to start on a busy machine.

        What is asked of one that is killed at that moment gets no answer: it is asked again, as the
        same command.
        """
        request_id = uuid4().hex
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    return await self.operator.request(request, timeout_s=8, request_id=request_id)
                except HiveError as error:
                    if error.code not in {"unavailable", "expired"}:
                        raise

    async def ended(self, accepted: JobAccepted) -> Job:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                job = (await self.ask(WaitJob(job=accepted.job, timeout_s=4))).job
                if job.state.ended:
                    return job

    async def done(self, accepted: JobAccepted) -> Job:
        job = await self.ended(accepted)
        assert job.error is None, job
        return job

    async def spawn(self, name: str, settings: AgentSettings | None = None) -> Job:
        order = Spawn(agent=name, settings=settings or AgentSettings())
        return await self.done(await self.ask(order))

    async def row(self, name: str) -> RosterRow:
        return (await self.ask(GetStatus(agent=name))).agent

    async def until(self, name: str, met: Callable[[RosterRow], bool]) -> RosterRow:
        """Return an agent's row once it meets the condition."""
        async with asyncio.timeout(PATIENCE_S):
            while not met(row := await self.row(name)):
                await asyncio.sleep(0.02)
        return row

    async def names(self) -> list[str]:
        return [row.name for row in (await self.ask(ListAgents())).agents]

    def behave(self, name: str, how: str) -> None:
        """Make the stand-in of an agent misbehave from its next start on."""
        state = self.environment.home.state(AgentName(name))
        state.mkdir(parents=True, exist_ok=True)
        for directory in (state, state.parent, state.parent.parent):
            directory.chmod(0o700)
        (state / how).touch()


@pytest.fixture
def hive_environ() -> dict[str, str]:
    """Variables of lifecycle that a test file wants otherwise."""
    return {}


@pytest.fixture
async def hive(tmp_path: Path, hive_environ: dict[str, str]) -> AsyncIterator[Hive]:
    """A hive with a running lifecycle and no agents."""
    with running_broker(tmp_path / "home") as broker:
        async with AsyncExitStack() as stack:
            hive = Hive(broker, tmp_path, stack)
            hive.environ |= hive_environ
            await hive.open()
            hive.start_lifecycle()
            try:
                await hive.ask(ListAgents())
                yield hive
            finally:
                hive.end_lifecycle(signal.SIGKILL)
                stopped = hive.offline("stop-agents")
                assert stopped.returncode == 0, stopped.stderr
