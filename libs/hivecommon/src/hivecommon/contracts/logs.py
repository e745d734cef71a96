"""Log lines on the bus (`log.<source>.<level>`, stream LOGS)."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

import msgspec

from hivecommon.contracts.base import fill


class Level(StrEnum):
    """How bad it is, in rising order."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """Return the level's place in the order, 0 for debug."""
        return list(Level).index(self)


class LogLine(msgspec.Struct, frozen=True, kw_only=True):
    """The fields that every line has; the others differ and stay as they are on the wire."""

    subject: ClassVar[str] = "log.{source}.{level}"

    ts: datetime
    level: Level = Level.INFO
    event: str = ""
    source: str = ""

    @classmethod
    def subject_for(cls, *, source: str, level: str) -> str:
        """Return the subject of a line."""
        return fill(cls.subject, source=source, level=level)
