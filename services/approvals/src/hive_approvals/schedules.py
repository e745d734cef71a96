"""Schedules in sqlite: what is due goes into the outbox in the transaction that plans the next time."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
from hivecommon.contracts.approvals import Approval
from hivecommon.contracts.events import HiveEvent, ScheduleChanged
from hivecommon.contracts.inbox import InboxMessage, check_body
from hivecommon.contracts.schedules import Schedule, ScheduleId, ScheduleState, Timing
from hivecommon.errors import HiveError
from sqlalchemy import Connection, Row, func, insert, select, update

from hive_approvals import audit, outbox, timing
from hive_approvals.ledger import Ledger
from hive_approvals.tables import schedules

_SENDER: Final = "schedule"
_SELF: Final = "service:approvals"
_OVER: Final = frozenset({ScheduleState.ENDED, ScheduleState.DELETED})
_KEPT: Final = tuple(state for state in ScheduleState if state is not ScheduleState.DELETED)
MAX_SCHEDULES: Final = 1000
MAX_REMINDERS: Final = 50
"""Of one agent for itself."""


class ScheduleStore:
    """All schedules there ever were."""

    def __init__(self, ledger: Ledger, clock: Callable[[], datetime], local_zone: str) -> None:
        self._ledger = ledger
        self._clock = clock
        self.local_zone = local_zone

    async def create(
        self, agent: str, prompt: str, when: Timing, *, by: str, request_id: str
    ) -> Schedule:
        """Make a schedule; the same request id returns the first. Raises `bad_schedule`."""
        checked = timing.check(when, self.local_zone)
        check_body(prompt)
        return await self._ledger.change(
            lambda connection: self.insert(connection, agent, prompt, checked, by, request_id)
        )

    async def all(self, agent: str | None) -> list[Schedule]:
        """Return what is not deleted, the next one first."""
        query = select(schedules).where(schedules.c.state != ScheduleState.DELETED)
        if agent is not None:
            query = query.where(schedules.c.agent == agent)
        query = query.order_by(schedules.c.next_at.is_(None), schedules.c.next_at, schedules.c.id)
        return await self._ledger.read(
            lambda connection: [_schedule(row) for row in connection.execute(query)]
        )

    async def remind(
        self, agent: str, prompt: str, when: Timing | float, *, request_id: str
    ) -> Schedule:
        """Make a reminder of the agent for itself: at set times, or once so many seconds from now.

        The same request id returns the first. Raises `bad_schedule`, `too_many_pending`.
        """
        if not isinstance(when, Timing):
            # A whole second, and none that is over already.
            moment = self._clock().astimezone(UTC) + timedelta(seconds=when + 1)
            when = Timing(once=f"{moment:%Y-%m-%dT%H:%M:%S}", zone="UTC")
        checked = timing.check(when, self.local_zone)
        check_body(prompt)
        by = f"agent:{agent}"

        def work(connection: Connection) -> Schedule:
            if (known := _asked_before(connection, by, request_id)) is not None:
                return known
            if timing.following(checked, self._clock()) is None:
                raise HiveError(
                    f"that moment is over: {checked.once} ({checked.zone})", code="bad_schedule",
                    hint="give a later one",
                )  # fmt: skip
            mine = (schedules.c.created_by == by, schedules.c.state.not_in(_OVER))
            count = select(func.count()).select_from(schedules).where(*mine)
            if connection.execute(count).scalar_one() >= MAX_REMINDERS:
                raise HiveError(
                    f"you have {MAX_REMINDERS} reminders already", code="too_many_pending",
                    hint="cancel some first",
                )  # fmt: skip
            return self.insert(connection, agent, prompt, checked, by, request_id)

        return await self._ledger.change(work)

    async def cancel_own(self, number: ScheduleId, agent: str) -> Schedule:
        """Remove a reminder of the agent's own; raises `unknown_schedule`, `refused`."""
        by = f"agent:{agent}"
        query = select(schedules).where(schedules.c.id == number, schedules.c.agent == agent)
        row = await self._ledger.read(lambda connection: connection.execute(query).one_or_none())
        if row is None:
            raise _unknown(number, "the tool `open_items` lists yours")
        if row.created_by != by:
            raise HiveError(
                f"schedule {number} was made by {row.created_by}", code="refused",
                hint="ask the operator to delete it",
            )  # fmt: skip
        if row.state == ScheduleState.DELETED:
            return _schedule(row)
        return await self.delete(number, by=by)

    async def edit(
        self, number: ScheduleId, prompt: str | None, when: Timing | None, *, by: str
    ) -> Schedule:
        """Change prompt or times; raises `bad_schedule`, `unknown_schedule`."""
        checked = timing.check(when, self.local_zone) if when is not None else None
        if prompt is not None:
            check_body(prompt)

        def values(found: Schedule) -> dict[str, Any]:
            wanted: dict[str, Any] = {} if prompt is None else {"prompt": prompt}
            if checked is not None:
                state = (
                    found.state if found.state is not ScheduleState.ENDED else ScheduleState.ACTIVE
                )
                planned = timing.following(checked, self._clock())
                wanted |= {"cron": checked.cron, "once": checked.once, "zone": checked.zone,
                           "state": state,
                           "next_at": planned if state is ScheduleState.ACTIVE else None}  # fmt: skip
            return wanted

        return await self._change(number, "edit", values, by=by)

    async def pause(self, number: ScheduleId, *, by: str) -> Schedule:
        """Let it rest."""
        return await self._change(
            number, "pause", lambda _found: {"state": ScheduleState.PAUSED, "next_at": None}, by=by
        )

    async def resume(self, number: ScheduleId, *, by: str) -> Schedule:
        """Let it go on from now; raises `bad_schedule` when its one time is over."""

        def values(found: Schedule) -> dict[str, Any]:
            planned = timing.following(_timing(found), self._clock())
            if planned is None:
                raise HiveError(
                    f"the time of schedule {number} is over: {found.once}", code="bad_schedule",
                    hint="edit it, or fire it now",
                )  # fmt: skip
            return {"state": ScheduleState.ACTIVE, "next_at": planned}

        return await self._change(number, "resume", values, by=by)

    async def delete(self, number: ScheduleId, *, by: str) -> Schedule:
        """Remove it; the row stays."""
        return await self._change(
            number, "delete", lambda _found: {"state": ScheduleState.DELETED, "next_at": None},
            by=by,
        )  # fmt: skip

    async def fire(self, number: ScheduleId, *, by: str, request_id: str) -> Schedule:
        """Send it now, besides its times; the same request id sends it once."""

        def values(found: Schedule) -> dict[str, Any]:
            return {"fired": found.fired + 1, "last_at": self._clock()}

        def work(connection: Connection, moved: Schedule) -> None:
            self._send(connection, moved, f"schedule-{number}-{request_id}"[:80], moved.prompt)

        return await self._change(number, "fire", values, by=by, also=work)

    async def fire_due(self, now: datetime) -> datetime | None:
        """Send what is due, each at most once however much was missed; return the next moment."""
        active = schedules.c.state == ScheduleState.ACTIVE

        def work(connection: Connection) -> None:
            due = select(schedules).where(active, schedules.c.next_at <= now)
            for row in connection.execute(due).all():
                self._fire(connection, _schedule(row), now)

        return await self._ledger.change_if_due(schedules.c.next_at, active, now, work)

    def insert(
        self, connection: Connection, agent: str, prompt: str, when: Timing, by: str,
        request_id: str,
    ) -> Schedule:  # fmt: skip
        """Make a schedule in the transaction of `connection`; see `create`."""
        if (known := _asked_before(connection, by, request_id)) is not None:
            return known
        alive = select(func.count()).select_from(schedules)
        count = connection.execute(alive.where(schedules.c.state.not_in(_OVER))).scalar_one()
        if count >= MAX_SCHEDULES:
            raise HiveError(
                f"there are {count} schedules already", code="too_many_pending",
                hint="delete some first",
            )  # fmt: skip
        now = self._clock()
        planned = timing.following(when, now)
        values = {
            "agent": agent, "prompt": prompt, "cron": when.cron, "once": when.once,
            "zone": when.zone, "created_by": by, "created_at": now, "request_id": request_id,
            "state": ScheduleState.ACTIVE if planned else ScheduleState.ENDED,
            "next_at": planned, "fired": 0, "version": 1,
        }  # fmt: skip
        row = connection.execute(insert(schedules).values(**values).returning(schedules)).one()
        self._announce(connection, row)
        self._audit(connection, by, "schedule", row.id, row.state)
        return _schedule(row)

    def insert_approved(self, connection: Connection, approval: Approval) -> None:
        """Make the schedule that an approval is about, once."""
        if approval.schedule is not None:
            self.insert(
                connection, approval.agent, approval.schedule.prompt, approval.schedule.timing,
                approval.requested_by, f"approval-{approval.id}",
            )  # fmt: skip

    def follow_agent(
        self, connection: Connection, agent: str, *, renamed_to: str | None = None
    ) -> None:
        """Let the schedules of an agent go with it: to its new name, or to rest when it is gone."""
        going = [ScheduleState.ACTIVE] if renamed_to is None else _KEPT
        mine = (schedules.c.agent == agent, schedules.c.state.in_(going))
        for row in connection.execute(select(schedules).where(*mine)).all():
            if renamed_to is not None:
                self._set(connection, row.id, {"agent": renamed_to}, _SELF, "rename")
            else:
                rest = {"state": ScheduleState.PAUSED, "next_at": None}
                self._set(connection, row.id, rest, _SELF, "pause")

    def _fire(self, connection: Connection, found: Schedule, now: datetime) -> None:
        due = found.next_at or now
        planned = timing.following(_timing(found), now)
        state = ScheduleState.ACTIVE if planned else ScheduleState.ENDED
        values = {"next_at": planned, "last_at": now, "fired": found.fired + 1, "state": state}
        self._set(connection, found.id, values, _SELF, "fire")
        late = now - due > timing.LATE
        note = f"(This was due at {due:%Y-%m-%d %H:%M} UTC; the hive was away.)\n" if late else ""
        message_id = f"schedule-{found.id}-{due:%Y%m%dT%H%M%S}"
        own = f"(Your own reminder {found.id}.)\n" if _is_own(found) else ""
        self._send(connection, found, message_id, own + note + found.prompt)

    async def _change(
        self, number: ScheduleId, what: str, values: Callable[[Schedule], dict[str, Any]], *,
        by: str, also: Callable[[Connection, Schedule], None] | None = None,
    ) -> Schedule:  # fmt: skip
        def work(connection: Connection) -> Schedule:
            query = select(schedules).where(schedules.c.id == number)
            row = connection.execute(query).one_or_none()
            if row is None or row.state == ScheduleState.DELETED:
                raise _unknown(number, "`hive schedules` lists them")
            moved = self._set(connection, number, values(_schedule(row)), by, what)
            if also is not None:
                also(connection, moved)
            return moved

        return await self._ledger.change(work)

    def _set(
        self, connection: Connection, number: ScheduleId, values: dict[str, Any], by: str, what: str
    ) -> Schedule:
        query = update(schedules).where(schedules.c.id == number)
        changed = query.values(**values, version=schedules.c.version + 1).returning(schedules)
        row = connection.execute(changed).one()
        self._announce(connection, row)
        self._audit(connection, by, f"{what} schedule", number, row.state)
        return _schedule(row)

    def _send(self, connection: Connection, found: Schedule, message_id: str, body: str) -> None:
        message = InboxMessage(id=message_id, body=body, sent_at=self._clock())
        outbox.tell_agent(connection, to=found.agent, sender=_SENDER, message=message)

    def _announce(self, connection: Connection, row: Row[Any]) -> None:
        event = HiveEvent(
            id=f"schedule-{row.id}-v{row.version}", at=self._clock(),
            body=ScheduleChanged(schedule=_schedule(row)),
        )  # fmt: skip
        outbox.publish(connection, event)

    def _audit(self, connection: Connection, who: str, what: str, number: int, result: str) -> None:
        entry = audit.Entry(self._clock(), who, what, f"schedule:{number}", result)
        audit.record(connection, entry)


def _asked_before(connection: Connection, by: str, request_id: str) -> Schedule | None:
    query = select(schedules).where(
        schedules.c.created_by == by, schedules.c.request_id == request_id
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else _schedule(row)


def _is_own(found: Schedule) -> bool:
    return found.created_by == f"agent:{found.agent}"


def _unknown(number: int, hint: str) -> HiveError:
    return HiveError(f"there is no schedule {number}", code="unknown_schedule", hint=hint)


def _timing(found: Schedule) -> Timing:
    return Timing(cron=found.cron, once=found.once, zone=found.zone)


def _schedule(row: Row[Any]) -> Schedule:
    fields = {str(name): value for name, value in row._mapping.items()}  # noqa: SLF001 - documented
    del fields["request_id"], fields["version"]
    return msgspec.convert(fields, Schedule)
