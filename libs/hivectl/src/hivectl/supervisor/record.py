"""What a running `hive up` notes down for `hive down` and for its successor after a kill -9."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from hivecommon.errors import HiveError
from hivecommon.files import write_atomically
from hivecommon.home import HiveHome, make_private

from hivectl.supervisor.process_id import ProcessId


class Record(msgspec.Struct, kw_only=True):
    """The supervisor, its children, and what it is doing."""

    supervisor: ProcessId
    phase: str
    """`starting`, `ready`, or what is being stopped, in words."""
    children: dict[str, ProcessId] = {}


READY = "ready"


class RecordFile:
    """`$HIVE_HOME/up.json`."""

    def __init__(self, home: HiveHome) -> None:
        self._file = home.root / "up.json"

    def read(self) -> Record | None:
        """Return what is noted down; None when there is nothing, or nothing that can be read."""
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=Record)
        except (OSError, msgspec.MsgspecError):
            return None

    def write(self, record: Record) -> None:
        """Note `record` down."""
        write_atomically(self._file, msgspec.json.encode(record), mode=0o600)

    def remove(self) -> None:
        """Forget it: all is stopped."""
        self._file.unlink(missing_ok=True)


@contextmanager
def only_one(home: HiveHome, records: RecordFile) -> Iterator[None]:
    """Hold the hive's lock; raise `already_up` with the holder's pid when another `hive up` does."""
    make_private(home.root)
    file = home.root / "up.lock"
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        _lock(descriptor, file, records)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, file: Path, records: RecordFile) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        record = records.read()
        if record is None:
            said = f"a `hive up` that begins, or a backup, holds this hive: {file.parent}"
            raise HiveError(said, code="already_up", hint="try again in a moment") from error
        raise HiveError(
            f"another `hive up` runs this hive (pid {record.supervisor.pid}): {file.parent}",
            code="already_up",
            hint="`hive status` shows it, `hive down` stops it; HIVE_HOME makes a second hive",
        ) from error
