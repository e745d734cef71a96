"""Reading a whole stream, as an operator may."""

from collections.abc import AsyncIterator

import nats.errors
from hivecommon.bus import Bus
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

_BATCH = 500


async def read_stream(bus: Bus, stream: str, subject: str) -> AsyncIterator[tuple[str, bytes]]:
    """Yield (subject, payload) of every message that `stream` holds on `subject` now."""
    last = (await bus.jetstream.stream_info(stream)).state.last_seq
    subscription = await bus.jetstream.pull_subscribe(
        subject,
        stream=stream,
        config=ConsumerConfig(
            deliver_policy=DeliverPolicy.ALL, ack_policy=AckPolicy.NONE, inactive_threshold=10
        ),
    )
    try:
        pending = (await subscription.consumer_info()).num_pending or 0
        while pending > 0:
            try:
                batch = await subscription.fetch(min(_BATCH, pending), timeout=5)
            except nats.errors.TimeoutError:
                return
            for msg in batch:
                pending -= 1
                yield msg.subject, msg.data
                if msg.metadata.sequence.stream >= last:
                    return
    finally:
        await subscription.unsubscribe()
