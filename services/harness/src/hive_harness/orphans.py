"""Processes that an earlier harness of this agent left behind: found by a mark in their environment."""

import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Final

MARK: Final = "HIVE_CLI_OF"
"""Variable that the CLI and everything below it inherits; its value is the agent's runtime directory."""


def kill_orphans(run: Path, *, proc: Path = Path("/proc"), but_of: int | None = None) -> int:
    """Kill every process that carries this agent's mark; return how many there were.

    Those that descend from the process `but_of` are spared.
    """
    mark = f"{MARK}={run}".encode()
    found = [
        int(entry.name)
        for entry in proc.iterdir()
        if entry.name.isdecimal() and mark in _environment(entry)
    ]
    found = [pid for pid in found if but_of is None or but_of not in _line(pid, proc)]
    for pid in found:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    return len(found)


def _line(pid: int, proc: Path) -> list[int]:
    """Return a process, its parent, and so on up to the first of all."""
    line = [pid]
    while line[-1] > 1:
        try:
            stat = (proc / str(line[-1]) / "stat").read_text()
        except OSError:
            break  # it ended meanwhile
        # The second field, a program's name, may hold anything but the last bracket.
        line.append(int(stat.rpartition(")")[2].split()[1]))
    return line


def _environment(entry: Path) -> list[bytes]:
    try:
        return (entry / "environ").read_bytes().split(b"\0")
    except OSError:
        return []  # ended meanwhile, or somebody else's
