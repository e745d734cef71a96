"""How much memory the CLI holds, from /proc: it is known to grow in long sessions."""

import os
from pathlib import Path
from typing import Final

_KEEPER: Final = b"keeper.py"
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


def cli_bytes(harness: int, *, proc: Path = Path("/proc")) -> int:
    """Return the resident size of the CLI that runs below the harness's process; 0 without one.

    The programs that the CLI has started do not count: a new CLI would start them again.
    """
    keepers = [pid for pid in _children(harness, proc) if _KEEPER in _arguments(pid, proc)]
    sizes = [_resident_bytes(_eldest(_children(keeper, proc)), proc) for keeper in keepers]
    return max(sizes, default=0)


def _children(parent: int, proc: Path) -> list[int]:
    """Return the children that the kernel lists, in the order in which they were made (proc(5))."""
    children: list[int] = []
    for task in _tasks(parent, proc):
        try:
            children += map(int, (task / "children").read_text().split())
        except OSError:
            continue  # it ended meanwhile
    return children


def _tasks(pid: int, proc: Path) -> list[Path]:
    try:
        return list((proc / str(pid) / "task").iterdir())
    except OSError:
        return []


def _eldest(children: list[int]) -> int | None:
    # The keeper starts the CLI before it can inherit anything else.
    return children[0] if children else None


def _arguments(pid: int, proc: Path) -> bytes:
    try:
        return (proc / str(pid) / "cmdline").read_bytes()
    except OSError:
        return b""


def _resident_bytes(pid: int | None, proc: Path) -> int:
    try:
        return int((proc / str(pid) / "statm").read_text().split()[1]) * _PAGE_BYTES
    except (OSError, IndexError):
        return 0
