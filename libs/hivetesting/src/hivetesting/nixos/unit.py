"""One container@ unit as systemd keeps it: its states, its restarts, its start limit."""

# A stand-in for a program of the host: starting processes is what it does.
# ruff: noqa: D102

import asyncio
import contextlib
import os
import re
import secrets
import signal
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from hivetesting.nixos.layout import UNIT_DIRECTORIES, Layout

START_LIMIT = (
    5  # DefaultStartLimitBurst= within DefaultStartLimitIntervalSec= (systemd-system.conf)
)
START_LIMIT_S = 10.0
RESTART_S = 0.1  # RestartSec=
RESTART_CODE = 133  # RestartForceExitStatus= of container@

type_seconds = {"": 1.0, "s": 1.0, "sec": 1.0, "ms": 0.001, "min": 60.0, "m": 60.0, "h": 3600.0}


class JobFailed(Exception):
    """What systemctl prints when a job did not do what was asked."""


@dataclass
class Machine:
    """What machined knows of a container; it forgets a little later than the process ends."""

    leader: int
    gone_at: float = float("inf")


@dataclass
class Unit:
    """container@NAME.service."""

    layout: Layout
    name: str
    spawn: Callable[[Awaitable[None]], None]
    machines: dict[str, Machine]
    active: str = "inactive"
    sub: str = "dead"
    result: str = "success"
    main_status: int = 0
    n_restarts: int = 0
    invocation: str = ""
    changed_at: datetime | None = None
    ready_at: datetime | None = None
    process: asyncio.subprocess.Process | None = None
    properties: dict[str, str] = field(default_factory=dict)
    limits: dict[str, str] = field(default_factory=dict)
    _starts: deque[float] = field(default_factory=lambda: deque(maxlen=START_LIMIT))
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _stopping: bool = False

    @property
    def unit(self) -> str:
        return f"container@{self.name}.service"

    async def start(self) -> None:
        """Start and wait until the guest is ready; a running unit is left alone."""
        if self.active in ("active", "reloading"):
            return
        if self.active == "deactivating":
            await self._until(lambda: self.active != "deactivating")
        if self.active != "activating" or self.sub == "auto-restart":
            self._begin()
            self.n_restarts = 0
        invocation = self.invocation
        await self._until(lambda: self.active != "activating" or self.sub == "auto-restart")
        if self.invocation != invocation or self._stopping:
            raise JobFailed(f"Job for {self.unit} canceled.")
        if self.active != "active":
            raise self._failed()

    async def stop(self) -> None:
        """Stop and wait until every process is gone."""
        if self.active in ("inactive", "failed"):
            return
        self._stopping = True
        if self.process is None:  # waiting for an automatic restart
            await self._set("inactive", "dead")
            return
        await self._set("deactivating", "stop-sigterm")
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
        try:
            async with asyncio.timeout(self.layout.knobs().stop_timeout_s):
                await self._until(lambda: self.active != "deactivating")
        except TimeoutError:
            self._kill_all()
            await self._until(lambda: self.active != "deactivating")

    async def reload(self) -> None:
        """Run switch-to-configuration in the guest; a failure leaves the unit active."""
        if self.active != "active":
            raise JobFailed(f"Job for {self.unit} failed: the unit is not active.")
        await self._set("reloading", "reload")
        await asyncio.to_thread(self.layout.pass_gate, "reload", self.name)
        command = (str(self.layout.bin / "nixos-container"), "run", self.name, "--")
        process = await asyncio.create_subprocess_exec(
            *command,
            "/nix/var/nix/profiles/system/bin/switch-to-configuration",
            "test",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=self._journal(),
            stderr=asyncio.subprocess.STDOUT,
        )
        code = await process.wait()
        if self.active == "reloading":
            await self._set("active", "running")
        if code:
            raise JobFailed(f"Job for {self.unit} failed.\nControl process exited, status={code}")

    def reset_failed(self) -> None:
        """Forget the failure and the starts that count towards the limit."""
        self._starts.clear()
        self.n_restarts = 0
        if self.active == "failed":
            self.active, self.sub, self.result = "inactive", "dead", "success"

    def kill(self, number: int) -> None:
        """Signal the unit's main process alone."""
        if self.process is not None:
            self.process.send_signal(number)

    def show(self) -> dict[str, str]:
        """Give the properties that `systemctl show` prints."""
        return {
            "Id": self.unit,
            "LoadState": "loaded",
            "ActiveState": self.active,
            "SubState": self.sub,
            "Result": self.result,
            "NRestarts": str(self.n_restarts),
            "InvocationID": self.invocation,
            "MainPID": str(self.process.pid if self.process else 0),
            "ExecMainStatus": str(self.main_status),
            "StateChangeTimestamp": _timestamp(self.changed_at),
            "ActiveEnterTimestamp": _timestamp(self.ready_at),
        } | self.limits

    def load_properties(self) -> None:
        """Read the drop-ins, as a daemon-reload does."""
        self.properties = {}
        for directory in UNIT_DIRECTORIES:
            for unit in ("container@.service.d", f"{self.unit}.d"):
                for dropin in sorted((self.layout.root / directory / unit).glob("*.conf")):
                    for line in dropin.read_text().splitlines():
                        key, equals, value = line.partition("=")
                        if equals and not line.startswith("#"):
                            self.properties[key.strip()] = value.strip()
        self.limits = _shown_limits(self.properties)

    def _failed(self) -> JobFailed:
        return JobFailed(
            f"Job for {self.unit} failed because the control process exited with error code.\n"
            f'See "systemctl status {self.unit}" and "journalctl -xeu {self.unit}" for details.'
        )

    def _begin(self) -> None:
        now = time.monotonic()
        if len(self._starts) == START_LIMIT and now - self._starts[0] < START_LIMIT_S:
            self.active, self.sub = "failed", "failed"
            # The reason of the last end stays where there was one (service_enter_dead in systemd).
            self.result = "start-limit-hit" if self.result == "success" else self.result
            self._log(f"systemd: {self.unit}: Start request repeated too quickly.")
            raise self._failed()
        self._starts.append(now)
        self._stopping = False
        self.invocation = secrets.token_hex(16)
        self.active, self.sub, self.result = "activating", "start", "success"
        self.spawn(self._run())

    async def _run(self) -> None:
        """Live one life of the container, from nspawn's start to the state after its end."""
        machine = self.machines.get(self.name)
        if machine is not None and time.monotonic() < machine.gone_at:
            self._log(f"Failed to register machine: Machine '{self.name}' already exists")
            await self._ended(1)
            return
        read_fd, write_fd = os.pipe()
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "hivetesting.nixos.nspawn",
            str(self.layout.root), self.name, str(write_fd),
            pass_fds=(write_fd,), stdin=asyncio.subprocess.DEVNULL, stdout=self._journal(),
            stderr=asyncio.subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        os.close(write_fd)
        with os.fdopen(read_fd, "rb") as pipe:
            try:
                async with asyncio.timeout(self._start_timeout_s()):
                    await self._await_ready(pipe.fileno())
            except TimeoutError:
                self._log(f"systemd: {self.unit}: start operation timed out. Terminating.")
                self.result = "timeout"
                self._kill_all()
        code = await self.process.wait()
        self.process = None
        machine = self.machines.get(self.name)
        if machine is not None:
            machine.gone_at = time.monotonic() + self.layout.knobs().linger_s
        await self._ended(code)

    async def _await_ready(self, fd: int) -> None:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(os.dup(fd), "rb")
        )
        try:
            while line := (await reader.readline()).decode().strip():
                key, _, value = line.partition("=")
                if key == "LEADER":
                    self.machines[self.name] = Machine(int(value))
                elif key == "READY" and self.active == "activating":
                    await self._set("active", "running")
        finally:
            transport.close()

    async def _ended(self, code: int) -> None:
        self.main_status = abs(code)
        clean = code == 0 or (self._stopping and code in (RESTART_CODE, -signal.SIGTERM))
        if self._stopping or (clean and code != RESTART_CODE):
            state = ("inactive", "dead") if clean or self._stopping else ("failed", "failed")
            await self._set(*state)
            return
        if self.result == "success" and code != RESTART_CODE:
            self.result = "signal" if code < 0 else "exit-code"
        await self._set("activating", "auto-restart")
        await asyncio.sleep(RESTART_S)
        if self.sub != "auto-restart":
            return
        restarts = self.n_restarts
        with contextlib.suppress(JobFailed):
            self._begin()
        self.n_restarts = restarts + 1  # the refused one counts too
        await self._set(self.active, self.sub)

    def _start_timeout_s(self) -> float:
        text = self.properties.get("TimeoutStartSec", "")
        match = re.fullmatch(r"([0-9.]+)\s*([a-z]*)", text)
        return (
            float(match[1]) * type_seconds[match[2]]
            if match
            else self.layout.knobs().start_timeout_s
        )

    def _kill_all(self) -> None:
        machine = self.machines.get(self.name)
        for pid in (self.process.pid if self.process else 0, machine.leader if machine else 0):
            if pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    async def _set(self, active: str, sub: str) -> None:
        self.changed_at = datetime.now(UTC)
        if active == "active" and self.active != "reloading":
            self.ready_at = self.changed_at
        self.active, self.sub = active, sub
        async with self._changed:
            self._changed.notify_all()

    async def _until(self, holds: Callable[[], bool]) -> None:
        async with self._changed:
            await self._changed.wait_for(holds)

    def _log(self, line: str) -> None:
        with self._journal_path().open("a") as journal:
            journal.write(line + "\n")

    def _journal(self) -> int:
        return os.open(self._journal_path(), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)

    def _journal_path(self) -> Path:
        return self.layout.journal / f"{self.unit}.log"


def _shown_limits(properties: dict[str, str]) -> dict[str, str]:
    """Say what was set, as `systemctl show` does: other names, and numbers in other units."""
    memory, quota = properties.get("MemoryMax", ""), properties.get("CPUQuota", "").rstrip("%")
    start = properties.get("TimeoutStartSec", "60")
    sizes = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
    size = int(memory.rstrip("KMGT")) * sizes.get(memory[-1], 1) if memory else "infinity"
    return {
        "MemoryMax": str(size),
        "CPUQuotaPerSecUSec": f"{int(quota) / 100:.6f}s" if quota else "infinity",
        "TimeoutStartUSec": f"{int(start) // 60}min" if start.isdecimal() else start,
    }


def _timestamp(moment: datetime | None) -> str:
    """Print a moment as `--timestamp=us+utc` does."""
    return moment.strftime("%a %Y-%m-%d %H:%M:%S.%f UTC") if moment else ""
