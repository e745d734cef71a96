"""Secrets in files: the administrator's, and those in directories that an agent may write.

An agent can put anything under the names used here: links to files of the host, pipes that never
end. Nothing is followed, waited for, or read beyond a small bound.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path

from hivecommon.errors import HiveError

TOKEN = "forge-token"  # noqa: S105 - a file's name
ABOUT = "forge.json"
MAX_BYTES = 4096


def read_admin_token(file: Path | None) -> str:
    """Return the administrator's token; raise `forge_refused` saying what is wrong with its file."""
    if file is None:
        raise _no_token("HIVE_FORGE_TOKEN_FILE is not set")
    try:
        found = file.stat()
        raw = file.read_bytes()[:MAX_BYTES]
    except OSError as error:
        raise _no_token(f"{file}: {error.strerror}") from None
    if found.st_mode & stat.S_IRWXO:
        raise _no_token(f"{file} can be read by everybody")
    token = raw.decode("ascii", "replace").strip()
    if not token.isalnum():
        raise _no_token(f"{file} holds no token")
    return token


def _no_token(why: str) -> HiveError:
    return HiveError(
        f"no administrator's token: {why}",
        code="forge_refused",
        hint="put a token of an administrator into a file with mode 0600 and name it in"
        " HIVE_FORGE_TOKEN_FILE",
    )


def read_inside(directory: Path, name: str) -> bytes | None:
    """Return a small regular file of an agent's directory; None for anything else."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        descriptor = os.open(name, flags, dir_fd=folder)
    except OSError:
        return None
    finally:
        os.close(folder)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        content = os.read(descriptor, MAX_BYTES + 1)
    finally:
        os.close(descriptor)
    return content if len(content) <= MAX_BYTES else None


def write_inside(directory: Path, name: str, content: bytes, *, mode: int) -> None:
    """Put a file into an agent's directory by rename, owned like the directory, never through a link."""
    folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    temporary = f".{name}.{os.getpid()}.{os.urandom(4).hex()}.tmp"
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(temporary, flags, mode, dir_fd=folder)
        with os.fdopen(descriptor, "wb") as stream:
            os.fchmod(stream.fileno(), mode)
            if os.geteuid() == 0:
                owner = os.fstat(folder)
                os.fchown(stream.fileno(), owner.st_uid, owner.st_gid)
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        os.fsync(folder)
    except OSError as error:
        raise HiveError(
            f"cannot write {directory / name}: {error.strerror}",
            code="state_unwritable",
            hint="a directory of that name is in the way, or the disk is full",
        ) from error
    finally:
        _discard(temporary, folder)
        os.close(folder)


def _discard(name: str, folder: int) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return


def sweep(directory: Path) -> int:
    """Remove what a kill in the middle of `write_inside` left: it may hold a token."""
    removed = 0
    for name in (TOKEN, ABOUT):
        for left in directory.glob(f".{name}.*.tmp"):
            with suppress(OSError):  # a directory of that name is the agent's own doing
                left.unlink()
                removed += 1
    return removed
