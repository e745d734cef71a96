"""What is to be told: written in the transaction that it tells of, published until the bus has it.

A kill between commit and publish loses nothing; one between publish and delete repeats a message
under the same id, which the stream drops within its dedupe window (an hour).
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

import msgspec
import structlog
from hivecommon.bus import Bus
from hivecommon.contracts.approvals import Approval
from hivecommon.contracts.events import ApprovalChanged, HiveEvent
from hivecommon.contracts.inbox import InboxMessage
from hivecommon.errors import HiveError, Unavailable
from sqlalchemy import Connection, Row, delete, select
from sqlalchemy.dialects.sqlite import insert

from hive_approvals import policy
from hive_approvals.database import Database
from hive_approvals.rows import Record
from hive_approvals.tables import outbox

_SERVICE: Final = "approvals"
SENDER: Final = "hive"
_PAGE: Final = 50
_ACK_S: Final = 2.0

_log = structlog.get_logger()


def announce(connection: Connection, record: Record, at: datetime) -> None:
    """Let everybody who watches know how an approval stands since `at`."""
    event = HiveEvent(
        id=f"approval-{record.approval.id}-v{record.version}",
        at=at,
        body=ApprovalChanged(approval=record.approval),
    )
    publish(connection, event)


def tell_requester(connection: Connection, approval: Approval, at: datetime) -> None:
    """Send the agent that asked a message about how `approval` now stands, if an agent asked."""
    agent = policy.addressee(approval)
    if agent is None:
        return
    message = InboxMessage(
        id=f"approval-{approval.id}-{approval.state}",
        body=policy.outcome_message(approval),
        sent_at=at,
    )
    tell_agent(connection, to=agent, sender=SENDER, message=message)


def tell_agent(connection: Connection, *, to: str, sender: str, message: InboxMessage) -> None:
    """Send an agent a message, once for each id."""
    subject = InboxMessage.subject_for(to=to, sender=sender)
    _put(connection, subject, message.id, msgspec.json.encode(message))


def publish(connection: Connection, event: HiveEvent) -> None:
    """Let everybody who watches know of an event, once for each id."""
    _put(connection, event.subject_for(_SERVICE), event.id, msgspec.json.encode(event))


def _put(connection: Connection, subject: str, message_id: str, payload: bytes) -> None:
    row = insert(outbox).values(subject=subject, message_id=message_id, payload=payload)
    connection.execute(row.on_conflict_do_nothing())


class Outbox:
    """Publishes what was put there, in order."""

    def __init__(
        self, database: Database, bus: Bus, *, wake: asyncio.Event, resend_s: float
    ) -> None:
        self._database = database
        self._bus = bus
        self._wake = wake
        self._resend_s = resend_s

    async def run(self) -> None:
        """Publish for ever."""
        while True:
            self._wake.clear()
            if await self._publish_all():
                await self._wake.wait()
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(self._resend_s):
                    await self._wake.wait()

    async def _publish_all(self) -> bool:
        """Publish what waits; return False if some of it still does."""
        last, full = 0, set[str]()
        try:
            while rows := await self._database.read(_page_after(last)):
                last = rows[-1].id
                await self._publish(rows, full)
        except Unavailable as error:
            _log.info("outbox_waits", reason=error.message)
            return False
        except HiveError as error:
            _log.error("outbox_unusable", code=error.code, reason=error.message)
            return False
        return not full

    async def _publish(self, rows: Sequence[Row[Any]], full: set[str]) -> None:
        """Publish `rows`; those of a subject that takes no more stay, and the subject joins `full`."""
        sent = list[int]()
        try:
            for row in rows:
                if row.subject in full:
                    continue
                if await self._offer(row):
                    sent.append(row.id)
                else:
                    full.add(row.subject)
        finally:
            if sent:
                done = delete(outbox).where(outbox.c.id.in_(sent))
                await self._database.write(lambda connection: connection.execute(done))

    async def _offer(self, row: Row[Any]) -> bool:
        try:
            await self._bus.publish_acked(
                row.subject, row.payload, message_id=row.message_id, timeout_s=_ACK_S
            )
        except Unavailable:
            raise
        except HiveError as error:
            _log.warning("not_delivered_yet", subject=row.subject, code=error.code)
            return False
        return True


def _page_after(last: int) -> Callable[[Connection], Sequence[Row[Any]]]:
    query = select(outbox).where(outbox.c.id > last).order_by(outbox.c.id).limit(_PAGE)
    return lambda connection: connection.execute(query).all()
