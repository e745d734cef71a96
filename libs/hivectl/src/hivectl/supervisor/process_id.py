"""A process that cannot be mistaken for another one: its number together with its start time."""

import asyncio
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

import msgspec
from hivecommon.errors import HiveError

END_S: Final = 10.0
_LOOK_S: Final = 0.05


class ProcessId(msgspec.Struct, frozen=True):
    """A process as it was when it was noted down; numbers are reused, pairs are not."""

    pid: int
    started: int
    """Clock ticks since boot (field 22 of /proc/PID/stat, proc(5))."""

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """Return the process that has this number now, None when there is none (or a zombie)."""
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return None
        # The second field is the program's name in parentheses and may hold anything.
        fields = stat.rpartition(")")[2].split()
        return None if fields[0] in "ZX" else cls(pid, int(fields[19]))

    @classmethod
    def own(cls) -> Self:
        """Return the process that asks."""
        found = cls.of(os.getpid())
        if found is None:
            raise HiveError(
                "/proc does not show this process", code="no_proc",
                hint="mount /proc: agents and services are told apart by their start times",
            )  # fmt: skip
        return found

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return ProcessId.of(self.pid) == self

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it still runs; raise `refused` when it is another user's."""
        if not self.alive:
            return
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return
        except PermissionError as error:
            raise HiveError(
                f"process {self.pid} belongs to another user", code="refused",
                hint="do it as the user that runs the hive",
            ) from error  # fmt: skip


async def gone(processes: Sequence[ProcessId], within_s: float) -> bool:
    """Return True once none of the processes runs, False after `within_s`.

    They are looked at again and again: nobody is told of the end of somebody else's child.
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + within_s
    while any(process.alive for process in processes):
        if clock() >= deadline:
            return False
        await asyncio.sleep(_LOOK_S)
    return True


async def end_all(processes: Sequence[ProcessId]) -> None:
    """End processes that are not our children: SIGTERM, and after ten seconds SIGKILL."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in processes:
            process.signal(number)
        if await gone(processes, END_S):
            return
