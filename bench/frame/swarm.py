"""A hive to measure: a real bus and the real services as processes, in a directory of its own."""

import asyncio
import os
import signal
import subprocess  # noqa: TID251 - what is measured is the bare start of processes
import sys
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import nats.errors
from hive_lifecycle.agents import Agent, Wanted
from hive_lifecycle.store import Store
from hivecommon.bus import Bus, Login
from hivecommon.names import parse_agent_name
from hivetesting.broker import OPERATOR, Broker, free_port, running_broker

from bench.frame.turns import CPU, WALL

SERVICES: Final = {
    "lifecycle": "hive.list",
    "approvals": "hive.approvals.list",
    "dashboard": "hive.dashboard.ticket",
}
"""The services, each with a request that every operator may make and that costs little."""

_SOME_DAY: Final = datetime(2026, 1, 1, tzinfo=UTC)
_FIRST_ANSWER_S: Final = 30
_POLL_S: Final = 0.001
_END_S: Final = 20

Process = subprocess.Popen[bytes]


class Swarm:
    """The bus runs; services are started by whoever measures, and ended with the block."""

    def __init__(self, root: Path, broker: Broker, model_url: str) -> None:
        self.root = root
        self.broker = broker
        self._model_url = model_url
        self._dashboard_port = free_port()
        self._running: list[Process] = []

    @property
    def environment(self) -> dict[str, str]:
        """What services and `hive` are run with."""
        user = self.root / "user"
        user.mkdir(exist_ok=True)
        return {
            "PATH": os.environ.get("PATH", os.defpath),  # noqa: TID251 - handed on, not read
            "LANG": "C.UTF-8",
            "HOME": str(user),
            "USER": OPERATOR,
            "HIVE_HOME": str(self.broker.home.root),
            "HIVE_RUN": str(self.root / "run"),
            "HIVE_NATS_URL": self.broker.address.url,
            "HIVE_NATS_MONITOR_PORT": str(self.broker.monitor_port),
            "HIVE_DASHBOARD_PORT": str(self._dashboard_port),
            "HIVE_MANAGER": "off",
            "HIVE_OPERATOR": OPERATOR,
            "ANTHROPIC_BASE_URL": self._model_url,
            "ANTHROPIC_API_KEY": "scripted",
        }

    def write_stopped_agents(self, names: Iterable[str]) -> None:
        """Write agents into lifecycle's database before it starts: stopped ones cost nothing."""
        with closing(Store(self.broker.home.lifecycle_db)) as store:
            for name in names:
                agent = Agent(
                    name=parse_agent_name(name), wanted=Wanted.STOPPED, created_at=_SOME_DAY
                )
                store.put(agent)

    def spawn(self, argv: Sequence[str]) -> Process:
        """Start a program in the hive's environment; it ends with the block at the latest."""
        with (self.root / "output.log").open("ab") as log:
            process = subprocess.Popen(  # noqa: S603 - argv of ours
                argv, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=self.root,
            )  # fmt: skip
        self._running.append(process)
        return process

    def run(self, argv: Sequence[str]) -> dict[str, float]:
        """Run a program to its end; return the seconds it took. Raises when it fails."""
        began = time.perf_counter()
        process = self.spawn(argv)
        self._running.remove(process)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)  # Popen would wait for it again
        if process.returncode:
            raise RuntimeError(f"{' '.join(argv)} failed:\n{self.output}")
        return {WALL: wall, CPU: usage.ru_utime + usage.ru_stime}

    def start(self, service: str) -> Process:
        """Start a service as the supervisor does."""
        return self.spawn([sys.executable, "-m", f"hive_{service}"])

    def end(self, process: Process) -> None:
        """End a process in good order, and at last by force."""
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._running.remove(process)

    def end_all(self) -> None:
        """End all services, and all agents with them."""
        for process in list(self._running):
            self.end(process)
        stop = [sys.executable, "-m", "hive_lifecycle", "stop-agents"]
        self.spawn(stop).wait(_END_S * 2)

    @property
    def output(self) -> str:
        """The last words of all processes."""
        return (self.root / "output.log").read_text(errors="replace")[-3000:]

    @asynccontextmanager
    async def connected(self, login: Login) -> AsyncIterator[Bus]:
        """Connect to the bus as one of its principals."""
        bus = await Bus.connect(login, patience_s=5)
        try:
            yield bus
        finally:
            await bus.client.close()

    @asynccontextmanager
    async def operator(self) -> AsyncIterator[Bus]:
        """Connect as the operator."""
        async with self.connected(self.broker.operator_login()) as bus:
            yield bus

    async def first_answer(self, bus: Bus, subject: str) -> bytes:
        """Ask until somebody answers; return the answer. Raises `TimeoutError` with the output."""
        deadline = time.monotonic() + _FIRST_ANSWER_S
        while time.monotonic() < deadline:
            with suppress(nats.errors.NoRespondersError, nats.errors.TimeoutError):
                return (await bus.client.request(subject, b"", timeout=1)).data
            await asyncio.sleep(_POLL_S)
        raise TimeoutError(f"nobody answers {subject}:\n{self.output}")

    async def start_all(self, bus: Bus) -> dict[str, Process]:
        """Start all services; return them once each answers."""
        processes = {name: self.start(name) for name in SERVICES}
        for subject in SERVICES.values():
            await self.first_answer(bus, subject)
        return processes


@contextmanager
def swarm(model_url: str = "http://127.0.0.1:9") -> Iterator[Swarm]:
    """Run a bus, and whatever is started, until the block ends. `model_url` is the Messages API."""
    with TemporaryDirectory(prefix="hive-bench-") as name:
        root = Path(name)
        with running_broker(root / "hive") as broker:
            running = Swarm(root, broker, model_url)
            try:
                yield running
            finally:
                running.end_all()
