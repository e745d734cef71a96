"""A whole hive for tests: `hive up` in directories of its own, on free ports, with a scripted model."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import psutil
from hivecommon.broker import operator_key
from hivecommon.bus import Bus, Login
from hivecommon.contracts.lifecycle import GetStatus, ListAgents
from hivecommon.contracts.roster import RosterRow
from hivecommon.environment import BusAddress
from hivecommon.errors import HiveError
from hivecommon.home import HiveHome
from hivecommon.keys import read_seed

from hivetesting.broker import OPERATOR, free_port

READY_S = 60
SERVICES = ("hive_lifecycle", "hive_approvals", "hive_dashboard")


@dataclass(frozen=True)
class Said:
    """What one `hive` command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The output of a command with `--json`."""
        return json.loads(self.out)


@dataclass
class RunningHive:
    """A hive under `root`; `start` and `stop` may alternate."""

    root: Path
    model_url: str
    manager: bool = False
    extra: Mapping[str, str] = field(default_factory=dict)
    bus: BusAddress = field(default_factory=lambda: BusAddress("127.0.0.1", free_port()))
    monitor_port: int = field(default_factory=free_port)
    dashboard_port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def home(self) -> HiveHome:
        """The hive's directories."""
        return HiveHome(self.root / "hive")

    @property
    def environment(self) -> dict[str, str]:
        """What `hive up` and `hive` are run with."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "CI") if name in os.environ}
        (self.root / "user").mkdir(parents=True, exist_ok=True)
        return {
            **kept,
            "HOME": str(self.root / "user"),
            # natscli takes the home directory from the user database, not from HOME.
            "XDG_CONFIG_HOME": str(self.root / "user/.config"),
            "HIVE_HOME": str(self.home.root),
            "HIVE_RUN": str(self.root / "run"),
            "HIVE_NATS_URL": self.bus.url,
            "HIVE_NATS_MONITOR_PORT": str(self.monitor_port),
            "HIVE_DASHBOARD_PORT": str(self.dashboard_port),
            "HIVE_OPERATOR": OPERATOR,
            "HIVE_MANAGER": "on" if self.manager else "off",
            "ANTHROPIC_BASE_URL": self.model_url,
            "ANTHROPIC_API_KEY": "scripted",
            **self.extra,
        }

    @property
    def log(self) -> str:
        """What `hive up` has said so far."""
        return (self.root / "up.log").read_text(errors="replace")

    def start(self) -> Self:
        """Run `hive up`; return once all services answer. One that was ended otherwise is reaped."""
        if self._process is not None:
            self._process.wait(READY_S)
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / "up.log").open("ab") as log:
            self._process = subprocess.Popen(
                [hive_command(), "up"], env=self.environment, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, cwd=self.root,
            )  # fmt: skip
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise RuntimeError(
                    f"hive up ended with {self._process.returncode}:\n{self.log[-4000:]}"
                )
            if self.ready():
                return self
            time.sleep(0.1)
        self.stop()
        raise RuntimeError(f"hive up is not ready after {READY_S} s:\n{self.log[-4000:]}")

    def ready(self) -> bool:
        """Return whether every service answers on the bus."""

        async def ask() -> bool:
            operator = await self.connect()
            try:
                for service in ("lifecycle", "approvals", "dashboard"):
                    await operator.client.request(f"$SRV.PING.{service}", b"", timeout=1)
                await operator.request(ListAgents(), timeout_s=2)
            finally:
                await operator.client.close()
            return True

        try:
            return asyncio.run(ask())
        except Exception:  # noqa: BLE001 - whatever is wrong, it is not ready yet
            return False

    def stop(self) -> int:
        """End `hive up` as Ctrl-C does; return its exit status."""
        if self._process is None:
            return 0
        self._process.send_signal(signal.SIGINT)
        try:
            code = self._process.wait(60)
        finally:
            self._process.kill()
            self._process.wait()
            self._process = None
            for left in self.processes("hive_harness"):
                left.kill()
        return code

    async def connect(self) -> Bus:
        """Connect as the operator who started the hive."""
        keys = operator_key(self.home, OPERATOR)
        login = Login(
            url=self.bus.url, name="test operator", inbox_prefix="_INBOX", seed=read_seed(keys)
        )
        return await Bus.connect(login, patience_s=5)

    def hive(self, *arguments: str, stdin: str = "", timeout_s: float = 60) -> Said:
        """Run one `hive` command."""
        done = subprocess.run(
            [hive_command(), *arguments], env=self.environment, input=stdin, text=True,
            capture_output=True, timeout=timeout_s, check=False,
        )  # fmt: skip
        return Said(done.returncode, done.stdout, done.stderr)

    def processes(self, module: str) -> list[psutil.Process]:
        """Return this hive's processes that run `module` (or the program of that name)."""
        mark = f"HIVE_HOME={self.home.root}"
        found = []
        for process in psutil.process_iter(["cmdline"]):
            command = process.info["cmdline"] or []
            if any(module in part for part in command) and (
                mark in _environ(process) or any(str(self.root) in part for part in command)
            ):
                found.append(process)
        return found

    def kill(self, module: str, *, force: bool = True) -> int:
        """Kill a service (or let it end in good order), once it runs; return its pid."""
        deadline = time.monotonic() + READY_S
        while not (running := self.processes(module)):
            # Killed often, it is started again after ever longer pauses.
            if time.monotonic() > deadline:
                raise AssertionError(f"{module} does not run")
            time.sleep(0.05)
        process = min(running, key=lambda candidate: candidate.create_time())
        process.send_signal(signal.SIGKILL if force else signal.SIGTERM)
        return int(process.pid)

    def connection_ids(self, name: str) -> list[int]:
        """Return the ids of all connections of the client `name` (`/connz`)."""
        return [connection["cid"] for connection in self._connz() if connection.get("name") == name]

    def connections(self) -> dict[str, int]:
        """Return the server's connection ids by the names of its clients (`/connz`)."""
        return {connection.get("name", ""): connection["cid"] for connection in self._connz()}

    def _connz(self) -> list[dict[str, Any]]:
        url = f"http://127.0.0.1:{self.monitor_port}/connz?limit=1000"
        with urllib.request.urlopen(url, timeout=5) as answer:
            found: list[dict[str, Any]] = json.load(answer)["connections"]
        return found

    def until_running(self, agent: str, *, timeout_s: float = 60) -> RosterRow:
        """Return the agent's row once its harness says that it is ready for its inbox."""

        async def wait() -> RosterRow:
            operator = await self.connect()
            try:
                async with asyncio.timeout(timeout_s):
                    while True:
                        try:
                            row = (await operator.request(GetStatus(agent=agent))).agent
                        except HiveError:
                            row = None
                        if row and row.state == "running" and row.harness.activity == "idle":
                            return row
                        await asyncio.sleep(0.1)
            finally:
                await operator.client.close()

        return asyncio.run(wait())


def hive_command() -> str:
    """Return the `hive` of this venv."""
    return str(Path(sys.executable).with_name("hive"))


def _environ(process: psutil.Process) -> str:
    try:
        return "\n".join(f"{name}={value}" for name, value in process.environ().items())
    except psutil.Error:
        return ""


@contextmanager
def running_hive(root: Path, model_url: str, **options: Any) -> Iterator[RunningHive]:
    """Run a hive until the block ends."""
    hive = RunningHive(root, model_url, **options).start()
    try:
        yield hive
    finally:
        hive.stop()
