"""Processes that are not ours to wait for: known by pid and start time, watched through pidfds.

Not psutil: its start time moves when the host's clock is set, and an agent that is taken for dead
would be started a second time. The kernel's ticks since boot never move.
"""

import asyncio
import os
import select
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

_PROC: Final = Path("/proc")


class ProcessId(msgspec.Struct, frozen=True):
    """One process of one boot; a number that was given away again is another one."""

    pid: int
    start_ticks: int
    """Field 22 of /proc/PID/stat, proc(5)."""
    boot_id: str


def boot_id() -> str:
    """Return what differs at every boot of the host, random(4)."""
    return (_PROC / "sys/kernel/random/boot_id").read_text().strip()


def identify(pid: int) -> ProcessId | None:
    """Return who `pid` is now; None when it is gone or only waits to be reaped."""
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name in parentheses may hold anything, parentheses and spaces too.
    fields = text[text.rindex(")") + 2 :].split()
    state, start_ticks = fields[0], int(fields[19])
    return None if state in "ZX" else ProcessId(pid, start_ticks, boot_id())


def is_alive(process: ProcessId) -> bool:
    """Whether this very process still runs."""
    return identify(process.pid) == process


def children_of(pid: int) -> list[int]:
    """Return the pids of the children that the first thread of `pid` has."""
    try:
        return [int(child) for child in (_PROC / f"{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def marked_with(variable: str, value: str) -> list[ProcessId]:
    """Return all processes of ours whose environment has `variable=value`."""
    mark = f"{variable}={value}".encode()
    return [
        process
        for pid in _pids()
        if _has_mark(pid, mark) and (process := identify(pid)) is not None
    ]


def _pids() -> Iterator[int]:
    return (int(entry.name) for entry in _PROC.iterdir() if entry.name.isdecimal())


def _has_mark(pid: int, mark: bytes) -> bool:
    try:
        return mark in (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return False  # gone meanwhile, or somebody else's


def open_pidfd(process: ProcessId) -> int | None:
    """Return a descriptor that becomes readable when the process ends; None: it has ended."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return None
    # Only now is it certain that the number was not given away between the two looks.
    if is_alive(process):
        return descriptor
    os.close(descriptor)
    return None


def send_signal(process: ProcessId, number: signal.Signals) -> bool:
    """Send a signal to this very process; return False when it has ended."""
    descriptor = open_pidfd(process)
    if descriptor is None:
        return False
    try:
        signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(descriptor)
    return True


async def wait_until_gone(process: ProcessId, timeout_s: float) -> bool:
    """Wait until the process has ended; return False when it still runs after `timeout_s`."""
    descriptor = open_pidfd(process)
    if descriptor is None:
        return True
    loop = asyncio.get_running_loop()
    gone = asyncio.Event()
    loop.add_reader(descriptor, gone.set)
    try:
        async with asyncio.timeout(timeout_s):
            await gone.wait()
    except TimeoutError:
        return bool(select.select([descriptor], [], [], 0)[0])
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
    return True


async def kill_all(known: Iterable[ProcessId], mark: tuple[str, str], timeout_s: float) -> None:
    """Kill the `known` processes and all that carry the variable and value of `mark`.

    Again and again, since they may go on starting others until the last is gone. Raises
    TimeoutError when some cannot be killed.
    """
    first = set(known)
    async with asyncio.timeout(timeout_s):
        while remaining := first | set(marked_with(*mark)):
            for process in remaining:
                send_signal(process, signal.SIGKILL)
            for process in remaining:
                await wait_until_gone(process, timeout_s)
            first = set()


class EndWatch:
    """Puts the key of each watched process into `ended` when that process ends."""

    def __init__(self) -> None:
        self.ended: asyncio.Queue[str] = asyncio.Queue()
        self._watched: dict[str, tuple[ProcessId, int]] = {}

    def add(self, key: str, process: ProcessId) -> None:
        """Watch `process`; another one that was watched under `key` no longer matters."""
        if key in self._watched and self._watched[key][0] == process:
            return
        self.drop(key)
        descriptor = open_pidfd(process)
        if descriptor is None:
            self.ended.put_nowait(key)
            return
        self._watched[key] = (process, descriptor)
        asyncio.get_running_loop().add_reader(descriptor, self._on_end, key)

    def drop(self, key: str) -> None:
        """Watch no longer."""
        if key not in self._watched:
            return
        _, descriptor = self._watched.pop(key)
        asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)

    def close(self) -> None:
        """Watch nothing any more; the processes go on."""
        for key in list(self._watched):
            self.drop(key)

    def _on_end(self, key: str) -> None:
        self.drop(key)
        self.ended.put_nowait(key)
