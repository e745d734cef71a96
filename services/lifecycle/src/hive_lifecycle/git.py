"""git, through the one door, and with nothing of the machine's or a user's own configuration."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from hivecommon.command import Completed, Run

# Hooks, signing, monitors and filters would run programs that a repository or a user names.
_SETTINGS = (
    "core.hooksPath=/dev/null", "core.fsmonitor=false", "core.attributesFile=/dev/null",
    "commit.gpgSign=false", "tag.gpgSign=false", "init.defaultBranch=main", "gc.auto=0",
    "maintenance.auto=false", "protocol.allow=never", "protocol.file.allow=always",
    "submodule.recurse=false", "advice.detachedHead=false", "core.quotePath=true",
    "user.name=hyperhive", "user.email=hyperhive@localhost",
)  # fmt: skip
_ENVIRONMENT = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    # Also for programs that git itself starts in another repository.
    "GIT_ALLOW_PROTOCOL": "file",
    "GIT_PROTOCOL_FROM_USER": "0",
}
_TIMEOUT_S = 60.0


def git_command(environ: Mapping[str, str]) -> str:
    """Name the git to use: HYPERHIVE_GIT, since a service's PATH is not a shell's."""
    return environ.get("HYPERHIVE_GIT") or "git"


class Git:
    """Runs git on one repository."""

    def __init__(
        self, run: Run, program: str, repository: Path, *, prefix: Sequence[str] = (),
        timeout_s: float = _TIMEOUT_S,
    ) -> None:  # fmt: skip
        self._run = run
        self._program = program
        self._prefix = prefix
        self._timeout_s = timeout_s
        self.repository = repository

    def at(self, repository: Path) -> "Git":
        """Return the same git on another repository."""
        return Git(
            self._run, self._program, repository, prefix=self._prefix, timeout_s=self._timeout_s
        )

    async def __call__(
        self, *argv: str, env: Mapping[str, str] | None = None, stdin: bytes = b""
    ) -> Completed:
        """Run one command in the repository; raises `command_failed` with git's last words."""
        return (await self.attempt(*argv, env=env, stdin=stdin)).check()

    async def attempt(
        self, *argv: str, env: Mapping[str, str] | None = None, stdin: bytes = b""
    ) -> Completed:
        """Run one command whose failure is an answer."""
        settings = [word for setting in _SETTINGS for word in ("-c", setting)]
        # Without the ceiling a directory that is no repository would be looked for in its parents.
        ceiling = {"GIT_CEILING_DIRECTORIES": str(self.repository.parent)}
        return await self._run(
            [*self._prefix, self._program, "-C", str(self.repository), *settings, *argv],
            timeout_s=self._timeout_s,
            env=_ENVIRONMENT | ceiling | dict(env or {}),
            stdin=stdin,
        )
