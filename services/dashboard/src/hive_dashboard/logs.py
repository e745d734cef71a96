"""Log lines from the stream: the last ones that match first, then live, with visible gaps."""

from collections import deque
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from hivecommon.bus import Bus
from hivecommon.contracts.base import fill, tokens_of, wildcard
from hivecommon.contracts.logs import Level, LogLine
from hivecommon.contracts.streams import LOGS
from hiveweb.feed import Sink

from hive_dashboard.tail import Part, Stored, follow

HISTORY: Final = 500
"""How many lines come first."""
SCANNED: Final = 20_000
"""How many of the last lines are searched for a text."""
BEHIND: Final = 5_000
"""A page that is this far behind is told how many lines it misses, instead of getting them late."""
MAX_LINE_CHARACTERS: Final = 16_000

Source = Annotated[str, msgspec.Meta(pattern=r"\A[a-z0-9][a-z0-9-]{0,31}\Z")]


class LogParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which lines, and from where on."""

    sources: Annotated[list[Source], msgspec.Meta(max_length=50)] = []
    """Services and agents; none means all."""
    level: Level = Level.DEBUG
    """The least bad one."""
    text: Annotated[str, msgspec.Meta(max_length=200)] = ""
    """What the line contains, whatever the case."""
    after: int = 0


class LogItem(msgspec.Struct, frozen=True):
    """One line. `source` and `level` stand in the subject, so that nobody writes as another."""

    cursor: int
    at: datetime
    source: str
    level: str
    event: str
    fields: dict[str, Any]


class Skipped(msgspec.Struct, frozen=True):
    """A gap."""

    skipped: int


class Caught(msgspec.Struct, frozen=True):
    """All that was there has been sent."""

    caught_up: bool = True


class Logs:
    """The topic `logs`."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def source(self, params: LogParams, sink: Sink) -> None:
        """Put matching lines into `sink` until cancelled."""
        tail = _Tail(params, sink)
        part = Part(
            LOGS.name, _subjects(params), history=SCANNED if params.text else HISTORY
        )  # fmt: skip
        await follow(
            self._bus, part, tail.take, after=params.after, caught_up=tail.catch_up
        )  # fmt: skip


def _subjects(params: LogParams) -> tuple[str, ...]:
    levels = [level for level in Level if level.rank >= params.level.rank]
    if len(levels) == len(Level) and not params.sources:
        return (wildcard(LogLine.subject),)
    return tuple(
        wildcard(fill(LogLine.subject, source=source, level=level))
        for source in params.sources or ["{source}"]
        for level in levels
    )


class _Tail:
    """One page's view of the stream: history collected, then lines, then gaps if it must be."""

    def __init__(self, params: LogParams, sink: Sink) -> None:
        self._needle = params.text.casefold()
        self._sink = sink
        self._history: deque[LogItem] | None = deque(maxlen=HISTORY)
        self._skipped = 0

    async def take(self, stored: Stored) -> None:
        if self._history is None and stored.pending > BEHIND:
            self._skipped += 1
            return
        text = stored.data.decode(errors="replace")
        if self._needle and self._needle not in text.casefold():
            return
        item = parse_line(stored, text)
        if self._history is not None:
            self._history.append(item)
            return
        if self._skipped:
            await self._sink.put(Skipped(self._skipped))
            self._skipped = 0
        await self._sink.put(item)

    async def catch_up(self) -> None:
        history, self._history = self._history or (), None
        for item in history:
            await self._sink.put(item)
        await self._sink.put(Caught())


def parse_line(stored: Stored, text: str) -> LogItem:
    """Return a stored line; one that is no JSON object is shown as it is."""
    tokens = tokens_of(LogLine.subject, stored.subject)
    try:
        fields = msgspec.json.decode(text[:MAX_LINE_CHARACTERS], type=dict[str, Any])
    except msgspec.MsgspecError:
        fields = {"event": text[:MAX_LINE_CHARACTERS]}
    event = str(fields.pop("event", ""))
    for known in ("ts", "level", "source"):
        fields.pop(known, None)
    return LogItem(stored.seq, stored.at, tokens["source"], tokens["level"], event, fields)
