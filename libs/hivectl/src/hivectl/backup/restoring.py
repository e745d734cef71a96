"""`hive restore`: a hive out of a backup, whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from hivecommon.environment import HiveEnvironment
from hivecommon.errors import HiveError
from hivecommon.home import HiveHome

from hivectl.backup.archive import Description, Member, reading
from hivectl.backup.frozen_bus import find_server
from hivectl.supervisor.record import RecordFile


def check(stream: BinaryIO) -> tuple[Description, int]:
    """Read a backup to its end; return what it is of and how many files are in it."""
    with reading(stream) as reader:
        files = sum(1 for member in reader.members() if member.content is not None)
        return reader.description, files


def restore(environment: HiveEnvironment, stream: BinaryIO) -> tuple[Description, int]:
    """Make the hive that `stream` is a backup of; return what it is of and how many files came.

    Raises `refused` when there is a hive already, `bad_backup` and then leaves nothing behind.
    """
    home = environment.home
    see_that_it_is_empty(home)
    files = 0
    with _beside(home.root) as directory, reading(stream) as reader:
        later: list[tuple[Path, Member]] = []
        for member in reader.members():
            place = directory / member.path
            _make(place, member)
            files += member.content is not None
            later.append((place, member))
        for place, member in reversed(later):
            _own(place, member)
        os.sync()
        _move(directory, home.root)
    return reader.description, files


def see_that_it_is_empty(home: HiveHome) -> None:
    """Raise `refused` when a hive is there, with what to do about it."""
    record = RecordFile(home).read()
    if (record is not None and record.supervisor.alive) or find_server(home) is not None:
        raise HiveError(
            f"the hive in {home.root} is running", code="refused",
            hint="`hive down` stops it; restore into an empty HIVE_HOME",
        )  # fmt: skip
    try:
        empty = not any(home.root.iterdir())
    except FileNotFoundError:
        return
    except NotADirectoryError:
        empty = False
    if not empty:
        raise HiveError(
            f"{home.root} is not empty", code="refused",
            hint="move it out of the way first, or set HIVE_HOME to another directory",
        )  # fmt: skip


@contextmanager
def _beside(root: Path) -> Iterator[Path]:
    """Make a directory that can become `root`; remove it unless it did."""
    root.parent.mkdir(parents=True, exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix=f".{root.name}.restoring-", dir=root.parent))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _make(place: Path, member: Member) -> None:
    if member.content is not None:
        with place.open("xb") as file:
            os.fchmod(file.fileno(), 0o600)
            shutil.copyfileobj(member.content, file, 1 << 20)
    elif member.info.isdir():
        place.mkdir(mode=0o700)
    else:
        place.symlink_to(member.info.linkname)


def _own(place: Path, member: Member) -> None:
    """Give it its owner, mode and time; an ordinary user owns everything."""
    info = member.info
    if os.getuid() == 0:
        os.chown(place, info.uid, info.gid, follow_symlinks=False)
    if not info.issym():
        place.chmod(info.mode & 0o777)
    os.utime(place, (info.mtime, info.mtime), follow_symlinks=False)


def _move(directory: Path, root: Path) -> None:
    try:
        directory.replace(root)  # rename(2) takes the place of an empty directory
    except OSError as error:
        raise HiveError(
            f"cannot put the restored hive to {root}: {error.strerror}", code="refused",
            hint="it must be empty and no mount point: restore to a directory below the mount point",
        ) from error  # fmt: skip
