"""Following a stream: the last messages first, then each new one, through any outage of the bus."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import msgspec
import nats.errors
import nats.js.errors
import structlog
from hivecommon.bus import Bus
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js.api import AckPolicy, ConsumerConfig, ConsumerInfo, DeliverPolicy

_PULL_BATCH: Final = 100
_PULL_EXPIRES_S: Final = 5.0
_HEARTBEAT_S: Final = 1.0
_SILENT_S: Final = 3.5
_INACTIVE_S: Final = 30.0
"""The server forgets a consumer of ours that nobody pulls from for so long."""
_RETRY_S: Final = 0.5
_WIDEN: Final = 4

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Stored:
    """A message of a stream."""

    subject: str
    data: bytes
    seq: int
    """Its place in the stream: resume after it."""
    at: datetime
    """When the stream stored it."""
    pending: int
    """How many more are there already."""
    removal: bool
    """In a key-value bucket: the key was deleted."""


@dataclass(frozen=True)
class Part:
    """Which messages of a stream."""

    stream: str
    subjects: tuple[str, ...]
    history: int = 0
    """How many of the last ones come first."""
    latest: bool = False
    """Instead: the last message of each subject comes first, as for a key-value bucket."""


Take = Callable[[Stored], Awaitable[None]]
CaughtUp = Callable[[], Awaitable[None]]


class _Lost(Exception):
    """The consumer is gone: the server restarted, or it was idle for too long."""


async def follow(
    bus: Bus, part: Part, take: Take, *, after: int = 0, caught_up: CaughtUp | None = None
) -> None:
    """Call `take` for each message of `part`, until cancelled.

    With `after` it starts behind that place instead of with the history. `caught_up` is called
    once all that was there has been taken. An outage is waited for; nothing is taken twice.
    """
    place = after
    told = False

    async def tell() -> None:
        nonlocal told
        if not told and caught_up is not None:
            await caught_up()
        told = True

    async def take_in_order(stored: Stored) -> None:
        nonlocal place
        place = stored.seq
        await take(stored)
        if not stored.pending:
            await tell()

    while True:
        try:
            consumer, skip = await _open(bus, part, place)
            if not consumer.num_pending:
                await tell()
            await _pull(bus, consumer, skip, take_in_order)
        except (nats.errors.Error, nats.js.errors.Error, _Lost) as error:
            _leave_if_cancelled()
            _log.debug("tail_retries", stream=part.stream, reason=str(error))
            await asyncio.sleep(_RETRY_S)


async def _open(bus: Bus, part: Part, after: int) -> tuple[ConsumerInfo, int]:
    """Return a consumer at the right place, and how many of its first messages are too many."""
    if not bus.connected:
        raise _Lost("the bus is away")
    state = (await bus.jetstream.stream_info(part.stream)).state
    # A stream that was made anew counts from 1 again.
    if 0 < after <= state.last_seq:
        return await _consumer(bus, part, after + 1), 0
    if part.latest:
        return await _consumer(bus, part, None), 0
    span = max(1, part.history)
    while True:
        start = max(state.first_seq, state.last_seq - span + 1, 1)
        consumer = await _consumer(bus, part, start)
        found = consumer.num_pending or 0
        if found >= part.history or start <= max(1, state.first_seq):
            return consumer, max(0, found - part.history)
        await bus.jetstream.delete_consumer(part.stream, consumer.name)
        span *= _WIDEN


async def _consumer(bus: Bus, part: Part, start: int | None) -> ConsumerInfo:
    single = len(part.subjects) == 1
    policy = DeliverPolicy.BY_START_SEQUENCE if start else DeliverPolicy.LAST_PER_SUBJECT
    return await bus.jetstream.add_consumer(
        part.stream,
        ConsumerConfig(
            filter_subject=part.subjects[0] if single else None,
            filter_subjects=None if single else list(part.subjects),
            deliver_policy=policy,
            opt_start_seq=start,
            ack_policy=AckPolicy.NONE,
            inactive_threshold=_INACTIVE_S,
            mem_storage=True,
        ),
    )


async def _pull(bus: Bus, consumer: ConsumerInfo, skip: int, take: Take) -> None:
    inbox = bus.client.new_inbox()
    subscription = await bus.client.subscribe(inbox)
    subject = f"$JS.API.CONSUMER.MSG.NEXT.{consumer.stream_name}.{consumer.name}"
    request = msgspec.json.encode(
        {
            "batch": _PULL_BATCH,
            "expires": int(_PULL_EXPIRES_S * 1e9),
            "idle_heartbeat": int(_HEARTBEAT_S * 1e9),
        }
    )
    try:
        while True:
            await bus.client.publish(subject, request, reply=inbox)
            skip = await _take_batch(subscription, skip, take)
    finally:
        with suppress(nats.errors.Error):  # it would take the place of a cancellation
            await subscription.unsubscribe()


def _leave_if_cancelled() -> None:
    """Go on being cancelled where that was swallowed.

    nats-py turns a cancellation that meets a closed connection into an error of its own (2.16,
    `Subscription.next_msg`), and before Python 3.12 `asyncio.wait_for` can lose one.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def _take_batch(subscription: Subscription, skip: int, take: Take) -> int:
    """Take what one pull request brings; return how many messages are still to be skipped."""
    taken = 0
    while taken < _PULL_BATCH:
        msg = await subscription.next_msg(timeout=_SILENT_S)
        _leave_if_cancelled()
        status = (msg.headers or {}).get("Status")
        if status == "100":  # a heartbeat
            continue
        if status in {"404", "408"}:  # the request has expired
            break
        if status is not None:
            raise _Lost(f"{status} {(msg.headers or {}).get('Description', '')}")
        taken += 1
        if skip:
            skip -= 1
        else:
            await take(_stored(msg))
    return skip


def _stored(msg: Msg) -> Stored:
    about = msg.metadata
    return Stored(
        subject=msg.subject,
        data=msg.data,
        seq=about.sequence.stream,
        at=about.timestamp.astimezone(UTC),
        pending=about.num_pending,
        removal=(msg.headers or {}).get("KV-Operation") in {"DEL", "PURGE"},
    )
