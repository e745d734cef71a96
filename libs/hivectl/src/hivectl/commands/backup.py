"""`hive backup` and `hive restore`: a whole hive as one file, and back."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO, Final

import click
from hivecommon.errors import HiveError

from hivectl.backup import restoring
from hivectl.backup.archive import Description, default_name
from hivectl.backup.saving import Saved, save
from hivectl.cli import hive_command
from hivectl.shell import Shell
from hivectl.times import date_and_time

STREAM: Final = "-"
_SHOWN: Final = 20
_MIB: Final = 1 << 20


@hive_command(
    "backup",
    ("hive backup", "to ./hyperhive-<time>.tar.gz, while the hive runs or not"),
    ("hive backup /backups", "to a file of that name in /backups"),
    ("hive backup - | ssh host 'cat > b.tar.gz'", "to another machine"),
)
@click.argument("to", default=".", metavar="[FILE]")
def backup(shell: Shell, *, to: str) -> None:
    """Write the whole hive to FILE: messages, logins, notes, approvals, configs, keys.

    The bus is held still while what belongs together is copied, mostly for less than a second.
    Whoever has the file has the hive's keys and the agents' logins.
    """
    if to == STREAM:
        if sys.stdout.isatty() or shell.terminal.as_json:
            raise HiveError(
                "a backup cannot be shown here", code="bad_argument",
                hint="send it on with `hive backup - | …`, or name a file",
            )  # fmt: skip
        scratch = Path(tempfile.gettempdir())
        with _disk_errors("write the backup"), _stdout() as stream:
            saved = _save(shell, stream, scratch)
        _note(shell, saved, "")
        _complete(saved)
        return
    file = Path(to).absolute()
    if file.is_dir():
        file /= default_name(shell.now())
    home = shell.environment.home.root
    if home.resolve() in file.resolve().parents:
        raise HiveError(
            f"{file} lies in the hive itself", code="bad_argument", hint="name another place"
        )
    with _new(file) as stream, _disk_errors("write the backup"):
        saved = _save(shell, stream, file.parent)
    if shell.terminal.as_json:
        shell.terminal.json({"ok": not saved.unread, "file": str(file), "saved": saved})
    else:
        shell.terminal.line(str(file))
        _note(shell, saved, f", {file.stat().st_size / _MIB:.1f} MiB compressed")
    _complete(saved)


def _save(shell: Shell, stream: BinaryIO, scratch: Path) -> Saved:
    saved = save(shell.environment, stream, scratch, shell.now(), version("hivectl"))
    stream.flush()
    return saved


def _stdout() -> BinaryIO:
    """Return a stream of our own to standard output, so that what it cannot take is not tried again."""
    return os.fdopen(os.dup(sys.stdout.fileno()), "wb")


@contextmanager
def _disk_errors(doing: str) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise HiveError(
            f"cannot {doing}: {error.filename or ''} {error.strerror or error}".replace("  ", " "),
            code="disk", hint="is the disk full, or the place not yours? nothing was left behind",
        ) from error  # fmt: skip


def _complete(saved: Saved) -> None:
    """Raise `incomplete` when something is missing that should be there."""
    if saved.unread:
        raise HiveError(
            f"{len(saved.unread)} files could not be read and are missing in the backup",
            code="incomplete",
            hint="see above; mind who may read them, and try again",
        )


def _note(shell: Shell, saved: Saved, more: str) -> None:
    how = f"the bus stood still for {saved.still_ms:.0f} ms" if saved.running else "at rest"
    shell.terminal.note(f"{saved.files} files, {saved.bytes / _MIB:.1f} MiB{more}; {how}")
    for reason in saved.unread[:_SHOWN]:
        shell.terminal.note(f"cannot be read: {reason}")
    if len(saved.unread) > _SHOWN:
        shell.terminal.note(f"cannot be read: {len(saved.unread) - _SHOWN} more, see --json")
    if saved.left_out:
        shell.terminal.note(f"left out: {len(saved.left_out)} sockets and the like, see --json")


@contextmanager
def _new(file: Path) -> Iterator[BinaryIO]:
    """Write a file that nobody but us can read, and that appears only when it is whole."""
    if file.exists():
        raise HiveError(f"{file} exists", code="refused", hint="remove it, or name another file")
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise HiveError(
            f"cannot write to {file.parent}: {error.strerror}", code="bad_argument",
            hint="name a directory that exists and is yours",
        ) from error  # fmt: skip
    try:
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        part.rename(file)
    finally:
        part.unlink(missing_ok=True)


@hive_command(
    "restore",
    ("hive restore hyperhive-20261126T213100Z.tar.gz", "then `hive up`"),
    ("HIVE_HOME=/srv/hive hive restore FILE", "to another place"),
    ("hive restore --check FILE", "is it whole? nothing is written"),
)
@click.argument("source", metavar="FILE")
@click.option("--check", is_flag=True, help="Read the file to its end and say what it holds.")
def restore(shell: Shell, *, source: str, check: bool) -> None:
    """Make a hive out of a backup, in a HIVE_HOME that is empty or not there yet.

    The hive that the backup is of must not run at the same time: the agents' logins are the same,
    and whichever renews one first logs the other out.
    """
    with _opened(source) as stream:
        if check:
            description, files = restoring.check(stream)
        else:
            with _disk_errors("restore"):
                description, files = restoring.restore(shell.environment, stream)
    home = str(shell.environment.home.root)
    if shell.terminal.as_json:
        told = {"ok": True, "backup": description, "files": files}
        shell.terminal.json(told if check else {**told, "home": home})
        return
    shell.terminal.line(_words(description, files))
    if not check:
        shell.terminal.line(f"restored to {home}")
        shell.terminal.note("next: hive up")


def _words(description: Description, files: int) -> str:
    agents = ", ".join(description.agents) or "no agents"
    when = date_and_time(description.created_at)
    return f"backup of {description.home} from {when}: {agents}; {files} files"


@contextmanager
def _opened(source: str) -> Iterator[BinaryIO]:
    if source == STREAM:
        yield sys.stdin.buffer
        return
    try:
        stream = Path(source).open("rb")  # noqa: SIM115 - closed below; only the opening is translated
    except OSError as error:
        raise HiveError(
            f"cannot read {source}: {error.strerror}", code="bad_argument", hint="name a backup"
        ) from error
    with stream:
        yield stream
