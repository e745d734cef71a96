"""The one door to other programs: argv lists, no shell, a deadline, nothing left running."""

import asyncio
import os
import signal
import subprocess  # noqa: TID251 - this is the door
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from typing_extensions import override

from hivecommon.errors import HiveError

MAX_OUTPUT_BYTES: Final = 4 << 20
_BASE_ENVIRONMENT: Final = (
    "PATH",
    "HOME",
    "LANG",
    "TZ",
    "XDG_CACHE_HOME",
    "NIX_REMOTE",
    "NIX_CONFIG",
)
_GRACE_S: Final = 2.0


@dataclass(frozen=True)
class Completed:
    """A program that has ended."""

    argv: tuple[str, ...]
    code: int
    """Exit status; negative is the signal that ended it."""
    stdout: bytes
    stderr: bytes

    def check(self) -> "Completed":
        """Return itself when the program succeeded; raise `command_failed` with its last words."""
        if self.code == 0:
            return self
        words = (self.stderr.strip() or self.stdout.strip()).decode(errors="replace")
        last = words.splitlines()[-1] if words else "it said nothing"
        raise HiveError(
            f"{Path(self.argv[0]).name} ended with status {self.code}: {last[:500]}",
            code="command_failed",
            hint=" ".join(self.argv)[:500],
        )


class Run(Protocol):
    """How modules are given the door, so that tests can pass a recorder instead."""

    async def __call__(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
    ) -> Completed:
        """Run a program to its end."""


def base_environment() -> dict[str, str]:
    """Return the few variables that programs of ours inherit; no secret is among them."""
    return {name: os.environ[name] for name in _BASE_ENVIRONMENT if name in os.environ}  # noqa: TID251 - what every child needs


async def run(
    argv: Sequence[str],
    *,
    timeout_s: float,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes = b"",
) -> Completed:
    """Run `argv` to its end and return what it said.

    `env` is added to the base environment. After `timeout_s`, on cancellation, or when it says
    more than 4 MiB, the whole process group is killed and reaped. Raises `no_command` when the
    program cannot be started, `command_timeout` after the deadline; a bad exit status raises
    nothing: see `Completed.check`.
    """
    try:
        process = await asyncio.create_subprocess_exec(  # noqa: TID251 - this is the door
            *argv,
            cwd=cwd,
            env={**base_environment(), **(env or {})},
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise _no_command(argv[0], error) from error
    try:
        async with asyncio.timeout(timeout_s):
            stdout, stderr = await _communicate(process, stdin)
    except TimeoutError as error:
        raise HiveError(
            f"{Path(argv[0]).name} did not end within {timeout_s:g} s", code="command_timeout",
            hint=" ".join(argv)[:500],
        ) from error  # fmt: skip
    finally:
        await _end(process)
    return Completed(tuple(argv), process.returncode or 0, stdout, stderr)


async def _end(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    # A paused pipe would stay open for ever; asyncio has no public way to let go of it.
    process._transport.close()  # type: ignore[attr-defined] # noqa: SLF001
    await process.wait()


async def _communicate(process: asyncio.subprocess.Process, stdin: bytes) -> tuple[bytes, bytes]:
    async def feed() -> None:
        if process.stdin is not None:
            with suppress(BrokenPipeError, ConnectionResetError):
                process.stdin.write(stdin)
                await process.stdin.drain()
            process.stdin.close()

    async def collect(stream: asyncio.StreamReader | None) -> bytes:
        parts: list[bytes] = []
        size = 0
        while stream is not None and (part := await stream.read(1 << 16)):
            size += len(part)
            if size > MAX_OUTPUT_BYTES:
                raise HiveError(
                    f"a program said more than {MAX_OUTPUT_BYTES} bytes", code="output_too_large"
                )
            parts.append(part)
        return b"".join(parts)

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(feed())
            stdout = group.create_task(collect(process.stdout))
            stderr = group.create_task(collect(process.stderr))
            await process.wait()
    except* HiveError as errors:
        raise errors.exceptions[0] from None
    return stdout.result(), stderr.result()


class Dialogue:
    """A program that runs and is talked to: what it says on both its outputs comes as one text."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def read(self) -> str:
        """Return the next piece of what it says; empty once it says nothing any more."""
        output = self._process.stdout
        return (await output.read(1 << 16)).decode(errors="replace") if output else ""

    async def say(self, line: str) -> None:
        """Hand it a line; one that has ended does not hear it."""
        if self._process.stdin is not None:
            with suppress(BrokenPipeError, ConnectionResetError):
                self._process.stdin.write(line.encode() + b"\n")
                await self._process.stdin.drain()

    async def status(self) -> int:
        """Wait for its end and return its exit status."""
        return await self._process.wait()


Converse = Callable[[Sequence[str], Mapping[str, str]], AbstractAsyncContextManager[Dialogue]]
"""How modules are given `converse`."""


def _no_command(program: str, error: OSError) -> HiveError:
    return HiveError(
        f"cannot run {program!r}: {error.strerror or error}", code="no_command",
        hint="is it installed and in PATH?",
    )  # fmt: skip


@asynccontextmanager
async def converse(argv: Sequence[str], env: Mapping[str, str]) -> AsyncIterator[Dialogue]:
    """Run `argv` for the length of the block; then its whole process group is killed and reaped.

    `env` is added to the base environment. The deadline is the caller's. Raises `no_command`.
    """
    try:
        process = await asyncio.create_subprocess_exec(  # noqa: TID251 - this is the door
            *argv,
            env={**base_environment(), **env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise _no_command(argv[0], error) from error
    try:
        yield Dialogue(process)
    finally:
        await _end(process)


async def start_detached(
    argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, output: Path,
    pass_fds: Sequence[int] = (),
) -> asyncio.subprocess.Process:  # fmt: skip
    """Start a program in a session of its own, its words appended to `output`; we can await its end.

    `env` is its whole environment.
    """
    with _starting(argv, output) as descriptor:
        return await asyncio.create_subprocess_exec(  # noqa: TID251 - this is the door
            *argv,
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            start_new_session=True,
            pass_fds=tuple(pass_fds),
        )


class Independent(subprocess.Popen[bytes]):
    """A program that goes on without us; while it is our child, `poll()` tells how it ended."""

    @override
    def __del__(self) -> None:
        """Leave it alone: asyncio's processes are killed when nobody holds them any more."""


def start_independent(
    argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, output: Path,
    pass_fds: Sequence[int] = (),
) -> Independent:  # fmt: skip
    """Start a program whose life hangs neither on us nor on our event loop; see `start_detached`."""
    with _starting(argv, output) as descriptor:
        return Independent(
            argv,
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            start_new_session=True,
            pass_fds=tuple(pass_fds),
        )


@contextmanager
def _starting(argv: Sequence[str], output: Path) -> Iterator[int]:
    """Open `output` for appending, for as long as it takes to start `argv`; raise `no_command`."""
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    try:
        yield descriptor
    except OSError as error:
        raise HiveError(
            f"cannot start {argv[0]!r}: {error.strerror or error}", code="no_command"
        ) from error
    finally:
        os.close(descriptor)
