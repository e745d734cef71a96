"""The stream INBOX, looked after: old read messages removed, parked ones told of, moved at a rename."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import msgspec
import nats.errors
import nats.js.errors
import structlog
from hivecommon.bus import Bus
from hivecommon.contracts.events import AgentChanged
from hivecommon.contracts.inbox import OPERATOR, InboxMessage, inbox_consumers
from hivecommon.contracts.streams import INBOX
from hivecommon.errors import HiveError
from hivecommon.names import AgentName
from nats.aio.msg import Msg
from nats.js.api import ConsumerInfo, RawStreamMsg

from hive_lifecycle.patience import patiently

KEEP_READ: Final = timedelta(days=30)
# JetStream's advisory on a message whose reader wants it no more (`+TERM`; ADR-15).
_PARKED: Final = f"$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.{INBOX.name}.*"
_GET: Final = f"$JS.API.STREAM.MSG.GET.{INBOX.name}"
_TIMEOUT_S: Final = 5.0

_log = structlog.get_logger()


class _Advisory(msgspec.Struct, frozen=True):
    stream_seq: int


class _Found(msgspec.Struct, frozen=True):
    seq: int


class _GetAnswer(msgspec.Struct, frozen=True):
    message: _Found | None = None


class Inboxes:
    """All agents' inboxes."""

    def __init__(self, bus: Bus, clock: Callable[[], datetime]) -> None:
        self._bus = bus
        self._clock = clock

    async def watch_parked(self) -> None:
        """Tell, from now on, of each message that a harness could not handle."""
        await self._bus.subscribe(_PARKED, self._on_parked)

    async def _on_parked(self, msg: Msg) -> None:
        advisory = msgspec.json.decode(msg.data, type=_Advisory)
        message = await patiently(
            lambda: self._bus.jetstream.get_msg(INBOX.name, seq=advisory.stream_seq)
        )
        agent, sender = InboxMessage.route(message.subject or "")
        what = f"the message {_message_id(message)} from {sender} to {agent} is parked"
        _log.warning("message_parked", agent=agent, seq=advisory.stream_seq)
        await self._bus.publish_event(
            "lifecycle", AgentChanged(agent=agent, what="message_parked", detail=what)
        )
        notice = InboxMessage(
            id=f"parked-{agent}-{advisory.stream_seq}",
            body=f"{what}: it could not be handled. `hive inbox {agent}` says why, and"
            f" `hive resend {agent} NUMBER` has it tried again.",
            sent_at=self._clock(),
        )
        await patiently(lambda: self._bus.send_message(to=OPERATOR, sender="hive", message=notice))

    async def prune(self) -> None:
        """Remove what agents have read and what is older than 30 days; unread messages stay."""
        for consumer in await self._bus.jetstream.consumers_info(INBOX.name):
            await self._prune(consumer)

    async def _prune(self, consumer: ConsumerInfo) -> None:
        subject = consumer.config.filter_subject
        read_up_to = consumer.ack_floor.stream_seq if consumer.ack_floor else 0
        if not consumer.config.durable_name or not subject or not read_up_to:
            return
        first_kept = read_up_to + 1
        young = await self._first_since(subject, self._clock() - KEEP_READ)
        if young is not None:
            first_kept = min(first_kept, young)
        await self._bus.jetstream.purge_stream(INBOX.name, seq=first_kept, subject=subject)

    async def _first_since(self, subject: str, moment: datetime) -> int | None:
        """Return the sequence of the first message stored since `moment`; nats-py has no words for it."""
        query = json.dumps({"next_by_subj": subject, "start_time": moment.isoformat()})
        answer = await self._bus.client.request(_GET, query.encode(), timeout=_TIMEOUT_S)
        found = msgspec.json.decode(answer.data, type=_GetAnswer).message
        return found.seq if found else None

    async def readdress(self, old: AgentName, new: AgentName, job: str) -> int:
        """Move all unread messages of `old` to `new`, in their order; return how many.

        May be repeated: each is stored under its new address, by an id made of `job` and its
        number, before it is removed from the old one.
        """
        read = await self._read_up_to(old)
        if read is None:
            return 0
        everything, operators = read
        after, moved = min(everything, operators), 0
        while (message := await self._next(old, after)) is not None:
            after = message.seq or 0
            _, sender = InboxMessage.route(message.subject or "")
            # Operators' messages overtake others: what is read of them, their own consumer knows.
            if after > (operators if sender == OPERATOR else everything):
                await self._readdress(message, new, job)
                moved += 1
        return moved

    async def _read_up_to(self, name: AgentName) -> tuple[int, int] | None:
        """Return up to which number each consumer's messages are read; None without an inbox."""
        floors: list[int] = []
        for consumer in inbox_consumers(name):
            try:
                info = await patiently(
                    partial(self._bus.jetstream.consumer_info, INBOX.name, consumer)
                )
            except nats.js.errors.NotFoundError:
                # An inbox from before there were two: then the first one knows of all.
                if not floors:
                    return None
                floors.append(floors[0])
            else:
                floors.append(info.ack_floor.stream_seq if info.ack_floor else 0)
        return floors[0], floors[1]

    async def _readdress(self, message: RawStreamMsg, new: AgentName, job: str) -> None:
        if (number := message.seq) is None:
            raise HiveError("the bus returned a message without a number", code="bad_reply")
        _, sender = InboxMessage.route(message.subject or "")
        subject = InboxMessage.subject_for(to=new, sender=sender)
        await patiently(
            lambda: self._bus.publish_acked(
                subject, message.data or b"", message_id=f"{job}-{number}"
            )
        )
        try:
            await patiently(lambda: self._bus.jetstream.delete_msg(INBOX.name, number))
        except nats.js.errors.APIError:
            if await self._exists(number):
                raise  # else only the answer to an earlier try was lost

    async def _exists(self, number: int) -> bool:
        try:
            await patiently(lambda: self._bus.jetstream.get_msg(INBOX.name, seq=number))
        except nats.js.errors.NotFoundError:
            return False
        return True

    async def _next(self, name: AgentName, after: int) -> RawStreamMsg | None:
        try:
            return await patiently(
                lambda: self._bus.jetstream.get_msg(
                    INBOX.name, seq=after + 1, subject=InboxMessage.filter_for(name), next=True
                )
            )
        except nats.js.errors.NotFoundError:
            return None


def _message_id(message: RawStreamMsg) -> str:
    try:
        return InboxMessage.decode(message.data or b"").id
    except HiveError:
        return "(unreadable)"
