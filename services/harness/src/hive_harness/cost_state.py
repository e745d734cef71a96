"""What a conversation had cost when its CLI last ended in good order, as its transcript says.

The CLI counts on from there when the session is resumed, and from nothing after a kill -9 that left
no such line (measured with 2.1.330): without it the first turn would be billed for all before it.
"""

import json
import math
from pathlib import Path
from typing import Any, Final

_MARK: Final = b'"cost-state"'
_CHUNK_BYTES: Final = 1 << 18
# The line stands near the end; a transcript that goes on for longer without one is read no further.
_MOST_BYTES: Final = 64 << 20


def cost_before_usd(config_dir: Path, session_id: str) -> float:
    """Return where the CLI will begin to count when it resumes this session."""
    for transcript in config_dir.glob(f"projects/*/{session_id}.jsonl"):
        try:
            return _last_cost(transcript, session_id)
        except OSError:
            continue
    return 0.0


def _last_cost(transcript: Path, session_id: str) -> float:
    with transcript.open("rb") as file:
        end = file.seek(0, 2)
        rest, read = b"", 0
        while end > 0 and read < _MOST_BYTES:
            begin = max(0, end - _CHUNK_BYTES)
            file.seek(begin)
            read += end - begin
            lines = (file.read(end - begin) + rest).split(b"\n")
            # The first line may begin in the chunk before.
            rest = lines.pop(0) if begin else b""
            for line in reversed(lines):
                if _MARK in line and (cost := _cost(line, session_id)) is not None:
                    return cost
            end = begin
    return 0.0


def _cost(line: bytes, session_id: str) -> float | None:
    try:
        entry: Any = json.loads(line)
    except ValueError:
        return None  # cut off, or somebody's text about it
    if not isinstance(entry, dict) or entry.get("type") != "cost-state":
        return None
    cost = entry.get("totalCostUSD")
    if not isinstance(cost, int | float) or entry.get("sessionId") != session_id:
        return None
    return float(cost) if math.isfinite(cost) and cost >= 0 else None
