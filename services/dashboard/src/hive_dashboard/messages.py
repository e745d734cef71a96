"""What agents wrote to the operators: the last messages of `inbox.operator.*`, then each new one."""

from datetime import datetime
from typing import Final

import msgspec
import structlog
from hivecommon.bus import Bus
from hivecommon.contracts.inbox import OPERATOR, InboxMessage
from hivecommon.contracts.streams import INBOX
from hivecommon.errors import HiveError
from hiveweb.feed import Sink

from hive_dashboard.tail import Part, Stored, follow

_HISTORY: Final = 100
_log = structlog.get_logger()


class MessagesParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From where on."""

    after: int = 0


class MessageItem(msgspec.Struct, frozen=True):
    """One message; its sender is the bus's word."""

    cursor: int
    sender: str
    at: datetime
    message: InboxMessage


class Messages:
    """The topic `messages`."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def source(self, params: MessagesParams, sink: Sink) -> None:
        """Put the messages into `sink` until cancelled."""

        async def take(stored: Stored) -> None:
            _, sender = InboxMessage.route(stored.subject)
            try:
                message = InboxMessage.decode(stored.data)
            except HiveError as error:
                _log.warning("bad_message", sender=sender, reason=error.message[:200])
                return
            await sink.put(MessageItem(stored.seq, sender, stored.at, message))

        part = Part(INBOX.name, (InboxMessage.filter_for(OPERATOR),), history=_HISTORY)
        await follow(self._bus, part, take, after=params.after)
