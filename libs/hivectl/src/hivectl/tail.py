"""Reading a stream: its history, then what comes, through one consumer, so that the seam has no gap."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import nats.errors
import nats.js.errors
from hivecommon.bus import Bus
from hivecommon.errors import HiveError, Unavailable
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

FETCH_S: Final = 2.0
"""A fetch that is under way when the server goes is lost for this long."""
_AGAIN_S: Final = 0.5
_BATCH: Final = 256
_INACTIVE_S: Final = 60.0


@dataclass(frozen=True)
class Start:
    """Where to begin: at a time, at a sequence number, or (neither) with what comes next."""

    time: datetime | None = None
    seq: int | None = None


@dataclass(frozen=True)
class Entry:
    """One message of a stream."""

    seq: int
    at: datetime
    """When the stream took it."""
    subject: str
    data: bytes


async def history(
    bus: Bus, stream: str, subjects: Sequence[str], start: Start
) -> AsyncGenerator[Entry, None]:
    """Yield what the stream holds now; raise `no_stream` or `unavailable`."""
    consumer = await _Consumer.make(bus, stream, subjects, start)
    left = consumer.pending
    try:
        while left > 0:
            entries = await consumer.fetch(min(left, _BATCH))
            for entry, rest in entries:
                left = rest
                yield entry
            if consumer.lost:
                consumer = await consumer.anew(bus)
                left = consumer.pending
            elif not entries:
                _still_there(bus, stream)
                return  # what was left has just been dropped for its age
    finally:
        await consumer.close()


async def follow(
    bus: Bus, stream: str, subjects: Sequence[str], start: Start
) -> AsyncGenerator[Entry, None]:
    """Yield what the stream holds and, for ever, what it will; an outage of the bus loses nothing."""
    consumer = await _Consumer.make(bus, stream, subjects, start)
    left = consumer.pending
    try:
        while True:
            for entry, rest in await consumer.fetch(max(1, min(left, _BATCH))):
                left = rest
                yield entry
            if consumer.lost:
                consumer = await _patiently(consumer, bus)
                left = consumer.pending
    finally:
        await consumer.close()


async def _patiently(consumer: "_Consumer", bus: Bus) -> "_Consumer":
    while True:
        try:
            return await consumer.anew(bus)
        except HiveError:
            await asyncio.sleep(_AGAIN_S)


def _still_there(bus: Bus, stream: str) -> None:
    if not bus.connected:
        raise Unavailable(f"the bus went away while {stream} was read")


class _Consumer:
    """A pull consumer of our own, gone a minute after we are.

    Nothing is acknowledged: a hole in the consumer's own count shows that messages were sent to a
    connection that no longer was, and a new consumer begins where the old one's last message was.
    """

    def __init__(
        self, sub: JetStreamContext.PullSubscription, stream: str, subjects: Sequence[str],
        *, pending: int, reached: int,
    ) -> None:  # fmt: skip
        self._sub = sub
        self._stream = stream
        self._subjects = subjects
        self._reached = reached
        self._count = 0
        self.pending = pending
        """How many messages there were when it was made."""
        self.lost = False
        """Whether it must be made anew."""

    @classmethod
    async def make(
        cls, bus: Bus, stream: str, subjects: Sequence[str], start: Start
    ) -> "_Consumer":
        config = ConsumerConfig(
            filter_subjects=list(subjects),
            ack_policy=AckPolicy.NONE,
            inactive_threshold=_INACTIVE_S,
            mem_storage=True,
        )
        if start.seq is not None:
            config.deliver_policy = DeliverPolicy.BY_START_SEQUENCE
            config.opt_start_seq = max(1, start.seq)
        elif start.time is not None:
            config.deliver_policy = DeliverPolicy.BY_START_TIME
            config.opt_start_time = start.time.astimezone(UTC).isoformat()  # type: ignore[assignment] # nats-py 2.16 sends what it is given
        else:
            config.deliver_policy = DeliverPolicy.NEW
        try:
            sub = await bus.jetstream.pull_subscribe("", stream=stream, config=config)
            info = await sub.consumer_info()
        except nats.js.errors.NotFoundError as error:
            raise HiveError(
                f"the bus has no stream {stream} yet", code="no_stream",
                hint="it is made when the services start: `hive up`",
            ) from error  # fmt: skip
        except (nats.errors.Error, nats.js.errors.Error) as error:
            raise Unavailable(f"cannot read {stream}: {str(error) or 'no answer'}") from error
        reached = info.delivered.stream_seq if info.delivered else 0
        return cls(sub, stream, subjects, pending=info.num_pending or 0, reached=reached)

    async def anew(self, bus: Bus) -> "_Consumer":
        """Return a consumer that goes on after the last message that arrived."""
        await self.close()
        return await _Consumer.make(bus, self._stream, self._subjects, Start(seq=self._reached + 1))

    async def fetch(self, batch: int) -> list[tuple[Entry, int]]:
        """Return messages with the number that is left after each; none after two seconds of quiet."""
        try:
            msgs = await self._sub.fetch(batch, timeout=FETCH_S)
        except nats.errors.TimeoutError:
            await self._look_after()
            return []
        except (nats.errors.Error, nats.js.errors.Error):
            self.lost = True
            return []
        return [read for msg in msgs if (read := self._read(msg)) is not None]

    def _read(self, msg: Msg) -> tuple[Entry, int] | None:
        meta = msg.metadata
        self._count += 1
        if self.lost or meta.sequence.consumer != self._count:
            self.lost = True
            return None
        self._reached = meta.sequence.stream
        entry = Entry(meta.sequence.stream, meta.timestamp, msg.subject, msg.data)
        return entry, meta.num_pending or 0

    async def _look_after(self) -> None:
        """Find out whether a server that was away still knows the consumer."""
        try:
            await self._sub.consumer_info()
        except nats.js.errors.NotFoundError:
            self.lost = True
        except (nats.errors.Error, nats.js.errors.Error):
            return  # still away: the next quiet fetch asks again

    async def close(self) -> None:
        """Stop receiving; the server drops the consumer by itself."""
        try:
            await self._sub.unsubscribe()
        except nats.errors.Error:
            return  # the connection is gone, and the subscription with it
