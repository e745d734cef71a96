"""The file that a backup is: a compressed tar with a description as its first member."""

import gzip
import io
import os
import stat
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import BinaryIO, Final

import msgspec
from hivecommon.errors import HiveError

DESCRIPTION: Final = "hyperhive-backup.json"
FORMAT: Final = 1
_FAST: Final = 1
"""gzip's level: the next ones take twice as long for a tenth less."""
_IN_MEMORY_BYTES: Final = 8 << 20
_DESCRIPTION_BYTES: Final = 1 << 20


class Description(msgspec.Struct, kw_only=True):
    """What a backup is of."""

    format: int
    version: str
    created_at: datetime
    home: str
    runtime: str
    running: bool
    """Whether the hive ran meanwhile."""
    agents: list[str]


def bad_backup(reason: str) -> HiveError:
    """Return the error for a file that is no backup, or a damaged one."""
    return HiveError(
        f"this is no whole backup: {reason}", code="bad_backup",
        hint="`hive backup` writes them; `hive restore --check FILE` looks at one",
    )  # fmt: skip


class Writer:
    """Puts one thing after the other into a backup."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._directories = {""}
        self.files = 0
        self.bytes = 0

    def describe(self, description: Description) -> None:
        """Write what the backup is of; comes first."""
        content = msgspec.json.encode(description)
        info = tarfile.TarInfo(DESCRIPTION)
        info.size, info.mode = len(content), 0o600
        info.mtime = int(description.created_at.timestamp())
        self._tar.addfile(info, io.BytesIO(content))

    def directory(self, path: str, status: os.stat_result) -> None:
        """Write a directory; what it holds comes later."""
        self._way_to(path, status)
        self._tar.addfile(_info(path, status, tarfile.DIRTYPE))
        self._directories.add(path)

    def link(self, path: str, status: os.stat_result, target: str) -> None:
        """Write a symbolic link as it is."""
        self._way_to(path, status)
        info = _info(path, status, tarfile.SYMTYPE)
        info.linkname = target
        self._tar.addfile(info)

    def file(self, path: str, status: os.stat_result, content: BinaryIO) -> None:
        """Write a file as long as it is now; what is appended meanwhile is not in it."""
        self._way_to(path, status)
        left = os.fstat(content.fileno()).st_size
        with tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES) as copy:
            while left > 0 and (part := content.read(min(left, 1 << 20))):
                copy.write(part)
                left -= len(part)
            info = _info(path, status, tarfile.REGTYPE)
            info.size = copy.tell()
            copy.seek(0)
            self._tar.addfile(info, copy)
        self.files += 1
        self.bytes += info.size

    def _way_to(self, path: str, status: os.stat_result) -> None:
        """Write the directories above `path` that are not there: they went while we copied."""
        above = path.rpartition("/")[0]
        if above in self._directories:
            return
        self._way_to(above, status)
        info = _info(above, status, tarfile.DIRTYPE)
        info.mode = 0o700
        self._tar.addfile(info)
        self._directories.add(above)


def _info(path: str, status: os.stat_result, kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(path)
    info.type = kind
    # A set-uid bit is of no use to notes, and whoever unpacks as root should not meet one.
    info.mode = stat.S_IMODE(status.st_mode) & 0o777
    info.uid, info.gid = status.st_uid, status.st_gid
    info.mtime = status.st_mtime
    return info


@contextmanager
def writing(stream: BinaryIO) -> Iterator[Writer]:
    """Write a backup to `stream`."""
    with (
        gzip.GzipFile(fileobj=stream, mode="wb", compresslevel=_FAST) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        yield Writer(tar)


@dataclass(frozen=True)
class Member:
    """One thing in a backup."""

    path: PurePosixPath
    info: tarfile.TarInfo
    content: BinaryIO | None
    """A file's, as long as the next member is not asked for."""


class Reader:
    """Takes one thing after the other out of a backup."""

    def __init__(self, tar: tarfile.TarFile, packed: BinaryIO) -> None:
        self._tar = tar
        self._packed = packed
        self.description = self._describe()

    def _describe(self) -> Description:
        first = self._tar.next()
        content = self._tar.extractfile(first) if first and first.name == DESCRIPTION else None
        if content is None:
            raise bad_backup(f"it does not begin with {DESCRIPTION}")
        try:
            found = msgspec.json.decode(content.read(_DESCRIPTION_BYTES), type=Description)
        except msgspec.MsgspecError as error:
            raise bad_backup(f"{DESCRIPTION}: {error}") from error
        if found.format != FORMAT:
            raise HiveError(
                f"this backup has format {found.format}, written by version {found.version}",
                code="bad_backup", hint="restore it with that version of hyperhive",
            )  # fmt: skip
        return found

    def members(self) -> Iterator[Member]:
        """Yield all that it holds, a directory ahead of what is in it; raise `bad_backup`.

        No path leads out of the directory that it will be unpacked to, none comes twice, and none
        leads through a link.
        """
        directories = {PurePosixPath(".")}
        seen: set[PurePosixPath] = set()
        while info := self._tar.next():
            path = PurePosixPath(info.name)
            if path.is_absolute() or ".." in path.parts or not path.parts or path in seen:
                raise bad_backup(f"{info.name!r} is no path inside of a hive, or is there twice")
            if path.parent not in directories:
                raise bad_backup(f"{info.name!r} stands in no directory of the backup")
            if not (info.isreg() or info.isdir() or info.issym()):
                raise bad_backup(f"{info.name!r} is neither file, directory nor symbolic link")
            seen.add(path)
            if info.isdir():
                directories.add(path)
            yield Member(path, info, self._tar.extractfile(info) if info.isreg() else None)  # type: ignore[arg-type]
        while self._packed.read(1 << 20):
            pass  # to the end, where the checksum is


@contextmanager
def reading(stream: BinaryIO) -> Iterator[Reader]:
    """Read a backup from `stream`; raise `bad_backup`."""
    try:
        with (
            gzip.GzipFile(fileobj=stream, mode="rb") as packed,
            tarfile.open(fileobj=packed, mode="r|") as tar,
        ):
            yield Reader(tar, packed)  # type: ignore[arg-type]
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise bad_backup(str(error) or "it is cut off") from error


def default_name(now: datetime) -> str:
    """Return what a backup of `now` is called where nobody says otherwise."""
    return f"hyperhive-{now:%Y%m%dT%H%M%SZ}.tar.gz"
