"""Reading a directory that an agent may write to: nothing is followed, nothing is waited for."""

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True)
class Found:
    """A directory, file or symbolic link, as long as the walk stands there."""

    path: str
    """Relative to where the walk began."""
    status: os.stat_result
    folder: int
    """An open descriptor of the directory that holds it."""

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file."""
        return stat.S_ISREG(self.status.st_mode)

    @property
    def is_directory(self) -> bool:
        """Whether it is a directory."""
        return stat.S_ISDIR(self.status.st_mode)

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link."""
        return stat.S_ISLNK(self.status.st_mode)

    def target(self) -> str:
        """Return where the symbolic link points; raise `OSError`."""
        return os.readlink(self.name, dir_fd=self.folder)

    def open(self) -> BinaryIO:
        """Open the file for reading; raise `OSError`, also when it is no regular file any more."""
        return open_file(self.name, self.folder)


def open_file(name: str, folder: int) -> BinaryIO:
    """Open the regular file `name` of an open directory; raise `OSError` when it is anything else."""
    descriptor = os.open(name, _READ, dir_fd=folder)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{name} is no regular file")
    return os.fdopen(descriptor, "rb")


def walk(root: Path, *, unread: Callable[[str], None]) -> Iterator[Found]:
    """Yield all below `root`, a directory ahead of what it holds.

    What cannot be read is told to `unread`; what vanishes meanwhile is not.
    """

    def failed(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            unread(
                f"{os.path.relpath(os.fsdecode(error.filename or b'?'), root)}: {error.strerror}"
            )

    for where, directories, files, folder in os.fwalk(root, onerror=failed):
        below = os.path.relpath(where, root)
        directories.sort()
        for name in sorted([*directories, *files]):
            try:
                status = os.stat(name, dir_fd=folder, follow_symlinks=False)
            except FileNotFoundError:
                continue
            yield Found(name if below == "." else f"{below}/{name}", status, folder)
