"""What happens to agents, taken from the stream of events: into the audit, and to the manager (O9).

How far the stream was read is written in the same transaction: nothing is recorded or told twice,
and nothing that happened while this service was away is missed.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final, Protocol

import msgspec
import nats.errors
import nats.js.errors
import structlog
from hivecommon.bus import Bus
from hivecommon.contracts.events import (
    NEEDS_UPDATE,
    UP_TO_DATE,
    AgentChanged,
    AgentEvent,
    HiveEvent,
    JobChanged,
    OperatorChanged,
    StatusChanged,
)
from hivecommon.contracts.inbox import InboxMessage
from hivecommon.contracts.jobs import Job, JobState
from hivecommon.contracts.streams import EVENTS
from hivecommon.errors import Unavailable
from hivecommon.names import MANAGER
from nats.aio.msg import Msg
from sqlalchemy import Column, Connection, select
from sqlalchemy.dialects.sqlite import insert

from hive_approvals import audit, outbox
from hive_approvals.ledger import Ledger
from hive_approvals.tables import conditions, cursors

_CURSOR: Final = "events"
_SUBJECT: Final = "events.hive.>"
_TOLD: Final = frozenset(
    {"spawned", "rebuilt", "stopped", "destroyed", "crashed", "renamed", "deployed", NEEDS_UPDATE,
     "inputs updated"}
)  # fmt: skip
_RENEWED: Final = frozenset({"spawned", "rebuilt", "deployed", "destroyed", UP_TO_DATE})
"""After these an agent that needs an update again is told of again."""
_OURSELVES: Final = f"agent:{MANAGER}"

_log = structlog.get_logger()


class Follow(Protocol):
    """Lets what belongs to an agent go with it: to its new name, or to rest when it is gone."""

    def __call__(
        self, connection: Connection, agent: str, *, renamed_to: str | None = None
    ) -> None:
        """Do so in the transaction of `connection`."""


class Recorder:
    """Reads the events of the services in order, and what harnesses say of their logins."""

    def __init__(
        self, ledger: Ledger, followers: Sequence[Follow], bus: Bus, *, tell_manager: bool,
        poll_s: float,
    ) -> None:  # fmt: skip
        self._ledger = ledger
        self._followers = followers
        self._reading = asyncio.Lock()
        self._bus = bus
        self._tell_manager = tell_manager
        self._poll_s = poll_s
        self._wake = asyncio.Event()
        self._needs_login: dict[str, bool] = {}

    async def begin(self) -> None:
        """Find out from where on events are to be read."""
        seq = await self._ledger.read(_cursor)
        last = (await self._bus.jetstream.stream_info(EVENTS.name)).state.last_seq
        # What happened before there was a recorder is not told now; and a power loss can take the
        # stream whole, whose numbers then begin anew.
        if seq is None or seq > last:
            await self._advance(last if seq is None else 0)

    async def run(self) -> None:
        """Record for ever."""
        await self._bus.subscribe(_SUBJECT, self._heard)
        await self._bus.subscribe("events.*.status", self.heard_status)
        self._needs_login = await self._ledger.read(_known_conditions)
        while True:
            self._wake.clear()
            try:
                await self._catch_up()
            except (nats.errors.Error, nats.js.errors.Error) as error:
                _log.info("recorder_waits", reason=str(error) or type(error).__name__)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._poll_s):
                    await self._wake.wait()

    async def _heard(self, _msg: Msg) -> None:
        self._wake.set()

    async def caught_up(self) -> None:
        """Return once everything is taken in that happened before; raise `Unavailable`."""
        try:
            await self._catch_up()
        except (nats.errors.Error, nats.js.errors.Error) as error:
            raise Unavailable(f"events cannot be read: {error}") from error

    async def _catch_up(self) -> None:
        async with self._reading:
            await self._read_on()

    async def _read_on(self) -> None:
        seq = await self._ledger.read(_cursor) or 0
        while True:
            try:
                stored = await self._bus.jetstream.get_msg(
                    EVENTS.name, seq=seq + 1, subject=_SUBJECT, next=True
                )
            except nats.js.errors.NotFoundError:
                return
            seq = stored.seq or seq + 1
            await self._take(seq, stored.data or b"")

    async def _advance(self, seq: int) -> None:
        await self._ledger.change(lambda connection: _set_cursor(connection, seq))

    async def _take(self, seq: int, payload: bytes) -> None:
        try:
            event = msgspec.json.decode(payload, type=HiveEvent)
        except msgspec.MsgspecError as error:
            _log.warning("bad_event", seq=seq, reason=str(error))
            await self._advance(seq)
            return

        def work(connection: Connection) -> None:
            _set_cursor(connection, seq)
            match event.body:
                case AgentChanged():
                    self._record_change(connection, event, event.body)
                case OperatorChanged(name=name, what=what, by=by):
                    entry = audit.Entry(event.at, by, what, f"operator:{name}", "done")
                    audit.record(connection, entry)
                case JobChanged(job=job) if job.state is JobState.FAILED:
                    _record_failure(connection, event.at, job)

        await self._ledger.change(work)

    def _record_change(
        self, connection: Connection, event: HiveEvent, change: AgentChanged
    ) -> None:
        if change.what in _RENEWED:
            _set_condition(connection, change.agent, conditions.c.needs_update, holds=False)
        if change.what == UP_TO_DATE or (
            # lifecycle says it again after each of its starts.
            change.what == NEEDS_UPDATE
            and not _set_condition(connection, change.agent, conditions.c.needs_update, holds=True)
        ):
            return
        who = change.by or "service:lifecycle"
        entry = audit.Entry(
            event.at, who, change.what, f"agent:{change.agent}", "done", change.detail
        )
        audit.record(connection, entry)
        if change.what == "destroyed":
            self._follow(connection, change.agent, None)
        elif change.what == "renamed":
            old = change.detail.removeprefix("was ")
            self._follow(connection, old, change.agent)
        if change.what in _TOLD and change.by != _OURSELVES:
            by = f" by {change.by.replace(':', ' ')}" if change.by else ""
            detail = f": {change.detail}" if change.detail else ""
            self._tell(
                connection, change.agent, f"event-{event.id}", event.at,
                f"{change.agent}: {change.what}{by}{detail}",
            )  # fmt: skip

    def _follow(self, connection: Connection, agent: str, renamed_to: str | None) -> None:
        for follow in self._followers:
            follow(connection, agent, renamed_to=renamed_to)

    async def heard_status(self, msg: Msg) -> None:
        """Tell when an agent needs a login, or has one again: each change once."""
        agent = msg.subject.split(".")[1]
        try:
            event = msgspec.json.decode(msg.data, type=AgentEvent)
        except msgspec.MsgspecError:
            return
        if not isinstance(event.body, StatusChanged):
            return
        needs = event.body.status.needs_login
        if self._needs_login.get(agent, False) == needs:
            return

        def work(connection: Connection) -> None:
            if not _set_condition(connection, agent, conditions.c.needs_login, holds=needs):
                return
            what = "needs a login" if needs else "is logged in again"
            entry = audit.Entry(event.at, f"agent:{agent}", what, f"agent:{agent}", "done")
            audit.record(connection, entry)
            message_id = f"login-{agent}-{event.seq}"
            self._tell(connection, agent, message_id, event.at, f"{agent}: {what}")

        await self._ledger.change(work)
        # Only now: what could not be written down is tried again at the agent's next status.
        self._needs_login[agent] = needs

    def _tell(
        self, connection: Connection, agent: str, message_id: str, at: datetime, body: str
    ) -> None:
        if self._tell_manager and agent != MANAGER:
            message = InboxMessage(id=message_id[:80], body=body, sent_at=at)
            outbox.tell_agent(connection, to=MANAGER, sender=outbox.SENDER, message=message)


def _record_failure(connection: Connection, at: datetime, job: Job) -> None:
    code = job.error.code if job.error is not None else "failed"
    detail = f"job {job.id}: {job.error.message}" if job.error is not None else f"job {job.id}"
    entry = audit.Entry(
        job.ended_at or at, job.requested_by, job.verb, f"agent:{job.agent}", code, detail[:2000]
    )
    audit.record(connection, entry)


def _cursor(connection: Connection) -> int | None:
    query = select(cursors.c.seq).where(cursors.c.name == _CURSOR)
    return connection.execute(query).scalar_one_or_none()


def _set_cursor(connection: Connection, seq: int) -> None:
    row = insert(cursors).values(name=_CURSOR, seq=seq)
    connection.execute(row.on_conflict_do_update(index_elements=["name"], set_={"seq": seq}))


def _known_conditions(connection: Connection) -> dict[str, bool]:
    return {row.agent: bool(row.needs_login) for row in connection.execute(select(conditions))}


def _set_condition(connection: Connection, agent: str, column: Column[int], *, holds: bool) -> bool:
    """Write it down; return whether it was otherwise before."""
    before = connection.execute(select(column).where(conditions.c.agent == agent))
    if bool(before.scalar_one_or_none()) == holds:
        return False
    nothing = {"needs_login": 0, "needs_update": 0}
    row = insert(conditions).values(**{"agent": agent, **nothing, column.name: holds})
    wanted = row.on_conflict_do_update(index_elements=["agent"], set_={column.name: holds})
    connection.execute(wanted)
    return True
