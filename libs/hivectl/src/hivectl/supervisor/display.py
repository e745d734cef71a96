"""What children say, line by line: pretty on a terminal, JSON lines for anything else."""

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

import msgspec
from hivecommon.contracts.logs import Level

from hivectl.log_lines import STYLES, LogRecord, read_record
from hivectl.terminal import Terminal

# `[pid] 2026/11/22 19:00:00.000000 [INF] words`, nats-server's own format.
_NATS_LINE: Final = re.compile(r"\A\[\d+\] [\d/]+ [\d:.]+ \[(?P<level>[A-Z]{3})\] (?P<text>.*)\Z")
_NATS_LEVELS: Final = {
    "TRC": Level.DEBUG, "DBG": Level.DEBUG, "INF": Level.INFO, "WRN": Level.WARNING,
    "ERR": Level.ERROR, "FTL": Level.CRITICAL,
}  # fmt: skip

_SHOWN: Final = {"bus": Level.WARNING}
"""From which level on a human is shown lines; the server greets with a screenful of `info`."""


class Display:
    """Prints lines of all children and of the supervisor itself."""

    def __init__(self, terminal: Terminal, now: Callable[[], datetime]) -> None:
        self._terminal = terminal
        self._now = now

    @property
    def interactive(self) -> bool:
        """Whether a human looks on."""
        return self._terminal.interactive

    def child_line(self, source: str, data: bytes) -> None:
        """Print what a child said."""
        record = read_record(data, source=source, level=None, at=self._now())
        if found := _NATS_LINE.match(record.event):
            level = _NATS_LEVELS.get(found["level"], Level.INFO)
            record = LogRecord(record.at, source, level, found["text"], {})
        self._print(record)

    def say(self, level: Level, event: str, **fields: Any) -> None:
        """Print what the supervisor has to say."""
        self._print(LogRecord(self._now(), "hive", level, event, fields))

    def announce(self, *lines: str) -> None:
        """Print lines for a human."""
        with suppress(OSError):
            for line in lines:
                self._terminal.line(line)

    def _print(self, record: LogRecord) -> None:
        # A terminal that was closed, or `| head`: nobody reads any more, the hive goes on.
        with suppress(OSError):
            self._print_to_somebody(record)

    def _print_to_somebody(self, record: LogRecord) -> None:
        if self.interactive:
            if record.level.rank >= _SHOWN.get(record.source, Level.INFO).rank:
                self._terminal.line(record.text(), style=STYLES.get(record.level))
        else:
            self._terminal.json(msgspec.to_builtins(record.as_json()))
