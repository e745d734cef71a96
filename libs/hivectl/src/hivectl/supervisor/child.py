"""One child of `hive up`: started, listened to, started again when it dies, stopped."""

import asyncio
import os
import shutil
import signal
import subprocess  # noqa: TID251 - its constants; this module is the supervisor's own door to children
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from hivecommon.contracts.logs import Level
from hivecommon.errors import HiveError

from hivectl.supervisor.display import Display
from hivectl.supervisor.process_id import ProcessId

FIRST_PAUSE_S: Final = 0.25
LONGEST_PAUSE_S: Final = 10.0
HEALTHY_S: Final = 30.0
"""Who ran this long is started again at once."""
KILL_AFTER_S: Final = 10.0
"""Longer than a service's drain (5 s) and the connection's after it."""
LAST_WORDS_S: Final = 1.0
_LINE_LIMIT: Final = 1 << 20
_TAKEN: Final = b"address already in use"


@dataclass(frozen=True)
class Program:
    """What a child runs. `environ` is its whole environment."""

    name: str
    argv: Sequence[str]
    environ: Mapping[str, str] = field(repr=False)
    descriptors: Sequence[int] = ()
    """Open files of ours that it is given."""


class Child:
    """Keeps one program running until it is stopped."""

    def __init__(
        self,
        program: Program,
        display: Display,
        *,
        changed: Callable[[str, ProcessId | None], None],
        free_ports: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._program = program
        self._display = display
        self._changed = changed
        self._free_ports = free_ports
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()
        self._port_was_taken = False

    @property
    def name(self) -> str:
        """The program's name."""
        return self._program.name

    async def keep_running(self) -> None:
        """Run the program again and again until `stop`."""
        clock = asyncio.get_running_loop().time
        pause_s = FIRST_PAUSE_S
        while not self._stopping.is_set():
            began = clock()
            try:
                await self._wait_for_ports()
                code = await self._run_once()
            except HiveError as error:
                self._display.say(
                    Level.ERROR, "cannot_start", child=self.name, reason=error.message,
                    hint=error.hint,
                )  # fmt: skip
                code = None
            if self._stopping.is_set():
                return
            if clock() - began >= HEALTHY_S:
                pause_s = FIRST_PAUSE_S
            self._display.say(
                Level.WARNING, "child_ended", child=self.name, status=code, again_in_s=pause_s
            )
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._stopping.wait()
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    async def _wait_for_ports(self) -> None:
        """See that a port is free again, once it was found taken: names it where the program won't."""
        if self._port_was_taken and self._free_ports is not None:
            await self._free_ports()
        self._port_was_taken = False

    async def _run_once(self) -> int:
        process = await start(self._program)
        self._process = process
        self._changed(self.name, ProcessId.of(process.pid))
        listening = asyncio.ensure_future(self._listen(process))
        try:
            if self._stopping.is_set():
                return 0  # asked to stop while it was being started
            code = await process.wait()
            # Its last words; a grandchild that holds the pipe shall not keep it from a new start.
            await asyncio.wait((listening,), timeout=LAST_WORDS_S)
            return code
        finally:
            listening.cancel()
            await end(process, KILL_AFTER_S)
            self._process = None
            self._changed(self.name, None)

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None  # noqa: S101 - start() asked for the pipe
        while line := await _next_line(process.stdout):
            self._port_was_taken |= _TAKEN in line
            if text := line.rstrip(b"\n"):
                self._display.child_line(self.name, text)

    def kill(self) -> None:
        """End it at once."""
        self._stopping.set()
        if self._process is not None:
            _signal(self._process, signal.SIGKILL)

    async def stop(self) -> None:
        """Ask it to end; kill it after ten seconds."""
        self._stopping.set()
        if self._process is not None:
            await end(self._process, KILL_AFTER_S)


async def start(program: Program) -> asyncio.subprocess.Process:
    """Start a program in a session of its own, so that Ctrl-C reaches us alone.

    Where setpriv(1) is there the kernel ends it when we die, even by SIGKILL. Raises `no_command`.
    """
    setpriv = shutil.which("setpriv")
    guard = [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []
    try:
        return await asyncio.create_subprocess_exec(  # noqa: TID251 - hivecommon.command has no long-lived child with a pipe
            *guard,
            *program.argv,
            env=dict(program.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=tuple(program.descriptors),
            limit=_LINE_LIMIT,
        )
    except OSError as error:
        raise HiveError(
            f"cannot run {program.argv[0]!r}: {error.strerror or error}", code="no_command",
            hint="`make up` installs it; see `hive doctor`",
        ) from error  # fmt: skip


async def end(process: asyncio.subprocess.Process, patience_s: float) -> None:
    """End a process and its group: SIGTERM, and after `patience_s` SIGKILL; return once it is gone."""
    _signal(process, signal.SIGTERM)
    try:
        async with asyncio.timeout(patience_s):
            await process.wait()
    except TimeoutError:
        pass
    finally:
        _signal(process, signal.SIGKILL)
        await process.wait()


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)


async def _next_line(stream: asyncio.StreamReader) -> bytes:
    """Return the next line, or what fits of one that is longer than 1 MiB; empty at the end."""
    try:
        return await stream.readuntil(b"\n")
    except asyncio.IncompleteReadError as error:
        return error.partial
    except asyncio.LimitOverrunError as error:
        return await stream.readexactly(error.consumed)
