"""Events in the agent's own file: numbered without a gap, whatever happens to the file or the disk."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hive_harness.database import Database
from hive_harness.eventlog import KEPT, KEPT_BYTES, MIGRATIONS, EventLog
from hivecommon.contracts.events import AgentEvent, Text, Trouble, TurnEnded, TurnStarted

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@asynccontextmanager
async def opened(
    file: Path, *, floor: int = 0, clock: Clock | None = None, kept_bytes: int = KEPT_BYTES
) -> AsyncIterator[EventLog]:
    log = EventLog(Database(file, MIGRATIONS), clock or Clock(), kept_bytes=kept_bytes)
    await log.open(floor)
    writing = asyncio.ensure_future(log.run())
    try:
        yield log
    finally:
        writing.cancel()
        await log.close()


async def test_numbers_go_on_over_restarts_and_are_told_once_stored(tmp_path: Path) -> None:
    file = tmp_path / "events.sqlite"
    heard: list[int] = []

    def hear(events: Sequence[AgentEvent]) -> None:
        heard.extend(event.seq for event in events)

    async with opened(file) as log:
        first_id = log.id
        stop = log.listen(hear)
        for number in range(3):
            log.record(Text(str(number)))
        await log.flushed()
        assert heard == [1, 2, 3]
        stop()
    async with opened(file) as log:
        assert log.id == first_id
        log.record(Text("3"))
        await log.flushed()
        assert [e.seq for e in await log.read(after=0, before=None, limit=9)] == [1, 2, 3, 4]
        assert [e.seq for e in await log.read(after=None, before=None, limit=2)] == [3, 4]
        assert [e.seq for e in await log.read(after=None, before=3, limit=9)] == [1, 2]
    assert heard == [1, 2, 3]


async def test_what_is_recorded_at_the_very_end_is_stored_too(tmp_path: Path) -> None:
    file = tmp_path / "events.sqlite"
    async with opened(file) as log:
        log.record(Text("last words"))
    async with opened(file) as log:
        assert log.last_seq == 1


async def test_what_is_published_is_not_offered_again(tmp_path: Path) -> None:
    file = tmp_path / "events.sqlite"
    async with opened(file) as log:
        for number in range(5):
            log.record(Text(str(number)))
        await log.flushed()
        log.note_published(3)
        await log.mark_published()
    async with opened(file) as log:
        assert [event.seq for event in await log.after(log.published, 9)] == [4, 5]


async def test_old_events_go_when_they_are_published_and_the_numbers_stay(tmp_path: Path) -> None:
    file = tmp_path / "events.sqlite"
    clock = Clock()
    async with opened(file, clock=clock) as log:
        for number in range(5):
            log.record(Text(str(number)))
        await log.flushed()
        log.note_published(3)
        await log.mark_published()
    clock.now += KEPT + timedelta(days=1)
    async with opened(file, clock=clock) as log:
        assert (log.first_seq, log.last_seq) == (4, 5)
        log.note_published(5)
        await log.mark_published()
    async with opened(file, clock=clock) as log:
        assert (log.first_seq, log.last_seq) == (5, 5)


async def test_old_events_are_forgotten_while_the_harness_runs_too(tmp_path: Path) -> None:
    clock = Clock()
    async with opened(tmp_path / "events.sqlite", clock=clock) as log:
        for number in range(5):
            log.record(Text(str(number)))
        await log.flushed()
        log.note_published(5)
        await log.mark_published()
        clock.now += KEPT + timedelta(days=1)
        await log.forget_old()
        assert (log.first_seq, log.last_seq) == (5, 5)


async def test_an_agent_that_tells_too_much_keeps_the_newest_of_it(tmp_path: Path) -> None:
    file = tmp_path / "events.sqlite"
    async with opened(file, kept_bytes=400_000) as log:
        for _ in range(4000):
            log.record(Text("x" * 1000))
        await log.flushed()
        log.note_published(3500)
        await log.mark_published()
        await log.forget_old()
        assert log.first_seq == 3501  # what the bus has not confirmed stays
        log.note_published(4000)
        await log.mark_published()
        await log.forget_old()
        assert log.first_seq == 4000  # a file this small is emptied in one go
        assert log.last_seq == 4000
        # The room is used again: the file does not grow beyond what it once had.
        size = file.stat().st_size
        for _ in range(1000):
            log.record(Text("x" * 1000))
        await log.flushed()
        assert file.stat().st_size <= size


async def test_damage_that_a_reader_meets_is_set_aside_too(tmp_path: Path) -> None:
    file = tmp_path / "events.sqlite"
    async with opened(file) as log:
        for number in range(200):
            log.record(Text(str(number) * 100))
        await log.flushed()
        with closing(sqlite3.connect(file)) as other:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        damage = bytearray(file.read_bytes())
        damage[4096:] = b"\xff" * (len(damage) - 4096)
        file.write_bytes(damage)
        assert await log.after(0, 500) == []
        await log.flushed()
        [trouble] = await log.after(0, 500)
        assert (trouble.seq, trouble.kind) == (201, "trouble")
    assert "damaged-" in str(trouble.body)


async def test_damage_at_the_start_begins_a_new_file_above_all_old_numbers(tmp_path: Path) -> None:
    file = tmp_path / "events.sqlite"
    file.write_bytes(b"x" * 10_000)
    async with opened(file, floor=700) as log:
        assert log.first_seq == 701
        await log.flushed()
        [event] = await log.read(after=0, before=None, limit=9)
    assert event.seq == 701
    assert isinstance(event.body, Trouble)


async def test_damage_in_mid_work_loses_only_what_was_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "events.sqlite"
    async with opened(file) as log:
        log.record(Text("before"))
        await log.flushed()
        first_id = log.id
        with closing(sqlite3.connect(file)) as other:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        damage = bytearray(file.read_bytes())
        damage[4096:] = b"\xff" * (len(damage) - 4096)
        file.write_bytes(damage)
        log.record(Text("after"))
        await log.flushed()
        while not log.last_seq >= 3:
            await asyncio.sleep(0)
        await log.flushed()
        assert log.id != first_id
        kept = await log.read(after=0, before=None, limit=9)
    assert [event.seq for event in kept] == [2, 3]
    assert "damaged-" in str(kept[1].body)


async def test_a_locked_file_is_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "events.sqlite"
    async with opened(file) as log:
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            log.record(Text("waits"))
            while not log.failing:
                await asyncio.sleep(0.05)
            other.execute("ROLLBACK")
        await log.flushed()
        assert not log.failing
        assert log.stored_seq == 1


async def test_a_turn_without_an_end_is_found(tmp_path: Path) -> None:
    file = tmp_path / "events.sqlite"
    async with opened(file) as log:
        assert await log.open_turn() is None
        log.record(TurnStarted("m1", "bob", "x"), turn=1)
        log.record(Text("x"), turn=1)
        await log.flushed()
        found = await log.open_turn()
        assert found is not None
        assert (found.turn, found.kind) == (1, "turn_started")
        log.record(TurnEnded("m1", "answered"), turn=1)
        await log.flushed()
        assert await log.open_turn() is None
