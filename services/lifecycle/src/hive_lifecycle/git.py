"""git, through the one door, and with nothing of the machine's or a user's own configuration."""

from collections.abc import Mapping
from pathlib import Path

from hivecommon.command import Completed, Run

# Hooks and signing would run programs that a repository or a user's configuration names.
_SETTINGS = (
    "core.hooksPath=/dev/null", "commit.gpgSign=false", "init.defaultBranch=main", "gc.auto=0",
    "user.name=hyperhive", "user.email=hyperhive@localhost",
)  # fmt: skip
_ENVIRONMENT = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
_TIMEOUT_S = 60.0


def git_command(environ: Mapping[str, str]) -> str:
    """Name the git to use: HYPERHIVE_GIT, since a service's PATH is not a shell's."""
    return environ.get("HYPERHIVE_GIT") or "git"


class Git:
    """Runs git on one repository."""

    def __init__(self, run: Run, program: str, repository: Path) -> None:
        self._run = run
        self._program = program
        self.repository = repository

    async def __call__(self, *argv: str, env: Mapping[str, str] | None = None) -> Completed:
        """Run one command in the repository; raises `command_failed` with git's last words."""
        return (await self.attempt(*argv, env=env)).check()

    async def attempt(self, *argv: str, env: Mapping[str, str] | None = None) -> Completed:
        """Run one command whose failure is an answer."""
        settings = [word for setting in _SETTINGS for word in ("-c", setting)]
        return await self._run(
            [self._program, "-C", str(self.repository), *settings, *argv],
            timeout_s=_TIMEOUT_S,
            env=_ENVIRONMENT | dict(env or {}),
        )
