"""approvals.sqlite: opened durably, brought to the current schema, used from one thread of its own."""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from hivecommon.errors import HiveError
from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DatabaseError, IntegrityError

from hive_approvals.tables import TRIGGERS, metadata

T = TypeVar("T")
Work = Callable[[Connection], T]

HEAD: Final = "0004"
"""The newest revision in `migrations/`; alembic (0.2 s, 14 MB) is imported only for an older one."""

# As alembic's own (alembic/runtime/migration.py, `MigrationContext._version`).
_VERSIONS: Final = (
    "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL,"
    " CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
)
_BEGIN: Final = "begin"
# Another process (a backup, `sqlite3` by hand) may hold the lock this long.
_BUSY_MS: Final = 5000
_PRAGMAS: Final = (
    "PRAGMA journal_mode=WAL",
    # What was answered survives a power cut, not only a kill (sqlite.org/pragma.html).
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA trusted_schema=OFF",
)


def make_engine(file: Path) -> Engine:
    """Return an engine for `file` with the pragmas set and SQLAlchemy in charge of transactions."""
    engine = create_engine(
        URL.create("sqlite", database=str(file)), connect_args={"timeout": _BUSY_MS / 1000}
    )
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin)
    return engine


def _configure(connection: sqlite3.Connection, _record: object) -> None:
    # The driver would begin transactions late and leave DDL outside of them
    # (docs.sqlalchemy.org, "Serializable isolation / Savepoints / Transactional DDL").
    connection.isolation_level = None
    for pragma in _PRAGMAS:
        connection.execute(pragma)


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get(_BEGIN, "BEGIN"))


class Database:
    """One connection in one thread: the event loop never waits for the disk, writers never meet."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sqlite")
        self._engine = make_engine(file)
        # Taken at once: a transaction that reads first and then writes cannot be told `locked`.
        self._writing = self._engine.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})

    @classmethod
    async def open(cls, file: Path) -> Self:
        """Open `file`, made if there is none, with the schema of this version.

        Raises `bad_database` for a file that is no usable database, `newer_database` for one that
        a newer version of this service wrote.
        """
        database = cls(file)
        try:
            await database._in_thread(database._prepare)
        except BaseException:
            await database.close()
            raise
        return database

    async def read(self, work: Work[T]) -> T:
        """Return what `work` finds in one consistent view."""
        return await self._in_thread(partial(_within, self._engine, work))

    async def write(self, work: Work[T]) -> T:
        """Return what `work` did in one transaction; on disk when this returns, undone if it raises."""
        return await self._in_thread(partial(_within, self._writing, work))

    async def close(self) -> None:
        """Finish the work at hand and close the file."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._engine.dispose)
        self._thread.shutdown()

    async def _in_thread(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except IntegrityError:
            raise
        except DatabaseError as error:
            raise HiveError(
                f"{self._file} cannot be used: {error.orig}",
                code="bad_database",
                hint="is the disk full, the file whole (`PRAGMA integrity_check`) and ours?",
            ) from error

    def _prepare(self) -> None:
        try:
            # Who asked for what is nobody else's business; WAL and shm files follow its mode.
            self._file.touch(mode=0o600)
        except OSError as error:
            raise HiveError(
                f"cannot make {self._file}: {error.strerror}",
                code="bad_database",
                hint="HIVE_HOME must be a directory of the user that runs the hive",
            ) from error
        with self._engine.connect() as connection:
            revision = current_revision(connection)
        if revision is None:
            _within(self._writing, _create)
        elif revision != HEAD:
            from hive_approvals.migrate import upgrade  # noqa: PLC0415 - see HEAD

            upgrade(self._writing)


def current_revision(connection: Connection) -> str | None:
    """Return the revision of the schema, None for an empty database."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: Any = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return revision and str(revision)


def _create(connection: Connection) -> None:
    """Make the tables as they are now, and let alembic know."""
    metadata.create_all(connection)
    for statement in (*TRIGGERS, _VERSIONS):
        connection.execute(text(statement))
    connection.execute(text("INSERT INTO alembic_version VALUES (:head)"), {"head": HEAD})


def _within(engine: Engine, work: Work[T]) -> T:
    with engine.begin() as connection:
        return work(connection)
