"""`hive backup`: the whole hive into one file, while it runs or not."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final

from hivecommon.environment import HiveEnvironment
from hivecommon.errors import HiveError, Unavailable

from hivectl.backup.archive import FORMAT, Description, Writer, writing
from hivectl.backup.frozen_bus import find_server, frozen
from hivectl.backup.snapshot import Snapshot, take
from hivectl.backup.walking import Found, walk
from hivectl.supervisor.record import RecordFile, only_one

# What says how a hive runs at the moment, and is made anew by the next start.
_OF_THE_MOMENT: Final = {"up.json", "up.lock", "up.log", "lifecycle.lock", "local"}
_SHARED_MEMORY: Final = ".sqlite-shm"


@dataclass
class Saved:
    """What a backup came to."""

    running: bool
    files: int = 0
    bytes: int = 0
    """Before they are compressed."""
    still_ms: float = 0
    """How long the bus was held still."""
    left_out: list[str] = field(default_factory=list)
    """What no archive can hold: sockets, pipes."""
    unread: list[str] = field(default_factory=list)
    """What should be in it and could not be read."""


def save(
    environment: HiveEnvironment, to: BinaryIO, scratch: Path, now: datetime, version: str
) -> Saved:
    """Write a backup of the hive to `to`; copies lie in `scratch` meanwhile.

    Raises `no_hive` where there is none, `unavailable` while its bus is being started.
    """
    home = environment.home
    if not home.root.is_dir() or not home.bus.is_dir():
        raise HiveError(
            f"there is no hive in {home.root}", code="no_hive",
            hint="HIVE_HOME says which hive is meant",
        )  # fmt: skip
    server = find_server(home)
    saved = Saved(running=server is not None)
    with tempfile.TemporaryDirectory(prefix=".hyperhive-backup-", dir=scratch) as directory:
        copying = _timed(environment, Path(directory), saved)
        if server is not None:
            with frozen(server):
                snapshot = copying()
        else:
            snapshot = _at_rest(environment, copying)
        with writing(to) as writer:
            writer.describe(_describe(environment, saved, now, version))
            _write(writer, environment, snapshot, saved)
            saved.files, saved.bytes = writer.files, writer.bytes
    return saved


def _timed(environment: HiveEnvironment, directory: Path, saved: Saved) -> Callable[[], Snapshot]:
    def copying() -> Snapshot:
        began = time.monotonic()
        snapshot = take(environment.home, directory, saved.unread.append)
        saved.still_ms = (time.monotonic() - began) * 1000
        return snapshot

    return copying


def _at_rest(environment: HiveEnvironment, copying: Callable[[], Snapshot]) -> Snapshot:
    """Copy what does not run, and keep a `hive up` from starting it meanwhile."""
    try:
        with only_one(environment.home, RecordFile(environment.home)):
            return copying()
    except HiveError as error:
        if error.code != "already_up":
            raise
        raise Unavailable(
            "the hive is up, but its bus is not", hint="it is being started or stopped: try again"
        ) from error


def _describe(
    environment: HiveEnvironment, saved: Saved, now: datetime, version: str
) -> Description:
    return Description(
        format=FORMAT, version=version, created_at=now, home=str(environment.home.root),
        runtime=environment.runtime, running=saved.running,
        agents=sorted(file.name for file in environment.home.agents.glob("*")),
    )  # fmt: skip


def _write(writer: Writer, environment: HiveEnvironment, snapshot: Snapshot, saved: Saved) -> None:
    for found in walk(environment.home.root, unread=saved.unread.append):
        top = found.path.partition("/")[0]
        if top in _OF_THE_MOMENT or found.path.endswith(_SHARED_MEMORY):
            continue
        if found.path not in snapshot.covered and found.path not in snapshot.status:
            _put(writer, found, saved)
    for path, status in snapshot.status.items():
        copy = snapshot.directory / path
        if copy.is_dir():
            writer.directory(path, status)
        else:
            with copy.open("rb") as content:
                writer.file(path, status, content)


def _put(writer: Writer, found: Found, saved: Saved) -> None:
    """Write one thing; what vanished meanwhile is not missed."""
    if found.is_directory:
        writer.directory(found.path, found.status)
        return
    if not (found.is_link or found.is_file):
        saved.left_out.append(found.path)
        return
    try:
        content = found.open() if found.is_file else None
        target = found.target() if content is None else ""
    except FileNotFoundError:
        return
    except OSError as error:
        saved.unread.append(f"{found.path}: {error.strerror or error}")
        return
    if content is None:
        writer.link(found.path, found.status, target)
        return
    with content:
        writer.file(found.path, found.status, content)
