"""Copies of sqlite databases that are being written to.

Our own are copied by sqlite itself. Those in an agent's directory are not opened: sqlite would
believe a journal beside them, which the agent can write, and play it back or delete what it names.
"""

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from hivecommon.errors import HiveError

from hivectl.backup.walking import open_file

WAL: Final = "-wal"
TRIES: Final = 20
_WAL_HEADER_BYTES: Final = 32  # https://www.sqlite.org/fileformat2.html#walformat


def copy_own(database: Path, to: Path) -> None:
    """Copy a database of ours as of one moment, also while its service writes to it."""
    try:
        with (
            closing(sqlite3.connect(f"{database.as_uri()}?mode=rw", uri=True)) as source,
            closing(sqlite3.connect(to)) as target,
        ):
            source.backup(target)
    except sqlite3.Error as error:
        raise HiveError(
            f"{database} cannot be copied: {error}", code="bad_database",
            hint="is the disk full, or the file damaged? `hive doctor` looks at the disk",
        ) from error  # fmt: skip


def copy_agents(name: str, folder: int, to: Path) -> list[str]:
    """Copy an agent's database and its write-ahead log beside it; return the names that were copied.

    The log holds every page that was written since it began, so the file and the log, copied in
    this order, make a whole database as long as the log did not begin anew meanwhile. Raises
    `busy_database` when it did so each time, `OSError` when they cannot be read.
    """
    for _ in range(TRIES):
        before = _mark(name, folder)
        copied = [name for name in (name, name + WAL) if _copy(name, folder, to.parent)]
        if _mark(name, folder) == before:
            return copied
    raise HiveError(f"{name} changes faster than it can be copied", code="busy_database")


def _mark(name: str, folder: int) -> tuple[bytes, tuple[int, int]]:
    """Return what differs once the log began anew; without a log, once the file was written to."""
    try:
        with open_file(name + WAL, folder) as log:
            header = log.read(_WAL_HEADER_BYTES)
    except FileNotFoundError:
        header = b""
    if header:
        return header, (0, 0)
    with open_file(name, folder) as file:
        status = os.fstat(file.fileno())
    return b"", (status.st_size, status.st_mtime_ns)


def _copy(name: str, folder: int, directory: Path) -> bool:
    target = directory / name
    target.unlink(missing_ok=True)
    try:
        with open_file(name, folder) as source, target.open("xb") as copy:
            shutil.copyfileobj(source, copy, 1 << 20)
    except FileNotFoundError:
        return False
    return True
