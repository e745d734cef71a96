"""What a harness says on its standard output: kept in a bounded file, its last words for errors."""

import shutil
from pathlib import Path
from typing import Final

import msgspec
from hivecommon.home import HiveHome
from hivecommon.names import AgentName

_MAX_BYTES: Final = 5 << 20
_TAIL_BYTES: Final = 8192
_SHOWN: Final = 300
_BAD: Final = {"error", "critical"}


def harness_log(home: HiveHome, name: AgentName) -> Path:
    """Return where an agent's output goes: outside of what the agent itself sees."""
    return home.agent(name) / "harness.log"


def rotate(log: Path) -> None:
    """Move a log that has grown too large aside, over the one before; for a log nobody writes to."""
    if _too_large(log):
        log.replace(_previous(log))


def truncate_live(log: Path) -> None:
    """Do the same to a log that is being appended to: copy it aside and empty it."""
    if _too_large(log):
        shutil.copyfile(log, _previous(log), follow_symlinks=False)
        with log.open("r+b") as stream:
            stream.truncate()


def last_words(log: Path) -> str:
    """Return the last `error: …` line, else the last line; empty when nothing was said.

    Of the harness's own log records only errors count, in words: that it waited for its port, or
    that it came up, is no reason for its end.
    """
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            lines = [line for line in stream.read().decode(errors="replace").splitlines() if line]
    except OSError:
        return ""
    lines = [words for line in lines if (words := _words(line))]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    words = (errors or lines or [""])[-1].strip()
    return "".join(c if c.isprintable() else "?" for c in words)[:_SHOWN]


def _words(line: str) -> str:
    """Return what a line says of a failure: a log record's error, or a line that is no log record."""
    if not line.startswith("{"):
        return line
    try:
        record = msgspec.json.decode(line, type=_Record)
    except (msgspec.MsgspecError, UnicodeError):
        return line
    if record.level not in _BAD:
        return ""
    # A traceback's last line has the exception itself.
    detail = record.reason or record.error or record.exception.strip().rpartition("\n")[2]
    return f"{record.event}: {detail}" if detail else record.event


class _Record(msgspec.Struct):
    """What the harness logs, as far as it tells of an end."""

    event: str
    level: str
    reason: str = ""
    error: str = ""
    exception: str = ""


def _too_large(log: Path) -> bool:
    return log.is_file() and not log.is_symlink() and log.stat().st_size > _MAX_BYTES


def _previous(log: Path) -> Path:
    return log.with_name(f"{log.name}.1")
