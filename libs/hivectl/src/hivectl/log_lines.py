"""Log lines: hostile JSON from any source, made into records, and records into lines to read."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec
from hivecommon.contracts.logs import Level

from hivectl.times import clock

_OWN: Final = frozenset({"ts", "level", "source", "event", "exception", "timestamp"})
_PLAIN: Final = re.compile(r"\A[\w./:@%+,-]+\Z")
STYLES: Final = {
    Level.DEBUG: "bright_black",
    Level.WARNING: "yellow",
    Level.ERROR: "red",
    Level.CRITICAL: "bright_red",
}
"""Colours by level; lines of level `info` have none."""


@dataclass(frozen=True)
class LogRecord:
    """One line. `source` and `level` come from its subject, which the bus vouches for."""

    at: datetime
    source: str
    level: Level
    event: str
    fields: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        """Return the line as it was written, with source and level put right."""
        return {
            "ts": self.at,
            "level": self.level,
            "source": self.source,
            "event": self.event,
            **self.fields,
        }

    def text(self) -> str:
        """Return the line for a human; nothing in it is escaped yet."""
        words = [clock(self.at), f"{self.level.upper():<8}", f"{self.source:<10}", self.event]
        words += [f"{key}={_shown(value)}" for key, value in self.fields.items() if key not in _OWN]
        if (failure := _exception(self.fields.get("exception"))) is not None:
            words.append(f"({failure})")
        return " ".join(words)


def parse_level(text: str) -> Level:
    """Return the level, `info` for one that nobody knows."""
    try:
        return Level(text.lower())
    except ValueError:
        return Level.INFO


def read_record(data: bytes, *, source: str, level: Level | None, at: datetime) -> LogRecord:
    """Return the record in `data`, whatever that is; `level` None: believe the line itself."""
    try:
        line = msgspec.json.decode(data, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        text = data.decode(errors="replace").rstrip("\n")
        return LogRecord(at, source, level or Level.INFO, text, {})
    said = line.get("level")
    event = line.get("event", "")
    return LogRecord(
        _time(line.get("ts")) or at,
        source,
        level or parse_level(said if isinstance(said, str) else ""),
        event if isinstance(event, str) else _shown(event),
        {key: value for key, value in line.items() if key not in _OWN or key == "exception"},
    )


def _time(text: object) -> datetime | None:
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def _shown(value: object) -> str:
    if isinstance(value, str):
        return value if _PLAIN.match(value) else msgspec.json.encode(value).decode()
    return msgspec.json.encode(value, enc_hook=str).decode()


def _exception(found: object) -> str | None:
    """Return the type and words of what structlog's `dict_tracebacks` wrote down."""
    if not isinstance(found, list) or not found or not isinstance(found[0], dict):
        return None
    return f"{found[0].get('exc_type', '?')}: {found[0].get('exc_value', '')}"
