"""Config repos with git as the manager uses it, and as somebody hostile would."""

# ruff: noqa: S603, S607, TID251 - it is the manager: it runs git by hand
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hive_lifecycle.comparing import Comparing
from hive_lifecycle.config_repos import ConfigRepos, GitTools
from hivecommon.command import Completed, run
from hivecommon.contracts.agent_toml import AgentToml
from hivecommon.contracts.changes import (
    Base,
    ChangesReply,
    CompareCommit,
    DigestCommit,
    PinCommit,
    Risk,
    Stage,
)
from hivecommon.contracts.lifecycle import AgentSettings
from hivecommon.errors import HiveError
from hivecommon.home import HiveHome, make_private
from hivecommon.names import AgentName

ALICE = AgentName("alice")
TOOLS = GitTools("git", "prlimit", "nix-instantiate")


def unchecked(_settings: AgentToml) -> None:
    """Take every agent.toml that is one."""


class Manager:
    """Someone with a shell in the proposed repo."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def git(self, *argv: str, stdin: bytes = b"") -> str:
        done = subprocess.run(
            ["git", "-C", str(self.directory), *argv], input=stdin, capture_output=True, check=True,
            env={"PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1", "HOME": "/nonexistent"},
        )  # fmt: skip
        return done.stdout.decode().strip()

    def commit(self, **files: str) -> str:
        for file, text in files.items():
            (self.directory / file.replace("__", ".")).write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", "a change")
        return self.git("rev-parse", "HEAD")

    def tree(self, listing: bytes) -> str:
        """Commit a tree that no `git add` would make."""
        tree = self.git("mktree", "-z", "--missing", stdin=listing)
        return self.git("commit-tree", "-m", "hostile", tree)


@pytest.fixture
async def repos(tmp_path: Path) -> ConfigRepos:
    home = HiveHome(tmp_path / "home")
    make_private(home.config(ALICE))
    made = ConfigRepos(home, TOOLS, run)
    assert await made.ensure(ALICE, AgentSettings(persona="a poet"))
    assert not await made.ensure(ALICE, AgentSettings(persona="another"))
    return made


@pytest.fixture
def manager(repos: ConfigRepos, tmp_path: Path) -> Manager:
    return Manager(HiveHome(tmp_path / "home").config(ALICE))


async def refused(repos: ConfigRepos, commit: str) -> HiveError:
    with pytest.raises(HiveError) as caught:
        await repos.pin(ALICE, commit, unchecked)
    return caught.value


async def test_a_new_agents_repos_hold_what_it_was_spawned_with(
    repos: ConfigRepos, manager: Manager
) -> None:
    first = manager.git("rev-parse", "HEAD")
    assert await repos.running(ALICE) == first
    assert await repos.tagged(ALICE, Stage.DEPLOYED, 0) == first
    assert (await repos.read(ALICE, first)).persona == "a poet"
    assert (manager.directory / "agent.nix").exists()
    assert manager.git("remote") == ""


async def test_what_was_asked_for_stays_whatever_is_done_to_the_proposed_repo(
    repos: ConfigRepos, manager: Manager
) -> None:
    wanted = manager.commit(agent__toml='persona = "a painter"\n')
    pinned = await repos.pin(ALICE, wanted[:10], unchecked)
    assert (pinned.commit, pinned.subject) == (wanted, "a change")
    manager.git("commit", "--quiet", "--amend", "-m", "something else")
    manager.git("reflog", "expire", "--expire=now", "--all")
    manager.git("gc", "--quiet", "--prune=now")
    assert manager.git("rev-parse", "HEAD") != wanted
    shutil.rmtree(manager.directory)
    assert (await repos.read(ALICE, wanted)).persona == "a painter"
    await repos.deploy(ALICE, 7, wanted)
    assert await repos.running(ALICE) == await repos.tagged(ALICE, Stage.DEPLOYED, 7) == wanted


async def test_a_commit_that_no_branch_holds_any_more_can_still_be_asked_for(
    repos: ConfigRepos, manager: Manager
) -> None:
    lost = manager.commit(agent__toml='persona = "x"\n')
    manager.git("reset", "--quiet", "--hard", "HEAD^")
    assert (await repos.pin(ALICE, lost, unchecked)).commit == lost


async def test_a_branch_called_like_a_hash_is_not_meant(
    repos: ConfigRepos, manager: Manager
) -> None:
    manager.commit(agent__toml='persona = "x"\n')
    manager.git("branch", "deadbee")
    assert (await refused(repos, "deadbee")).code == "unknown_commit"


@pytest.mark.parametrize(
    "name",
    ["--upload-pack=touch /tmp/x", "HEAD", "HEAD^{/x}", "refs/../..", "main", "v1..v2", "-abcdef0",
     "abc", "ABCDEF01", "a" * 41, "deadbeef\n", "deadbeef deadbeef", ":/x", "@{-1}", ""],
)  # fmt: skip
def test_whatever_is_no_hash_is_refused_by_the_contract(name: str) -> None:
    payload = b'{"agent": "alice", "commit": %s}' % json.dumps(name).encode()
    with pytest.raises(HiveError) as caught:
        PinCommit.decode(payload)
    assert caught.value.code == "bad_request"


async def test_an_unknown_commit_is_refused(repos: ConfigRepos, manager: Manager) -> None:
    assert (await refused(repos, "f" * 40)).code == "unknown_commit"
    assert (await refused(repos, "fffffff")).code == "unknown_commit"


async def test_a_hash_of_no_commit_is_refused(repos: ConfigRepos, manager: Manager) -> None:
    tree = manager.git("rev-parse", "HEAD^{tree}")
    blob = manager.git("rev-parse", "HEAD:agent.toml")
    manager.git("tag", "-a", "-m", "x", "annotated")
    tag = manager.git("rev-parse", "annotated")
    for wrong in (tree, blob, tag, tree[:9], blob[:9], tag[:9]):
        assert (await refused(repos, wrong)).code == "unknown_commit"


async def test_broken_files_are_refused_with_the_reason(
    repos: ConfigRepos, manager: Manager
) -> None:
    bad_toml = manager.commit(agent__toml="persona = 7\n")
    error = await refused(repos, bad_toml)
    assert (error.code, "line 1" in error.message) == ("bad_agent_toml", True)
    bad_nix = manager.commit(agent__toml="", agent__nix="{ pkgs }: {\n")
    error = await refused(repos, bad_nix)
    assert (error.code, "agent.nix" in error.message) == ("bad_nix", True)
    assert "unexpected end of file" in error.message


async def test_what_the_check_refuses_is_refused(repos: ConfigRepos, manager: Manager) -> None:
    wanted = manager.commit(agent__toml="recipients = ['nobody']\n")

    def check(settings: AgentToml) -> None:
        raise HiveError(f"{settings.recipients}", code="unknown_recipient")

    with pytest.raises(HiveError, match="nobody"):
        await repos.pin(ALICE, wanted, check)


async def test_links_and_submodules_are_refused(repos: ConfigRepos, manager: Manager) -> None:
    (manager.directory / "agent.nix").unlink()
    (manager.directory / "agent.nix").symlink_to("/etc/shadow")
    link = manager.commit()
    error = await refused(repos, link)
    assert (error.code, "symbolic link" in error.message) == ("bad_commit", True)
    module = manager.tree(b"160000 commit " + b"1" * 40 + b"\tmodule\0")
    error = await refused(repos, module)
    assert (error.code, "submodule" in error.message) == ("bad_commit", True)


@pytest.mark.parametrize(
    "path", [b"a\nb", b"a\x1b[2Jb", "a\u202eb".encode(), b"\xff", b"x" * 250, b".git", b".."]
)
async def test_names_that_mislead_are_refused(
    repos: ConfigRepos, manager: Manager, path: bytes
) -> None:
    blob = manager.git("rev-parse", "HEAD:agent.toml").encode()
    commit = manager.tree(b"100644 blob " + blob + b"\t" + path + b"\0")
    error = await refused(repos, commit)
    assert error.code in {"bad_commit", "unknown_commit"}
    assert "\n" not in error.message.replace("\\n", "")
    assert "\x1b" not in error.message


async def test_a_file_over_the_bound_is_refused(repos: ConfigRepos, manager: Manager) -> None:
    error = await refused(repos, manager.commit(notes="x" * 300_000))
    assert (error.code, "'notes' has 300000 bytes" in error.message) == ("bad_commit", True)


async def test_too_many_files_are_refused(repos: ConfigRepos, manager: Manager) -> None:
    blob = manager.git("rev-parse", "HEAD:agent.toml")
    listing = b"".join(f"100644 blob {blob}\tf{n}\0".encode() for n in range(501))
    assert "more than 500 files" in (await refused(repos, manager.tree(listing))).message


@pytest.mark.timeout(900)  # hashing 2 GiB is all that takes long, and that is the manager's git
async def test_a_commit_of_2_gb_is_refused_and_leaves_little(
    repos: ConfigRepos, manager: Manager, tmp_path: Path
) -> None:
    with (manager.directory / "huge").open("wb") as file:
        file.truncate(2 << 30)
    (manager.directory / ".git/info").mkdir(exist_ok=True)
    manager.git("config", "core.bigFileThreshold", "1m")
    manager.git("config", "core.compression", "1")
    manager.git("add", "huge")
    commit = manager.commit()
    error = await refused(repos, commit)
    assert error.code in {"unknown_commit", "bad_commit"}
    applied = HiveHome(tmp_path / "home").applied(ALICE)
    assert sum(file.stat().st_size for file in applied.rglob("*") if file.is_file()) < 80 << 20


async def test_nothing_that_the_proposed_repo_names_is_run(
    repos: ConfigRepos, manager: Manager, tmp_path: Path
) -> None:
    touched = tmp_path / "touched"
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\ntouch {touched}\nexec cat\n")
    script.chmod(0o755)
    hooks = manager.directory / ".git/hooks"
    hooks.mkdir(exist_ok=True)
    wanted = manager.commit(__gitattributes="* filter=evil diff=evil -text\n")
    for hook in ("post-checkout", "reference-transaction", "post-index-change", "pre-auto-gc"):
        (hooks / hook).symlink_to(script)
    for key in (
        "uploadpack.packObjectsHook", "core.fsmonitor", "core.sshCommand", "core.pager",
        "core.editor", "filter.evil.smudge", "filter.evil.clean", "diff.evil.textconv",
        "diff.evil.command", "diff.external", "gpg.program", "core.askPass", "credential.helper",
        "alias.rev-parse", "pack.packObjectsHook",
    ):  # fmt: skip
        manager.git("config", key, str(script))
    for commit in (wanted[:8], wanted):
        assert (await repos.pin(ALICE, commit, unchecked)).commit == wanted
    shown = await compare(repos, wanted)
    assert [file.path for file in shown.files] == [".gitattributes"]
    assert not touched.exists()


async def test_a_repo_that_leads_elsewhere_is_refused(
    repos: ConfigRepos, manager: Manager, tmp_path: Path
) -> None:
    secret = Manager(tmp_path / "secret")
    secret.directory.mkdir()
    secret.git("init", "--quiet")
    secret.git("config", "user.name", "x")
    secret.git("config", "user.email", "x@x")
    elsewhere = secret.commit(key="secret")
    alternates = manager.directory / ".git/objects/info/alternates"
    alternates.parent.mkdir(exist_ok=True)
    alternates.write_text(f"{secret.directory}/.git/objects\n")
    assert "borrows" in (await refused(repos, elsewhere)).message
    alternates.unlink()
    shutil.rmtree(manager.directory / ".git")
    (manager.directory / ".git").write_text(f"gitdir: {secret.directory}/.git\n")
    assert "no plain git repository" in (await refused(repos, elsewhere)).message
    (manager.directory / ".git").unlink()
    (manager.directory / ".git").symlink_to(secret.directory / ".git")
    assert "no plain git repository" in (await refused(repos, elsewhere)).message


async def test_a_repo_that_hangs_is_given_up(
    repos: ConfigRepos, manager: Manager, tmp_path: Path
) -> None:
    (manager.directory / ".git/HEAD").unlink()
    os.mkfifo(manager.directory / ".git/HEAD")

    async def impatient(argv: list[str], *, timeout_s: float, **rest: object) -> Completed:
        return await run(argv, timeout_s=min(timeout_s, 1.0), **rest)  # type: ignore[arg-type] # passed on as it came

    hasty = ConfigRepos(HiveHome(tmp_path / "home"), TOOLS, impatient)  # type: ignore[arg-type] # as above
    assert (await refused(hasty, "f" * 40)).code == "unknown_commit"


async def compare(repos: ConfigRepos, commit: str, base: Base = Base.RUNNING) -> ChangesReply:
    request = CompareCommit(agent=ALICE, approval=9, commit=commit, base=base)
    return await Comparing(repos).compare(request)


async def test_a_diff_over_several_files_against_three_bases(
    repos: ConfigRepos, manager: Manager
) -> None:
    running = manager.git("rev-parse", "HEAD")
    asked = manager.commit(agent__toml='persona = "one"\n')
    await repos.pin(ALICE, asked, unchecked)
    await repos.mark(ALICE, Stage.PROPOSAL, 3, asked)
    approved = manager.commit(agent__toml='persona = "two"\n')
    await repos.pin(ALICE, approved, unchecked)
    await repos.mark(ALICE, Stage.APPROVED, 2, approved)
    nix = "{ pkgs, ... }:\n{ networking.firewall.enable = false; }\n"
    new = manager.commit(
        agent__toml='persona = "three"\nrecipients = ["bob"]\n', agent__nix=nix, notes="\0\1"
    )
    await repos.pin(ALICE, new, unchecked)
    shown = await compare(repos, new)
    assert (shown.base_commit, shown.running, shown.commit) == (running, running, new)
    assert [(file.path, file.status) for file in shown.files] == [
        ("agent.nix", "changed"), ("agent.toml", "changed"), ("notes", "added"),
    ]  # fmt: skip
    lines = [line for file in shown.files for hunk in file.hunks for line in hunk.lines]
    assert '+persona = "three"' in lines
    assert shown.files[2].binary
    assert {mark.risk for mark in shown.marks} == {Risk.RECIPIENTS, Risk.NETWORK, Risk.BINARY}
    assert (await compare(repos, new, Base.APPROVED)).base_commit == approved
    assert (await compare(repos, new, Base.PREVIOUS)).base_commit == asked
    digests = await Comparing(repos).digests(DigestCommit(agent=ALICE, approval=9, commit=new))
    assert digests.digests[Base.RUNNING] == shown.digest
    assert len(set(digests.digests.values())) == 3


async def test_the_digest_is_another_once_the_base_moved(
    repos: ConfigRepos, manager: Manager
) -> None:
    other = manager.commit(agent__toml='persona = "other"\n')
    await repos.pin(ALICE, other, unchecked)
    new = manager.commit(agent__toml='persona = "new"\n')
    await repos.pin(ALICE, new, unchecked)
    before = await compare(repos, new)
    await repos.deploy(ALICE, 1, other)
    after = await compare(repos, new)
    assert before.digest != after.digest
    assert after.base_commit == other


async def test_the_history_shows_what_was_deployed(repos: ConfigRepos, manager: Manager) -> None:
    new = manager.commit(agent__toml='persona = "new"\n')
    await repos.pin(ALICE, new, unchecked)
    for stage in (Stage.PROPOSAL, Stage.APPROVED, Stage.BUILDING):
        await repos.mark(ALICE, stage, 4, new)
    await repos.deploy(ALICE, 4, new)
    newest, oldest = await repos.history(ALICE)
    assert (newest.approval, newest.commit, newest.running) == (4, new, True)
    assert newest.stages == [Stage.PROPOSAL, Stage.APPROVED, Stage.BUILDING, Stage.DEPLOYED]
    assert (oldest.approval, oldest.stages, oldest.running) == (0, [Stage.DEPLOYED], False)


async def test_a_cut_off_making_is_begun_again(tmp_path: Path) -> None:
    home = HiveHome(tmp_path / "home")
    make_private(home.config(ALICE))
    (home.root / "applied/.alice.making/objects").mkdir(parents=True)
    (home.agent(ALICE) / ".config.making/.git").mkdir(parents=True)
    repos = ConfigRepos(home, TOOLS, run)
    assert await repos.ensure(ALICE, AgentSettings())
    assert await repos.running(ALICE)
