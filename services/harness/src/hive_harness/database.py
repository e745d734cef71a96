"""One sqlite file, used from a thread of its own, so that the loop never waits for the disk."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

import structlog

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

_BUSY_S: Final = 5.0
# Reading all of a larger file would delay the start by seconds; what is broken in it shows later.
_CHECKED_BYTES: Final = 64 << 20

_log = structlog.get_logger()


class Database:
    """A file with its schema; every call is one transaction that is on disk when it returns."""

    def __init__(self, file: Path, migrations: Sequence[str]) -> None:
        self.file = file
        self._migrations = migrations
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"sqlite-{file.stem}")
        self._connection: sqlite3.Connection | None = None
        # Left for the next start: damage may stand where opening the file does not look.
        self._damaged = file.with_name(f"{file.name}.damaged")

    async def open(self, now: datetime) -> Path | None:
        """Open the file and bring its schema up to date.

        A file that is no database, or a damaged one, is set aside, a new one is begun, and the
        path of the old one returned.
        """
        return await self._in_thread(lambda: self._open_or_begin_anew(now))

    async def begin_anew(self, now: datetime) -> Path:
        """Set the file aside, which proved to be damaged, and begin a new one."""
        return await self._in_thread(lambda: self._set_aside_and_open(now))

    async def run(self, work: Work[T]) -> T:
        """Do `work` in one transaction; whatever sqlite raises is passed on, nothing is kept then."""
        return await self._in_thread(lambda: self._transact(work))

    async def close(self) -> None:
        """Close the file after all work that was asked for."""
        await self._in_thread(self._disconnect)
        self._thread.shutdown(wait=False)

    async def _in_thread(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    def _transact(self, work: Work[T]) -> T:
        connection = self._connection
        if connection is None:
            raise RuntimeError("open() comes first")
        connection.execute("BEGIN IMMEDIATE")
        try:
            result = work(connection)
            connection.execute("COMMIT")
        except BaseException as error:
            if isinstance(error, sqlite3.DatabaseError) and is_damage(error):
                self._damaged.touch()
            if connection.in_transaction:
                with suppress(sqlite3.Error):  # the first error tells more
                    connection.execute("ROLLBACK")
            raise
        return result

    def _open_or_begin_anew(self, now: datetime) -> Path | None:
        try:
            if not self._damaged.exists():
                self._connect()
                return None
            _log.error("database_damaged", file=str(self.file))
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            _log.exception("database_damaged", file=str(self.file))
        return self._set_aside_and_open(now)

    def _set_aside_and_open(self, now: datetime) -> Path:
        self._disconnect()
        aside = self.file.with_name(f"{self.file.name}.damaged-{now:%Y%m%dT%H%M%S.%f}")
        if self.file.exists():
            self.file.rename(aside)
        self._damaged.unlink(missing_ok=True)
        for suffix in ("-wal", "-shm"):
            companion = self.file.with_name(self.file.name + suffix)
            if companion.exists():
                companion.rename(aside.with_name(aside.name + suffix))
        self._connect()
        return aside

    def _connect(self) -> None:
        self._connection = connection = sqlite3.connect(
            self.file, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        if self.file.stat().st_size <= _CHECKED_BYTES:
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                raise sqlite3.DatabaseError(f"database disk image is malformed: {verdict}")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        for number, script in enumerate(self._migrations[version:], start=version + 1):
            connection.executescript(f"BEGIN; {script}; PRAGMA user_version = {number}; COMMIT;")

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def is_damage(error: sqlite3.DatabaseError) -> bool:
    """Return whether `error` says that the file itself is broken, not that it is locked or full."""
    return error.sqlite_errorname in {"SQLITE_CORRUPT", "SQLITE_NOTADB"} if hasattr(
        error, "sqlite_errorname"
    ) else "malformed" in str(error)  # fmt: skip
