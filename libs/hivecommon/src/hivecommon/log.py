"""Logs: JSON lines on standard output, and the same lines on the bus (`log.<source>.<level>`)."""

import asyncio
import logging
import sys
from collections import deque
from typing import Any, Final, cast

import msgspec
from structlog.typing import EventDict, WrappedLogger
from typing_extensions import override

from hivecommon.bus import Bus
from hivecommon.contracts.logs import Level, LogLine
from hivecommon.errors import HiveError
from hivecommon.structured import structlog

MAX_LINE_BYTES: Final = 64 * 1024
_KEPT_UNSENT: Final = 2000


class BusLog:
    """Takes each line as it is written and publishes it once there is a bus.

    Never blocks and never raises: of what cannot be sent the newest lines are kept, and how many
    were dropped is said in a line of its own.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self._waiting: deque[tuple[str, bytes]] = deque(maxlen=_KEPT_UNSENT)
        self._dropped = 0
        self._wake = asyncio.Event()

    def take(self, level: str, line: bytes) -> None:
        """Remember a line for the bus."""
        if len(self._waiting) == _KEPT_UNSENT:
            self._dropped += 1
        self._waiting.append((level, line))
        self._wake.set()

    async def publish_to(self, bus: Bus) -> None:
        """Publish lines for ever, in order."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self.flush(bus)

    async def flush(self, bus: Bus) -> None:
        """Publish what waits; without a connection it goes on waiting."""
        while self._waiting and bus.connected:
            level, line = self._waiting[0]
            try:
                await bus.publish(LogLine.subject_for(source=self.source, level=level), line)
            except (HiveError, Exception):  # noqa: BLE001 - logging about the log would never end
                return
            self._waiting.popleft()
        if self._dropped and bus.connected:
            dropped, self._dropped = self._dropped, 0
            structlog.get_logger().warning("log_lines_dropped", count=dropped)


def configure(source: str, *, level: Level = Level.INFO) -> BusLog:
    """Send this process's logs, the standard library's too, to stdout; return the way to the bus."""
    bus_log = BusLog(source)

    def emit(_logger: WrappedLogger, method: str, event: EventDict) -> str:
        event["source"] = source
        line = _encode(event)
        bus_log.take(cast("str", event.get("level", method)), line)
        return line.decode(errors="replace")

    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
            # Local variables hold keys, prompts and payloads; none of them may reach a log.
            structlog.processors.ExceptionRenderer(
                structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
            ),
            emit,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level.rank * 10 + 10),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers[:] = [_ToStructlog()]
    root.setLevel(logging.WARNING)
    return bus_log


def _encode(event: EventDict) -> bytes:
    line = msgspec.json.encode(event, enc_hook=str)
    if len(line) <= MAX_LINE_BYTES:
        return line
    head = {key: event[key] for key in ("ts", "level", "source", "event") if key in event}
    return msgspec.json.encode({**head, "omitted_bytes": len(line)}, enc_hook=str)


class _ToStructlog(logging.Handler):
    """Carries records of libraries that use the standard library's logging."""

    @override
    def emit(self, record: logging.LogRecord) -> None:
        fields: dict[str, Any] = {"logger": record.name, "message": record.getMessage()}
        if record.exc_info:
            fields["exc_info"] = record.exc_info
        structlog.get_logger().log(record.levelno, "library_log", **fields)
