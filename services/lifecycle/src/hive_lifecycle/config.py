"""lifecycle's own settings, besides those that all parts of a hive share."""

import shlex
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hivecommon.environment import HiveEnvironment
from hivecommon.errors import HiveError

from hive_lifecycle.config_repos import GitTools
from hive_lifecycle.git import git_command

# `-P` keeps files that an agent leaves in its working directory from being imported.
_HARNESS = (sys.executable, "-P", "-m", "hive_harness")
_SANDBOX_CHOICES = ("auto", "require", "off")


@dataclass(frozen=True)
class LifecycleConfig:
    """How lifecycle runs agents."""

    hive: HiveEnvironment
    harness: tuple[str, ...] = _HARNESS
    bwrap: str | None = None
    """bubblewrap's path; None: agents run without a sandbox."""
    git: GitTools = field(default_factory=lambda: GitTools("git"))
    """What the config repos are kept with."""
    sandbox_required: bool = False
    """Refuse to start an agent rather than start it unsandboxed."""
    stop_grace_s: float = 10.0
    """How long a harness may take to end its turn in good order."""
    hello_s: float = 30.0
    """How long a job waits for a started harness to report; the SDK's import alone takes a second."""
    max_restart_delay_s: float = 60.0


def read_config(environ: Mapping[str, str], hive: HiveEnvironment) -> LifecycleConfig:
    """Return the settings; raise `bad_environment` naming the variable that is wrong."""
    sandbox = environ.get("HIVE_SANDBOX") or "auto"
    if sandbox not in _SANDBOX_CHOICES:
        raise HiveError(
            f"HIVE_SANDBOX={sandbox!r} is none of {', '.join(_SANDBOX_CHOICES)}",
            code="bad_environment",
            hint="correct or unset it",
        )
    cli = hive.agent_environment.get("HIVE_CLAUDE_CLI")
    if cli is not None and not Path(cli).is_absolute():
        raise HiveError(
            f"HIVE_CLAUDE_CLI={cli!r} is no absolute path",
            code="bad_environment",
            hint="agents have working directories of their own: give the whole path",
        )
    # For developers of the harness: another program in its place.
    command = shlex.split(environ.get("HIVE_HARNESS_COMMAND", ""))
    return LifecycleConfig(
        hive=hive,
        harness=tuple(command) or _HARNESS,
        bwrap=None if sandbox == "off" else shutil.which("bwrap", path=environ.get("PATH")),
        git=GitTools(
            git_command(environ),
            prlimit=shutil.which("prlimit", path=environ.get("PATH")),
            nix_instantiate=shutil.which("nix-instantiate", path=environ.get("PATH")),
        ),
        sandbox_required=sandbox == "require",
    )
