"""What the nixos runtime remembers of each container, in a file that outlives lifecycle."""

from pathlib import Path

import msgspec
import structlog
from hivecommon.files import write_atomically
from hivecommon.home import make_private
from hivecommon.names import AgentName

from hive_lifecycle.limits import Limits

_log = structlog.get_logger()


class Deployed(msgspec.Struct, frozen=True, kw_only=True):
    """What was last built for an agent, and with what it was last started."""

    system: str = ""
    """Store path of the system that was built."""
    base: str = ""
    """Hash of what all agents share: the hive's own revision and nixpkgs'."""
    tree: str = ""
    """Hash of what is the agent's own."""
    revision: str = ""
    """Of its config repo."""
    limits: Limits = Limits()
    started: str = ""
    """systemd's id of the life of the container that was started with `conf`."""
    conf: str = ""
    """Hash of the conf file at that start."""


class DeployedFiles:
    """One file per agent."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def read(self, name: AgentName) -> Deployed:
        """Return what is remembered; nothing, when there is none or the file is damaged."""
        try:
            return msgspec.json.decode(self._file(name).read_bytes(), type=Deployed)
        except FileNotFoundError:
            return Deployed()
        except (msgspec.ValidationError, msgspec.DecodeError):
            # A rebuild writes it anew; until then the agent counts as in need of one.
            _log.exception("deployed_record_damaged", agent=name)
            return Deployed()

    def write(self, name: AgentName, deployed: Deployed) -> None:
        """Remember it; it is on disk when this returns."""
        make_private(self._directory)
        write_atomically(self._file(name), msgspec.json.encode(deployed), mode=0o600)

    def forget(self, name: AgentName) -> None:
        """Remove what is remembered."""
        self._file(name).unlink(missing_ok=True)

    def _file(self, name: AgentName) -> Path:
        return self._directory / f"{name}.json"
