"""How much memory a process holds, in two ways of counting what it shares with others."""

import re
from pathlib import Path
from typing import Final

import psutil

_MB: Final = 1_000_000


def rss_mb(pid: int) -> float:
    """Return the resident set size: a page that processes share counts in each of them."""
    return float(psutil.Process(pid).memory_info().rss) / _MB


def pss_mb(pid: int) -> float | None:
    """Return proc(5)'s proportional set size; None where the kernel does not tell."""
    try:
        found = re.search(
            r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE
        )
    except OSError:
        return None
    return int(found[1]) * 1024 / _MB if found else None
