"""The agent's events in `hyperhive-events.sqlite`: numbered without a gap, stored before they are told."""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final, TypeVar
from uuid import uuid4

import msgspec
import structlog
from hivecommon.contracts.events import AgentEvent, AgentEventBody, Trouble

from hive_harness.database import Database, Work, is_damage

MIGRATIONS: Final = (
    """
    CREATE TABLE events (
      seq INTEGER PRIMARY KEY, at TEXT NOT NULL, kind TEXT NOT NULL, event BLOB NOT NULL
    );
    CREATE TABLE log (
      one INTEGER PRIMARY KEY CHECK (one = 1), id TEXT NOT NULL,
      first_seq INTEGER NOT NULL, published INTEGER NOT NULL
    )
    """,
)
KEPT: Final = timedelta(days=14)
KEPT_BYTES: Final = 256 << 20
"""Of an agent that does more in 14 days the oldest events go earlier."""
_RETRY_S: Final = 1.0
_FORGOTTEN_AT_ONCE: Final = 2000

T = TypeVar("T")

Clock = Callable[[], datetime]
Listener = Callable[[Sequence[AgentEvent]], None]

_log = structlog.get_logger()


class EventLog:
    """All events of one agent. `run` writes what `record` has numbered."""

    def __init__(self, database: Database, clock: Clock, *, kept_bytes: int = KEPT_BYTES) -> None:
        self._database = database
        self._clock = clock
        self._kept_bytes = kept_bytes
        self._one_at_a_time = asyncio.Lock()
        self.on_failing: Callable[[], None] = lambda: None
        """Called when events cannot be written, once for each time that begins."""
        self._pending: deque[AgentEvent] = deque()
        self._wake = asyncio.Event()
        self._listeners: list[Listener] = []
        self._committed = asyncio.Condition()
        self.id = ""
        """Names the file: events of another file are others, though their numbers be the same."""
        self.last_seq = 0
        self.first_seq = 1
        self.stored_seq = 0
        self.published = 0
        """The last event that the bus has, as far as is noted."""
        self.failing = ""
        """Why events cannot be written at this moment; empty when they can."""

    async def open(self, floor: int) -> None:
        """Open the file. `floor` is a number that no earlier event of the agent is above.

        It counts only when a damaged file had to be set aside, which becomes the first event then.
        """
        aside = await self._database.open(self._clock())
        if aside is not None:
            await self._database.run(lambda c: self._begin(c, floor + 1))
        await self._database.run(self._load)
        await self.forget_old()
        if aside is not None:
            self._say_set_aside(str(aside))

    def record(self, body: AgentEventBody, *, turn: int = 0) -> AgentEvent:
        """Give an event its number; it is stored, and then told, as soon as the disk has it."""
        self.last_seq += 1
        event = AgentEvent(seq=self.last_seq, at=self._clock(), turn=turn, body=body)
        self._pending.append(event)
        self._wake.set()
        return event

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with events once they are stored; return how to end that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def run(self) -> None:
        """Write events for ever; a full disk or a lock is waited out, damage is set aside."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._pending:
                await self._write(list(self._pending))

    async def flushed(self) -> None:
        """Return once everything recorded until now is stored."""
        target = self.last_seq
        async with self._committed:
            await self._committed.wait_for(lambda: self.stored_seq >= target)

    async def _write(self, batch: list[AgentEvent]) -> None:
        await self._patiently(_insert(batch, self.published))
        for _ in batch:
            self._pending.popleft()
        self.stored_seq = batch[-1].seq
        for listener in list(self._listeners):
            listener(batch)
        async with self._committed:
            self._committed.notify_all()

    async def _patiently(self, work: Work[T]) -> T:
        """Do `work`, however long the disk is full or the file locked."""
        while True:
            try:
                result = await self._do(work)
            except sqlite3.OperationalError as error:
                self._fail(error)
                await asyncio.sleep(_RETRY_S)
            else:
                self.failing = ""
                return result

    async def _do(self, work: Work[T]) -> T:
        """Do `work`; a file that proves to be damaged is set aside, and it is done on a new one."""
        async with self._one_at_a_time:
            try:
                return await self._database.run(work)
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise
                await self._begin_anew(error)
                return await self._database.run(work)

    async def _begin_anew(self, error: sqlite3.DatabaseError) -> None:
        _log.error("events_damaged", reason=str(error))
        aside = await self._database.begin_anew(self._clock())
        # What is not stored yet is in memory and goes into the new file. Work is done one at a
        # time, so that nothing is stored of which `stored_seq` does not know.
        await self._database.run(lambda c: self._begin(c, self.stored_seq + 1))
        await self._database.run(self._load_id)
        self._say_set_aside(str(aside))

    def _fail(self, error: sqlite3.DatabaseError) -> None:
        known, self.failing = self.failing, f"events cannot be written: {error}"
        if not known:
            _log.error("events_not_written", reason=str(error))
            self.on_failing()

    def _say_set_aside(self, aside: str) -> None:
        self.record(
            Trouble(
                code="events_damaged", message=f"the events file was damaged; set aside: {aside}"
            )
        )

    async def read(
        self, *, after: int | None, before: int | None, limit: int, without: str = ""
    ) -> Sequence[AgentEvent]:
        """Return stored events in order: the first `limit` after `after`, else the last ones.

        Those of the kind `without` are left out and not counted.
        """
        low, high = after or 0, before or 1 << 62
        order = "ASC" if after is not None else "DESC"
        rows: list[tuple[bytes]] = await self._do(
            lambda c: c.execute(
                "SELECT event FROM events WHERE seq > ? AND seq < ? AND kind != ?"  # noqa: S608 - one of two words of ours
                f" ORDER BY seq {order} LIMIT ?",
                (low, high, without, limit),
            ).fetchall()
        )
        events = _decode(event for (event,) in rows)
        return events if after is not None else events[::-1]

    async def open_turn(self) -> AgentEvent | None:
        """Return the start of the last turn if its end was never recorded."""
        row: tuple[str, bytes] | None = await self._do(
            lambda c: c.execute(
                "SELECT kind, event FROM events WHERE kind IN ('turn_started', 'turn_ended')"
                " ORDER BY seq DESC LIMIT 1"
            ).fetchone()
        )
        if row is None or row[0] == "turn_ended":
            return None
        return _decode([row[1]])[0]

    async def after(self, seq: int, limit: int) -> Sequence[AgentEvent]:
        """Return the first events after `seq`; a full disk or a lock is waited out."""
        rows: list[tuple[bytes]] = await self._patiently(
            lambda c: c.execute(
                "SELECT event FROM events WHERE seq > ? ORDER BY seq LIMIT ?", (seq, limit)
            ).fetchall()
        )
        return _decode(event for (event,) in rows)

    def note_published(self, seq: int) -> None:
        """Note that the bus has every event up to `seq`; the file is told with the next events."""
        self.published = max(self.published, seq)

    async def mark_published(self) -> None:
        """Write down at once what was noted of the bus."""
        published = self.published
        await self._patiently(lambda c: c.execute("UPDATE log SET published = ?", (published,)))

    def _load(self, connection: sqlite3.Connection) -> None:
        if connection.execute("SELECT 1 FROM log").fetchone() is None:
            self._begin(connection, 1)
        self._load_id(connection)
        (self.published,) = connection.execute("SELECT published FROM log").fetchone()
        (last,) = connection.execute("SELECT max(seq) FROM events").fetchone()
        self.last_seq = self.stored_seq = last or self.first_seq - 1

    def _load_id(self, connection: sqlite3.Connection) -> None:
        self.id, self.first_seq = connection.execute("SELECT id, first_seq FROM log").fetchone()

    def _begin(self, connection: sqlite3.Connection, first_seq: int) -> None:
        connection.execute(
            "INSERT INTO log VALUES (1, ?, ?, ?)", (uuid4().hex[:12], first_seq, first_seq - 1)
        )

    async def forget_old(self) -> None:
        """Forget what is older than 14 days, or more than the file may hold, and published."""
        horizon = (self._clock() - KEPT).isoformat()
        while await self._do(lambda c: _forget(c, "at < ?", horizon)):
            pass
        while await self._do(self._holds_too_much):
            if not await self._do(lambda c: _forget(c, "?", "1")):
                break
        await self._do(
            lambda c: c.execute(
                "UPDATE log SET first_seq = coalesce((SELECT min(seq) FROM events), first_seq)"
            )
        )
        await self._do(self._load_id)

    def _holds_too_much(self, connection: sqlite3.Connection) -> bool:
        pages, free, size = (
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        return bool((pages - free) * size > self._kept_bytes)

    async def close(self) -> None:
        """Write what is pending, if the disk takes it, and close the file."""
        if self._pending:
            with suppress(sqlite3.OperationalError):
                await self._do(_insert(list(self._pending), self.published))
        await self._database.close()


def _insert(batch: Sequence[AgentEvent], published: int) -> Work[None]:
    rows = [(e.seq, e.at.isoformat(), e.kind, msgspec.json.encode(e)) for e in batch]

    def insert(connection: sqlite3.Connection) -> None:
        # Replaced by itself when it is not known whether an earlier try came to its end.
        connection.executemany("REPLACE INTO events VALUES (?, ?, ?, ?)", rows)
        connection.execute("UPDATE log SET published = max(published, ?)", (published,))

    return insert


def _forget(connection: sqlite3.Connection, which: str, value: str) -> int:
    """Delete some of the oldest published events; return how many.

    The last event stays, whatever its age: the numbers go on from it.
    """
    return connection.execute(
        "DELETE FROM events WHERE seq IN (SELECT seq FROM events"  # noqa: S608 - words of ours
        f" WHERE {which} AND seq <= (SELECT published FROM log)"
        " AND seq < (SELECT max(seq) FROM events) ORDER BY seq LIMIT ?)",
        (value, _FORGOTTEN_AT_ONCE),
    ).rowcount


def _decode(rows: Iterable[bytes]) -> list[AgentEvent]:
    return [msgspec.json.decode(row, type=AgentEvent) for row in rows]
