"""The agent's inbox: what the bus delivers, kept alive while it waits, acknowledged at its end."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import nats.errors
import structlog
from hivecommon.bus import Bus
from hivecommon.contracts.inbox import InboxMessage, delivery_subject
from hivecommon.contracts.streams import ACK_WAIT, INBOX
from hivecommon.errors import HiveError
from hivecommon.names import AgentName
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from tenacity import AsyncRetrying, retry_if_exception_type, wait_exponential

from hive_harness.session import Letter, Source
from hive_harness.store import Store

_ACK, _NAK, _TERM, _PROGRESS = b"+ACK", b"-NAK", b"+TERM", b"+WPI"
_KEEP_ALIVE_S: Final = ACK_WAIT.total_seconds() / 3
_CONFIRM_S: Final = 2.0

_log = structlog.get_logger()


@dataclass(frozen=True)
class _Held:
    letter: Letter
    ack: str
    """Where the bus takes the acknowledgement of the newest delivery."""


class Inbox:
    """Holds what was delivered until `settle`. The bus delivers one message at a time."""

    def __init__(
        self, bus: Bus, store: Store, agent: AgentName, group: asyncio.TaskGroup,
        on_change: Callable[[], None],
    ) -> None:  # fmt: skip
        self._bus = bus
        self._store = store
        self._agent = agent
        self._group = group
        self._on_change = on_change
        self._held: dict[str, _Held] = {}
        self._subscription: Subscription | None = None
        self._recovered = False
        self.unread = 0
        """Messages behind the one that is held, as of its delivery."""

    @property
    def first(self) -> Letter | None:
        """The message to be handled next."""
        return next((held.letter for held in self._held.values()), None)

    async def open(self) -> None:
        """Let the bus deliver; what an earlier process left unfinished is asked for at once."""
        if self._subscription is not None:
            return
        self._subscription = await self._bus.subscribe(
            delivery_subject(self._agent), self._on_delivery
        )
        if not self._recovered:
            self._recovered = True
            await self._bus.client.flush()
            await self._recover()

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
        """Give back what is held, so that the next process gets it at once."""
        for held in self._held.values():
            await self._bus.publish(held.ack, _NAK)
        self._held.clear()

    async def keep_alive(self) -> None:
        """Say for ever that what is held is being worked on, before the bus delivers it again."""
        while True:
            await asyncio.sleep(_KEEP_ALIVE_S)
            for held in list(self._held.values()):
                if self._bus.connected:
                    await self._bus.publish(held.ack, _PROGRESS)

    def settle(self, letter: Letter, *, failed: bool) -> None:
        """Acknowledge a message whose fate is written down; goes on trying until the bus confirms.

        A failed one is taken out of the stream's hands for good, and the bus tells so.
        """
        held = self._held.pop(letter.key, None)
        self._on_change()
        if held is not None:
            self._group.create_task(self._confirm(letter.key, held.ack, _TERM if failed else _ACK))

    async def _recover(self) -> None:
        # After a kill the bus would wait for the rest of its ack_wait before it delivers again.
        for key, ack, done in await self._store.unsettled():
            if key in self._held or not ack.startswith(f"$JS.ACK.{INBOX.name}.{self._agent}."):
                continue
            if done:
                self._group.create_task(self._confirm(key, ack, _ACK))
            else:
                await self._bus.publish(ack, _NAK)

    async def _confirm(self, key: str, ack: str, word: bytes) -> None:
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(nats.errors.Error),
            wait=wait_exponential(multiplier=0.1, max=5),
        ):
            with attempt:
                await self._bus.client.request(ack, word, timeout=_CONFIRM_S)
        await self._store.settle(key)

    async def _on_delivery(self, msg: Msg) -> None:
        if not msg.reply.startswith(f"$JS.ACK.{INBOX.name}.{self._agent}."):
            _log.warning("delivery_ignored", subject=msg.subject, reply=msg.reply)
            return
        try:
            letter = _read(msg)
        except (HiveError, ValueError) as error:
            # It would come again and again, and hold up all others.
            _log.warning("message_unreadable", subject=msg.subject, reason=str(error))
            await self._bus.publish(msg.reply, _TERM)
            return
        fate = await self._store.hold(letter, msg.reply)
        if fate.outcome is not None:
            self._group.create_task(self._confirm(letter.key, msg.reply, _ACK))
            return
        self._held[letter.key] = _Held(letter, msg.reply)
        self.unread = msg.metadata.num_pending
        self._on_change()


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
        deliveries=msg.metadata.num_delivered,
    )
