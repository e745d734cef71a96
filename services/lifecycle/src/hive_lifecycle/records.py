"""What the local runtime remembers of each agent's process, in a file that outlives lifecycle."""

from datetime import datetime
from enum import StrEnum
from pathlib import Path

import msgspec
import structlog
from hivecommon.files import write_atomically
from hivecommon.home import make_private
from hivecommon.names import AgentName

from hive_lifecycle.process import ProcessId

_log = structlog.get_logger()


class Phase(StrEnum):
    """What lifecycle last did with, or learnt of, the process."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One agent's process."""

    phase: Phase
    since: datetime
    boot_id: str
    sandboxed: bool = False
    launcher: ProcessId | None = None
    """What lifecycle started: bubblewrap, or the harness itself."""
    harness: ProcessId | None = None
    first: ProcessId | None = None
    """The first process of the sandbox's pid namespace: with it, all others go."""
    started_at: datetime | None = None
    note: str = ""
    configs: list[str] = []
    """Whose config repos its sandbox shows."""


class Records:
    """One file per agent; they lie outside of everything that agents see."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def read(self, name: AgentName) -> Record | None:
        """Return what is remembered; None when nothing is, or when the file is damaged."""
        try:
            return msgspec.json.decode(self._file(name).read_bytes(), type=Record)
        except FileNotFoundError:
            return None
        except (msgspec.ValidationError, msgspec.DecodeError):
            _log.exception("process_record_damaged", agent=name)
            return None

    def write(self, name: AgentName, record: Record) -> None:
        """Remember `record`; it is on disk when this returns."""
        make_private(self._directory)
        write_atomically(self._file(name), msgspec.json.encode(record), mode=0o600)

    def forget(self, name: AgentName) -> bool:
        """Remove what is remembered; return whether there was anything."""
        existed = self._file(name).exists()
        self._file(name).unlink(missing_ok=True)
        self.status_file(name).unlink(missing_ok=True)
        return existed

    def status_file(self, name: AgentName) -> Path:
        """Return where bubblewrap writes about its sandbox, one JSON document after another."""
        return self._directory / f"{name}.status"

    def _file(self, name: AgentName) -> Path:
        return self._directory / f"{name}.json"


class SandboxStatus(msgspec.Struct, frozen=True, rename="kebab"):
    """What bubblewrap's `--json-status-fd` has told so far, bwrap(1)."""

    child_pid: int | None = None
    exit_code: int | None = None


def read_status(file: Path) -> SandboxStatus:
    """Return all that bubblewrap has written; nothing yet is no error."""
    result = SandboxStatus()
    try:
        lines = file.read_bytes().splitlines()
    except FileNotFoundError:
        return result
    for line in filter(None, lines):
        try:
            part = msgspec.json.decode(line, type=SandboxStatus)
        except msgspec.DecodeError:
            break  # it is still being written
        result = SandboxStatus(
            part.child_pid if part.child_pid is not None else result.child_pid,
            part.exit_code if part.exit_code is not None else result.exit_code,
        )
    return result
