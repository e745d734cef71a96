"""A file of sqlite: kept when it is whole, set aside when it is not."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hive_harness.database import Database

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
MIGRATIONS = ("CREATE TABLE words (word TEXT)",)


def words(connection: sqlite3.Connection) -> list[str]:
    return [word for (word,) in connection.execute("SELECT word FROM words")]


async def test_work_that_fails_leaves_nothing(tmp_path: Path) -> None:
    database = Database(tmp_path / "x.sqlite", MIGRATIONS)
    assert await database.open(NOW) is None

    def half(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO words VALUES ('half')")
        raise ValueError("half done")

    with pytest.raises(ValueError, match="half done"):
        await database.run(half)
    assert await database.run(words) == []
    await database.close()


async def test_damage_met_in_mid_work_is_set_aside_at_the_next_start(tmp_path: Path) -> None:
    file = tmp_path / "x.sqlite"
    database = Database(file, MIGRATIONS)
    await database.open(NOW)
    await database.run(lambda c: c.execute("INSERT INTO words VALUES ('one')"))
    with closing(sqlite3.connect(file)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    damage = bytearray(file.read_bytes())
    damage[4096:] = b"\xff" * (len(damage) - 4096)
    file.write_bytes(damage)
    with pytest.raises(sqlite3.DatabaseError):
        await database.run(words)
    await database.close()
    # As a file too large to be read through at the start: nothing but the memory of it is left.
    file.unlink()
    await again(file, whole := Database(file, MIGRATIONS))
    await whole.close()


async def again(file: Path, database: Database) -> None:
    aside = await database.open(NOW)
    assert aside is not None
    assert await database.run(words) == []
    assert not file.with_name(f"{file.name}.damaged").exists()
