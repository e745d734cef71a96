"""Where everything of a hive lies on disk: paths only, nothing is read or made here but directories."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from hivecommon.errors import HiveError
from hivecommon.names import AgentName


@dataclass(frozen=True)
class HiveHome:
    """`$HIVE_HOME`: what survives a reboot."""

    root: Path

    @property
    def bus(self) -> Path:
        """JetStream's store, the server's configuration, public keys."""
        return self.root / "bus"

    @property
    def jetstream(self) -> Path:
        """What the server itself writes: the streams, and the number of its process."""
        return self.bus / "jetstream"

    @property
    def keys(self) -> Path:
        """The nkey seeds of all principals, below `services`, `operators` and `agents`."""
        return self.root / "keys"

    @property
    def agents(self) -> Path:
        """One directory per agent, also of destroyed ones that were not purged."""
        return self.root / "agents"

    @property
    def approvals_db(self) -> Path:
        """Approvals, questions, schedules and the audit."""
        return self.root / "approvals.sqlite"

    @property
    def lifecycle_db(self) -> Path:
        """Which agents there are, and the jobs on them."""
        return self.root / "lifecycle.sqlite"

    def agent(self, name: AgentName) -> Path:
        """Return the directory of what an agent owns."""
        return self.agents / name

    def claude(self, name: AgentName) -> Path:
        """Return the agent's own Claude credentials and sessions, `/root/.claude` inside."""
        return self.agent(name) / "claude"

    def state(self, name: AgentName) -> Path:
        """Return the agent's notes and events, `/state` inside."""
        return self.agent(name) / "state"

    def config(self, name: AgentName) -> Path:
        """Return the proposed config repo, which the manager may write."""
        return self.agent(name) / "config"

    def applied(self, name: AgentName) -> Path:
        """Return the applied config repo, ours alone."""
        return self.root / "applied" / name

    @property
    def meta(self) -> Path:
        """The generated flake with all agents' systems."""
        return self.root / "meta"


@dataclass(frozen=True)
class HiveRun:
    """`$HIVE_RUN`: what a reboot may empty."""

    root: Path

    def agent(self, name: AgentName) -> Path:
        """Return the agent's runtime directory, `/run/hive` inside: bus key and harness config."""
        return self.root / "agents" / name


def make_private(directory: Path) -> Path:
    """Make `directory` with mode 0700, or see that it is ours alone; raise `unsafe_dir` if not."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise HiveError(
            f"{directory} is not a directory of user {os.getuid()}",
            code="unsafe_dir",
            hint="remove it, or set HIVE_HOME and HIVE_RUN to directories of your own",
        )
    directory.chmod(0o700)
    return directory
