"""The agent's inbox: what the bus delivers, kept alive while it waits, acknowledged at its end."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

import nats.errors
import structlog
from hivecommon.bus import Bus
from hivecommon.contracts.inbox import OPERATOR, InboxMessage, delivery_subject, inbox_consumers
from hivecommon.contracts.streams import ACK_WAIT, INBOX
from hivecommon.errors import HiveError
from hivecommon.names import AgentName
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from tenacity import AsyncRetrying, retry_if_exception_type, wait_exponential

from hive_harness.eventlog import Clock
from hive_harness.lane import Arrival, Lane
from hive_harness.session import Letter, Source
from hive_harness.store import Delivery, Store

_ACK, _NAK, _TERM, _PROGRESS = b"+ACK", b"-NAK", b"+TERM", b"+WPI"
_KEEP_ALIVE_S: Final = ACK_WAIT.total_seconds() / 3
_CONFIRM_S: Final = 2.0

_log = structlog.get_logger()


@dataclass
class _Held:
    letter: Letter
    deliveries: dict[str, Delivery] = field(default_factory=dict)
    """The newest one of each consumer that has delivered it."""


class Inbox:
    """Holds what was delivered until `settle`.

    Two consumers deliver into it: one everything, one the operator's messages once more, so that
    they do not wait behind a crowd. A message that both deliver is one message.
    """

    def __init__(
        self, bus: Bus, store: Store, agent: AgentName, group: asyncio.TaskGroup,
        on_change: Callable[[], None], clock: Clock,
    ) -> None:  # fmt: skip
        self._bus = bus
        self._store = store
        self._agent = agent
        self._group = group
        self._on_change = on_change
        self._clock = clock
        self._everything, _ = self._consumers = inbox_consumers(agent)
        self._held: dict[str, _Held] = {}
        self._lanes: dict[str, Lane] = {}
        self._subscription: Subscription | None = None
        self._beyond = 0
        self._not_noted: list[str] = []
        self.failing = ""
        """Why a delivery could not be noted; empty when all could."""
        self.on_unreadable: Callable[[str, str], None] = lambda _sender, _reason: None
        """Is told who sent something that is no message, and why it is none."""

    @property
    def unread(self) -> int:
        """How many messages are not done with, as far as the bus has told."""
        ahead = sum(self._everything not in held.deliveries for held in self._held.values())
        return len(self._held) + max(0, self._beyond - ahead)

    def waiting(self) -> list[Letter]:
        """Return the messages that can be handled now, in the order in which they should be."""
        now = self._clock()
        ready = [held.letter for held in self._held.values() if self._in_order(held, now)]
        return sorted(ready, key=lambda letter: (letter.sender != OPERATOR, letter.sequence))

    def opens_at(self) -> datetime | None:
        """When messages will be let go that wait for earlier ones; None when none does."""
        now = self._clock()
        moments = [lane.opens_at(now) for lane in self._lanes.values()]
        return min((moment for moment in moments if moment is not None), default=None)

    async def open(self) -> None:
        """Let the bus deliver; what an earlier process left unfinished is asked for at once."""
        for consumer in self._consumers:
            self._lanes[consumer] = Lane(await self._store.mark(consumer))
        left = await self._store.unsettled()
        for delivery, done in left:
            if not done and (lane := self._lanes.get(delivery.consumer)):
                lane.expect(sequence_of(delivery.letter), self._clock())
        self._subscription = await self._bus.subscribe(
            delivery_subject(self._agent), self._on_delivery
        )
        await self._bus.client.flush()
        for delivery, done in left:
            if consumer_of(delivery.ack) not in self._consumers:
                continue
            if done:
                self._confirm_later(delivery, _ACK)
            elif delivery.letter not in self._held:
                # After a kill the bus would wait for the rest of its ack_wait.
                await self._bus.publish(delivery.ack, _NAK)

    async def ask_again(self) -> None:
        """Have those messages delivered anew that could not be noted when they came."""
        self.failing = ""
        while self._not_noted:
            await self._bus.publish(self._not_noted.pop(), _NAK)

    async def close(self) -> None:
        """Let the bus keep what comes; what is held stays held."""
        subscription, self._subscription = self._subscription, None
        if subscription is None:
            return
        try:
            # What is on its way still arrives: dropped, it would come again only after ack_wait.
            async with asyncio.timeout(_CONFIRM_S):
                await subscription.drain()  # type: ignore[no-untyped-call] # nats-py gives it no types
        except (nats.errors.Error, TimeoutError) as error:
            _log.warning("inbox_not_drained", reason=str(error) or "no answer")
            with suppress(nats.errors.Error):
                await subscription.unsubscribe()

    async def hand_back(self) -> None:
        """Give back what is held, in its order, so that the next process gets it at once."""
        for ack in self._acks():
            await self._bus.publish(ack, _NAK)
        self._held.clear()

    async def keep_alive(self) -> None:
        """Say for ever that what is held is being worked on, before the bus delivers it again."""
        while True:
            await asyncio.sleep(_KEEP_ALIVE_S)
            for ack in list(self._acks()):
                if self._bus.connected:
                    await self._bus.publish(ack, _PROGRESS)

    def settle(self, letters: Sequence[Letter], *, failed: bool) -> None:
        """Acknowledge messages whose fate is written down; goes on trying until the bus confirms.

        A failed one is taken out of the stream's hands for good, and the bus tells so, once.
        """
        for letter in letters:
            held = self._held.pop(letter.key, None)
            word = _TERM if failed else _ACK
            for delivery in held.deliveries.values() if held else ():
                self._confirm_later(delivery, word)
                word = _ACK
        self._on_change()

    def postpone(self, letters: Sequence[Letter]) -> None:
        """Keep messages whose turn was cut off: they have been tried once more."""
        for letter in letters:
            if (held := self._held.get(letter.key)) is not None:
                held.letter = replace(held.letter, attempts=held.letter.attempts + 1)

    def _in_order(self, held: _Held, now: datetime) -> bool:
        # Whichever consumer has brought it: one of them vouches for what was before.
        lanes = (self._lanes[consumer] for consumer in held.deliveries)
        return any(lane.in_order(held.letter.sequence, now) for lane in lanes)

    def _acks(self) -> Iterator[str]:
        for held in sorted(self._held.values(), key=lambda held: held.letter.sequence):
            yield from (delivery.ack for delivery in held.deliveries.values())

    def _confirm_later(self, delivery: Delivery, word: bytes) -> None:
        self._group.create_task(self._confirm(delivery, word))

    async def _confirm(self, delivery: Delivery, word: bytes) -> None:
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(nats.errors.Error),
            wait=wait_exponential(multiplier=0.1, max=5),
        ):
            with attempt:
                await self._bus.client.request(delivery.ack, word, timeout=_CONFIRM_S)
        # On a full disk it is confirmed once more after the next start.
        with suppress(sqlite3.OperationalError):
            await self._store.settle(delivery)

    async def _on_delivery(self, msg: Msg) -> None:
        consumer = consumer_of(msg.reply)
        if consumer not in self._lanes:
            _log.warning("delivery_ignored", subject=msg.subject, reply=msg.reply)
            return
        about, lane = msg.metadata, self._lanes[consumer]
        if consumer == self._everything:
            self._beyond = about.num_pending
        arrival = Arrival(about.sequence.consumer, about.sequence.stream)
        try:
            letter = _read(msg)
        except (HiveError, ValueError) as error:
            # It would come again and again, and hold up all others.
            reason = str(error)[:300]
            _log.warning("message_unreadable", subject=msg.subject, reason=reason)
            self.on_unreadable(InboxMessage.route(msg.subject)[1], reason)
            await self._store.remember(consumer, lane.after(arrival))
            lane.arrived(arrival, self._clock())
            await self._bus.publish(msg.reply, _TERM)
            return
        delivery = Delivery(letter.key, consumer, msg.reply, about.num_delivered)
        try:
            fate, seen = await self._store.hold(letter, delivery, lane.after(arrival))
        except sqlite3.OperationalError as error:
            self._not_noted.append(msg.reply)
            self.failing = str(error)
            self._on_change()
            return
        unseen = max(0, about.num_delivered - 1 - seen)
        lane.arrived(replace(arrival, unseen=unseen), self._clock())
        if fate.outcome is not None:
            self._confirm_later(delivery, _ACK)
            return
        held = self._held.setdefault(letter.key, _Held(replace(letter, attempts=fate.attempts)))
        held.deliveries[consumer] = delivery
        self._on_change()


def consumer_of(ack: str) -> str:
    """Return which consumer of INBOX an acknowledgement's subject belongs to; empty for none."""
    match ack.split("."):
        case ["$JS", "ACK", INBOX.name, consumer, *_]:
            return consumer
        case _:
            return ""


def sequence_of(key: str) -> int:
    """Return a message's number in the stream, from its key."""
    return int(key.split(":")[1])


def _read(msg: Msg) -> Letter:
    message = InboxMessage.decode(msg.data)
    _, sender = InboxMessage.route(msg.subject)
    return Letter(
        source=Source.BUS,
        sequence=msg.metadata.sequence.stream,
        id=message.id,
        sender=sender,
        body=message.body,
        sent_at=message.sent_at,
        thread=message.thread,
        reply_to=message.reply_to,
        by=message.by,
    )
