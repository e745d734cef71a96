"""The file: durable, private, refused when it is not ours, never in the event loop's way."""

import asyncio
import sqlite3
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hive_approvals.database import Database
from hivecommon.command import run
from hivecommon.errors import HiveError
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "approvals.sqlite"


@pytest.fixture
async def database(file: Path) -> AsyncIterator[Database]:
    opened = await Database.open(file)
    yield opened
    await opened.close()


def put(connection: Connection, subject: str = "a") -> None:
    connection.execute(
        text("INSERT INTO outbox (subject, message_id, payload) VALUES (:s, 'm', x'00')"),
        {"s": subject},
    )


def how_many(connection: Connection) -> int:
    return int(connection.execute(text("SELECT count(*) FROM outbox")).scalar_one())


@pytest.mark.parametrize(
    ("pragma", "value"),
    [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("busy_timeout", 5000)],
)
async def test_the_settings_that_make_it_durable_are_in_effect(
    database: Database, pragma: str, value: object
) -> None:
    found = await database.read(lambda c: c.execute(text(f"PRAGMA {pragma}")).scalar())
    assert found == value


async def test_nobody_else_may_read_it(database: Database, file: Path) -> None:
    await database.write(put)
    modes = {found.name: found.stat().st_mode & 0o777 for found in file.parent.iterdir()}
    assert modes == dict.fromkeys(
        ["approvals.sqlite", "approvals.sqlite-wal", "approvals.sqlite-shm"], 0o600
    )


async def test_work_that_raises_leaves_nothing_behind(database: Database) -> None:
    def fails(connection: Connection) -> None:
        put(connection)
        put(connection)

    with pytest.raises(IntegrityError):
        await database.write(fails)
    assert await database.read(how_many) == 0


async def test_the_event_loop_goes_on_while_the_disk_works(database: Database) -> None:
    the_disk_works, loop_was_here = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def slow(_connection: Connection) -> bool:
        loop.call_soon_threadsafe(the_disk_works.set)
        return loop_was_here.wait(10)

    async with asyncio.TaskGroup() as group:
        work = group.create_task(database.read(slow))
        await the_disk_works.wait()
        loop_was_here.set()
    assert work.result()


async def test_a_lock_of_another_process_is_waited_for(database: Database, file: Path) -> None:
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    async with asyncio.TaskGroup() as group:
        writing = group.create_task(database.write(put))
        done, _ = await asyncio.wait([writing], timeout=0.2)
        assert not done
        other.execute("COMMIT")
    other.close()
    assert await database.read(how_many) == 1


LETTER = b"this is somebody's letter\n" * 100


@pytest.fixture
def letter(file: Path) -> Iterator[Path]:
    """A file that is no database, and is to be the same afterwards."""
    file.write_bytes(LETTER)
    yield file
    assert file.read_bytes() == LETTER


async def test_a_file_that_is_no_database_is_left_alone_and_named(letter: Path) -> None:
    with pytest.raises(HiveError, match=r"approvals\.sqlite cannot be used: file is no") as caught:
        await Database.open(letter)
    assert caught.value.code == "bad_database"
    assert caught.value.hint


async def test_a_directory_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(HiveError, match="No such file") as caught:
        await Database.open(tmp_path / "nowhere" / "approvals.sqlite")
    assert caught.value.code == "bad_database"


async def test_a_database_of_a_newer_version_is_refused_and_left_alone(file: Path) -> None:
    await (await Database.open(file)).close()
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(HiveError, match="9999") as caught:
        await Database.open(file)
    assert caught.value.code == "newer_database"


async def test_alembic_is_not_imported_for_a_fresh_or_a_current_database(file: Path) -> None:
    program = (
        "import asyncio, pathlib, sys; from hive_approvals.__main__ import Database;"
        f"asyncio.run(Database.open(pathlib.Path({str(file)!r})));"
        "sys.exit('alembic' in sys.modules or 'sqlalchemy.orm' in sys.modules)"
    )
    for _ in ("fresh", "current"):
        (await run([sys.executable, "-c", program], timeout_s=30)).check()
