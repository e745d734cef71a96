"""The newest log lines of one agent, from the stream LOGS, as lines that do no harm."""

import re
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
import nats.errors
import nats.js.errors
from hivecommon.bus import Bus
from hivecommon.contracts.logs import Level, LogLine
from hivecommon.contracts.streams import LOGS
from hivecommon.errors import Unavailable
from hivecommon.names import AgentName
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

# JetStream gives no last N messages: the shortest of these spans that has enough is read whole.
_SPANS: Final = tuple(timedelta(minutes=minutes) for minutes in (2, 30, 360, 1440, 10_080))
_BATCH: Final = 500
_MOST_READ: Final = 20_000
_TIMEOUT_S: Final = 2.0
_INACTIVE_S: Final = 30.0
_LONGEST: Final = 500
_UNREADABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_TOLD_APART: Final = frozenset({"ts", "level", "event", "source"})


class LogTail:
    """Reads what an agent's harness and programs have logged."""

    def __init__(self, bus: Bus, clock: Callable[[], datetime]) -> None:
        self._bus = bus
        self._clock = clock

    async def newest(self, agent: AgentName, least: Level, limit: int) -> list[str]:
        """Return the newest `limit` lines of at least this level, the oldest first."""
        levels = [level for level in Level if level.rank >= least.rank]
        subjects = [LogLine.subject_for(source=agent, level=level) for level in levels]
        try:
            return await self._newest(subjects, limit)
        except (nats.errors.Error, nats.js.errors.Error) as error:
            raise Unavailable(f"the logs cannot be read: {str(error) or 'no answer'}") from error

    async def _newest(self, subjects: Sequence[str], limit: int) -> list[str]:
        for span in _SPANS:
            reader, count = await self._open(subjects, self._clock() - span)
            try:
                if count >= limit or span is _SPANS[-1]:
                    return await _last(reader, min(count, _MOST_READ), limit)
            finally:
                await reader.unsubscribe()
        return []

    async def _open(
        self, subjects: Sequence[str], since: datetime
    ) -> tuple[JetStreamContext.PullSubscription, int]:
        config = ConsumerConfig(
            filter_subjects=list(subjects),
            ack_policy=AckPolicy.NONE,
            deliver_policy=DeliverPolicy.BY_START_TIME,
            opt_start_time=since.astimezone(UTC).isoformat(),  # type: ignore[arg-type] # nats-py 2.16 sends what it is given
            inactive_threshold=_INACTIVE_S,
            mem_storage=True,
        )
        reader = await self._bus.jetstream.pull_subscribe("", stream=LOGS.name, config=config)
        return reader, (await reader.consumer_info()).num_pending or 0


async def _last(reader: JetStreamContext.PullSubscription, count: int, limit: int) -> list[str]:
    lines: deque[str] = deque(maxlen=limit)
    while count > 0:
        try:
            found = await reader.fetch(min(_BATCH, count), timeout=_TIMEOUT_S)
        except nats.errors.TimeoutError:
            break  # what was left has just been dropped for its age
        lines.extend(line_of(msg) for msg in found)
        count -= len(found)
    return list(lines)


def line_of(msg: Msg) -> str:
    """Return a logged line as one harmless line: time, level, event, fields."""
    level = msg.subject.rpartition(".")[2]
    try:
        fields = msgspec.json.decode(msg.data, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return one_line(f"{level} (not understood) {msg.data[:_LONGEST].decode(errors='replace')}")
    others = " ".join(f"{key}={value}" for key, value in fields.items() if key not in _TOLD_APART)
    return one_line(f"{fields.get('ts', '')} {level} {fields.get('event', '')} {others}")


def one_line(text: str) -> str:
    """Return text on one line, without control characters, shortened."""
    clean = _UNREADABLE.sub(" ", text).strip()
    return clean if len(clean) <= _LONGEST else f"{clean[:_LONGEST]}…"
