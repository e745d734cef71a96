"""Each agent's two config repos: *proposed*, which the manager writes, and *applied*, ours alone."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from hivecommon.command import Run
from hivecommon.contracts.agent_toml import FILE, AgentToml, parse_agent_toml, render_agent_toml
from hivecommon.contracts.changes import Pinned, Revision, Stage
from hivecommon.contracts.lifecycle import AgentSettings
from hivecommon.errors import HiveError
from hivecommon.home import HiveHome, make_private
from hivecommon.names import MANAGER, AgentName

from hive_lifecycle import config_git
from hive_lifecycle.commits import Entry, check_entries, check_path, parse_tree
from hive_lifecycle.git import Git

MAIN: Final = "refs/heads/main"
_PINNED: Final = "refs/hive/pinned"
_FULL: Final = 40
_FETCH_S: Final = 20.0
_NIX_S: Final = 5.0
# What one request may bring along at the most, history included; and what checking it may take.
_LIMITS: Final = ("--fsize=67108864", "--as=4294967296", "--cpu=20")
_AGENT_NIX: Final = """\
# Packages and services of this agent's system (NixOS hosts only).
{ pkgs, ... }:
{
  environment.systemPackages = [ ];
}
"""


@dataclass(frozen=True)
class GitTools:
    """The programs; None: it is not installed."""

    git: str
    prlimit: str | None = None
    nix_instantiate: str | None = None


class ConfigRepos:
    """Makes the repos, takes commits over, and names them."""

    def __init__(self, home: HiveHome, tools: GitTools, run: Run) -> None:
        self._home = home
        self._tools = tools
        self._run = run

    def applied(self, name: AgentName) -> Git:
        """Return git on the applied repo."""
        return Git(self._run, self._tools.git, self._home.applied(name))

    def exists(self, name: AgentName) -> bool:
        """Whether the agent has an applied repo."""
        return (self._home.applied(name) / ".git/HEAD").is_file()

    async def ensure(
        self, name: AgentName, settings: AgentSettings, files: Mapping[str, str] | None = None
    ) -> bool:
        """Make what is missing of the two repos; return whether anything was.

        The first commit says what the agent was spawned with and counts as deployed by approval 0;
        `files` are in it, too. A kill in the middle leaves either nothing or the whole.
        """
        made = False
        if not self.exists(name):
            await self._make_applied(name, settings, files or {})
            made = True
        proposed = self._home.config(name)
        if not proposed.is_symlink() and (not proposed.exists() or not any(proposed.iterdir())):
            await self._make_proposed(name)
            made = True
        return made

    async def check_files(self, files: Mapping[str, str]) -> None:
        """Refuse what could not be a first commit, as `pin` would refuse it later."""
        contents = {name: text.encode(errors="replace") for name, text in files.items()}
        entries = [Entry(check_path(name.encode()), "100644", "", len(content))
                   for name, content in contents.items()]  # fmt: skip
        check_entries(entries)
        for entry in entries:
            if entry.path.endswith(".nix"):
                await self._parse_nix(entry, contents[entry.path])
        if FILE in contents:
            parse_agent_toml(contents[FILE])

    async def _make_applied(
        self, name: AgentName, settings: AgentSettings, given: Mapping[str, str]
    ) -> None:
        applied = self._home.applied(name)
        make_private(applied.parent)
        making = applied.with_name(f".{name}.making")
        shutil.rmtree(making, ignore_errors=True)
        make_private(making)
        git = Git(self._run, self._tools.git, making)
        await config_git.init(git)
        files = {FILE: render_agent_toml(settings), "agent.nix": _AGENT_NIX, **given}
        blobs = [
            (file, await config_git.hash_object(git, text.encode(errors="replace")))
            for file, text in files.items()
        ]
        tree = await config_git.make_tree(git, blobs)
        commit = await config_git.commit_tree(git, tree, f"Configuration of {name}")
        for ref in (MAIN, _tag(Stage.DEPLOYED, 0)):
            await config_git.set_ref(git, ref, commit)
        making.rename(applied)

    async def _make_proposed(self, name: AgentName) -> None:
        proposed = self._home.config(name)
        making = proposed.with_name(".config.making")
        shutil.rmtree(making, ignore_errors=True)
        git = self.applied(name)
        await config_git.clone(git, self._home.applied(name), making)
        # The manager commits there; without a name its git would refuse.
        for key, value in (("user.name", MANAGER), ("user.email", f"{MANAGER}@localhost")):
            await config_git.set_config(git, making, key, value)
        making.chmod(0o700)
        making.rename(proposed)

    async def pin(self, name: AgentName, commit: str, check: Callable[[AgentToml], None]) -> Pinned:
        """Take a commit of the proposed repo over, or refuse it.

        From then on nothing that is done to the proposed repo changes it. Raises
        `unknown_commit`, `bad_commit`, `bad_agent_toml`, `bad_nix`, and what `check` raises.
        """
        self._must_exist(name)
        git = self.applied(name)
        full = await self._resolve(git, name, commit)
        ref = f"{_PINNED}/{full}"
        if not await config_git.is_commit(git, full):
            await self._fetch(name, full, ref)
        try:
            if not await config_git.is_commit(git, full):
                raise _unknown(name, commit)
            check(await self.read(name, full, parse_nix=True))
        except HiveError:
            await config_git.delete_ref(git, ref)
            raise
        await config_git.set_ref(git, ref, full)
        _author, subject, _at = await config_git.describe_commit(git, full)
        running = await config_git.read_ref(git, MAIN)
        return Pinned(commit=full, subject=subject[:200], running=running)

    async def _resolve(self, git: Git, name: AgentName, commit: str) -> str:
        """Return the one commit whose hash begins so, as the proposed repo has it."""
        if len(commit) == _FULL:
            return commit
        repository = self._proposed_git_dir(name)
        found = await config_git.find_objects(git, repository, commit)
        kinds = await config_git.types_of(git, repository, found)
        commits = [each for each, kind in zip(found, kinds, strict=False) if kind == "commit"]
        if not commits:
            raise _unknown(name, commit)
        if len(commits) > 1:
            raise HiveError(
                f"{commit} is the beginning of {len(commits)} commits", code="unknown_commit",
                hint="give the whole hash",
            )  # fmt: skip
        return commits[0]

    async def _fetch(self, name: AgentName, commit: str, ref: str) -> None:
        source = self._proposed_git_dir(name)
        prlimit = self._tools.prlimit
        prefix = (prlimit, *_LIMITS) if prlimit else ()
        git = Git(
            self._run, self._tools.git, self._home.applied(name), prefix=prefix, timeout_s=_FETCH_S
        )
        try:
            await config_git.fetch(git, source, commit, ref)
        except HiveError as error:
            raise HiveError(
                f"{commit} cannot be taken from the config repo of {name}: {error.message}",
                code="unknown_commit",
                hint="is it committed there, whole, and smaller than 64 MiB with its history?",
            ) from error

    def _proposed_git_dir(self, name: AgentName) -> Path:
        """Return where the manager's repo is, if it is a plain one of its own."""
        root = self._home.config(name)
        repository = root / ".git"
        # A link, a `gitdir:` file or alternates would let it hand us what lies elsewhere.
        links = (root, repository, repository / "objects", repository / "refs")
        if any(path.is_symlink() for path in links) or not repository.is_dir():
            raise HiveError(
                f"the config repo of {name} is no plain git repository", code="unknown_commit",
                hint="`git init` it anew, without --separate-git-dir, and commit there",
            )  # fmt: skip
        for borrowed in ("objects/info/alternates", "objects/info/http-alternates", "commondir"):
            if (repository / borrowed).is_symlink() or (repository / borrowed).exists():
                raise HiveError(
                    f"the config repo of {name} borrows from another one ({borrowed})",
                    code="unknown_commit",
                    hint="`git repack -a -d` and remove that file",
                )
        return repository

    async def read(self, name: AgentName, commit: str, *, parse_nix: bool = False) -> AgentToml:
        """Return what a commit of the applied repo says, after checking all of it."""
        git = self.applied(name)
        entries = await self.entries(name, commit)
        check_entries(entries)
        if parse_nix:
            for entry in entries:
                if entry.path.endswith(".nix"):
                    await self._parse_nix(entry, await config_git.read_blob(git, entry.blob))
        own = next((entry for entry in entries if entry.path == FILE), None)
        if own is None:
            return AgentToml()
        return parse_agent_toml(await config_git.read_blob(git, own.blob))

    async def entries(self, name: AgentName, commit: str) -> list[Entry]:
        """Return the files of a commit of the applied repo."""
        try:
            return parse_tree(await config_git.list_tree(self.applied(name), commit))
        except HiveError as error:
            if error.code != "output_too_large":
                raise
            raise HiveError("the commit has far too many files", code="bad_commit") from error

    async def _parse_nix(self, entry: Entry, content: bytes) -> None:
        if self._tools.nix_instantiate is None:
            return
        # Read from standard input it can refer to no file; parsing evaluates nothing.
        parsing = [self._tools.nix_instantiate, "--parse", "-"]
        # The root of a sandbox may not be writable; Nix wants to make its state somewhere.
        done = await self._run(
            parsing, timeout_s=_NIX_S, stdin=content or b"\n", env={"NIX_REMOTE": "dummy://"}
        )
        if done.code:
            words = done.stderr.decode(errors="replace").strip().removeprefix("error: ")
            raise HiveError(
                f"{entry.path} is no Nix: {words[:500]}", code="bad_nix",
                hint="try `nix-instantiate --parse` on it",
            )  # fmt: skip

    async def mark(self, name: AgentName, stage: Stage, approval: int, commit: str) -> bool:
        """Tag a commit; return whether that changed anything, False too when the repo is gone."""
        if not self.exists(name) or not await config_git.is_commit(self.applied(name), commit):
            return False
        return await config_git.set_ref(self.applied(name), _tag(stage, approval), commit)

    async def running(self, name: AgentName) -> str:
        """Return the commit that is deployed, or nothing."""
        return await config_git.read_ref(self.applied(name), MAIN) if self.exists(name) else ""

    async def deploy(self, name: AgentName, approval: int, commit: str) -> None:
        """Let `main` be what is now deployed."""
        await config_git.set_ref(self.applied(name), MAIN, commit)
        await self.mark(name, Stage.DEPLOYED, approval, commit)

    async def tagged(self, name: AgentName, stage: Stage, approval: int) -> str:
        """Return the commit with this tag; empty when there is none."""
        if not self.exists(name):
            return ""
        return await config_git.read_ref(self.applied(name), _tag(stage, approval))

    async def latest(self, name: AgentName, stage: Stage, before: int) -> str:
        """Return what last came to `stage` before an approval; empty when nothing did."""
        refs = await config_git.list_refs(self.applied(name), f"refs/tags/{stage}/")
        found = {int(ref.rpartition("/")[2]): commit for ref, commit in refs}
        earlier = [number for number in found if number < before]
        return found[max(earlier)] if earlier else ""

    async def history(self, name: AgentName, limit: int = 100) -> list[Revision]:
        """Return what was asked for and deployed, the newest first."""
        self._must_exist(name)
        git = self.applied(name)
        stages: dict[int, dict[Stage, str]] = {}
        for ref, commit in await config_git.list_refs(git, "refs/tags/"):
            _refs, _tags, stage, digits = ref.split("/")
            stages.setdefault(int(digits), {})[Stage(stage)] = commit
        running = await config_git.read_ref(git, MAIN)
        newest_there = max(
            (n for n, by in stages.items() if by.get(Stage.DEPLOYED) == running), default=None
        )
        revisions = []
        for number in sorted(stages, reverse=True)[:limit]:
            by = stages[number]
            commit = next(iter(by.values()))
            _author, subject, at = await config_git.describe_commit(git, commit)
            revisions.append(
                Revision(
                    approval=number, commit=commit, subject=subject[:200],
                    stages=[stage for stage in Stage if stage in by],
                    at=_moment(at), running=number == newest_there,
                )
            )  # fmt: skip
        return revisions

    def _must_exist(self, name: AgentName) -> None:
        if not self.exists(name):
            raise HiveError(
                f"{name} has no config repos", code="unknown_commit",
                hint=f"`hive rebuild {name}` makes them",
            )  # fmt: skip


def _tag(stage: Stage, approval: int) -> str:
    return f"refs/tags/{stage}/{approval}"


def _moment(seconds: int) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)


def _unknown(name: AgentName, commit: str) -> HiveError:
    return HiveError(
        f"there is no commit {commit} in the config repo of {name}", code="unknown_commit",
        hint="give a full or shortened hash, as `git log --format=%H` prints it",
    )  # fmt: skip
