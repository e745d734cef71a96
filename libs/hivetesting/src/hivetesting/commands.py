"""The `hive` command inside a test's process, and services whose answers a test scripts."""

import asyncio
import io
import json
import os
import pty
import select
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hivecommon.broker import operators_directory
from hivecommon.bus import Bus
from hivecommon.callers import OperatorDirectory
from hivecommon.contracts.base import Request
from hivecommon.service import Handler, Service
from hivectl.dispatch import dispatch
from hivectl.shell import Shell
from hivectl.terminal import Terminal

from hivetesting.broker import OPERATOR, Broker

SILENCE_S = 30.0

Endpoints = Mapping[type[Request[Any]], Handler[Any]]


@dataclass(frozen=True)
class Said:
    """What one command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The output as one JSON value."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """The output as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


def environ_of(broker: Broker) -> dict[str, str]:
    """Return what an operator's shell has set for the hive of `broker`."""
    return {
        "HOME": str(broker.home.root),
        "HIVE_HOME": str(broker.home.root),
        "HIVE_RUN": str(broker.home.root / "run"),
        "HIVE_NATS_URL": broker.address.url,
        "HIVE_NATS_MONITOR_PORT": str(broker.monitor_port),
        "HIVE_OPERATOR": OPERATOR,
    }


@dataclass(frozen=True)
class HiveCommand:
    """Runs commands; each runs in a thread, with an event loop of its own as in a process."""

    environ: Mapping[str, str]

    async def __call__(self, *arguments: str, **environ: str) -> Said:
        """Run one command."""
        return await asyncio.to_thread(self.run, *arguments, **environ)

    def run(self, *arguments: str, **environ: str) -> Said:
        """Run one command and wait for it, outside of any event loop."""
        out, err = io.StringIO(), io.StringIO()
        shell = Shell(
            {**self.environ, **environ}, now=lambda: datetime.now(UTC), terminal=Terminal(out, err)
        )  # fmt: skip
        return Said(dispatch(arguments, shell), out.getvalue(), err.getvalue())

    def process(self, *arguments: str, stdin: str = "", **environ: str) -> Said:
        """Run one command as a process of its own."""
        done = subprocess.run(
            [sys.executable, "-m", "hivectl", *arguments], env=self._whole(environ), input=stdin,
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        return Said(done.returncode, done.stdout, done.stderr)

    @contextmanager
    def on_terminal(self, *arguments: str, **environ: str) -> Iterator["Screen"]:
        """Run one command at a terminal, where it may ask and use colours."""
        ours, theirs = pty.openpty()
        with subprocess.Popen(
            [sys.executable, "-m", "hivectl", *arguments], stdin=theirs, stdout=theirs,
            stderr=theirs, env={"TERM": "xterm", **self._whole(environ)}, start_new_session=True,
        ) as process:  # fmt: skip
            os.close(theirs)
            try:
                yield Screen(ours, process)
            finally:
                process.terminate()
                os.close(ours)

    def _whole(self, environ: Mapping[str, str]) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        return {**kept, **self.environ, **environ}


@dataclass
class Screen:
    """A terminal with a command at it."""

    descriptor: int
    process: subprocess.Popen[bytes]
    seen: str = ""

    def until(self, words: str) -> str:
        """Return all that was shown once `words` are among it; fail when it ends or stays silent."""
        while words not in self.seen:
            part = b""
            with suppress(OSError):  # that is how a closed terminal reads
                if select.select([self.descriptor], [], [], SILENCE_S)[0]:
                    part = os.read(self.descriptor, 4096)
            if not part:
                raise AssertionError(f"{words!r} never came; shown: {self.seen!r}")
            self.seen += part.decode(errors="replace")
        return self.seen

    def rest(self) -> str:
        """Return all that was shown, once the command has ended."""
        self.process.wait(SILENCE_S)
        with suppress(OSError):  # that is how a closed terminal reads
            while part := os.read(self.descriptor, 4096):
                self.seen += part.decode(errors="replace")
        return self.seen

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self.descriptor, text.encode())


@asynccontextmanager
async def serving(broker: Broker, bus: Bus, name: str, endpoints: Endpoints) -> AsyncIterator[None]:
    """Answer requests as the service `name` until the block ends."""
    async with asyncio.TaskGroup() as group:
        service = Service(
            bus, group, name=name, version="0.1.0", description="scripted",
            operators=OperatorDirectory(operators_directory(broker.home)),
        )  # fmt: skip
        await service.start(endpoints)
        await bus.client.flush()
        yield
        await service.drain()


Serve = Callable[[str, Endpoints], AbstractAsyncContextManager[None]]
"""Makes a scripted service: its name, and what it answers."""
