"""Processes that an earlier harness of this agent left behind: found by a mark in their environment."""

import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Final

MARK: Final = "HIVE_CLI_OF"
"""Variable that the CLI and everything below it inherits; its value is the agent's runtime directory."""


def kill_orphans(run: Path, *, proc: Path = Path("/proc")) -> int:
    """Kill every process that carries this agent's mark; return how many there were.

    To be called only while the harness has no CLI of its own.
    """
    mark = f"{MARK}={run}".encode()
    found = [
        int(entry.name)
        for entry in proc.iterdir()
        if entry.name.isdecimal() and mark in _environment(entry)
    ]
    for pid in found:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    return len(found)


def _environment(entry: Path) -> list[bytes]:
    try:
        return (entry / "environ").read_bytes().split(b"\0")
    except OSError:
        return []  # ended meanwhile, or somebody else's
