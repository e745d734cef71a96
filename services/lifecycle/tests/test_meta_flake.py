"""The generated flake: its text, its commits, and that real nix reads it offline."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hive_lifecycle.git import Git, git_command
from hive_lifecycle.meta_flake import FlakeInputs, MetaFlake, render_flake
from hivecommon.command import Completed, run
from hivecommon.errors import HiveError
from hivecommon.names import AgentName

PROJECT = Path(__file__).resolve().parents[3]
STUB = PROJECT / "deploy/nix/tests/stub-nixpkgs"
ALICE, BOB = AgentName("alice"), AgentName("bob")
URLS = FlakeInputs("github:a/hive", "github:NixOS/nixpkgs/x", "github:NixOS/nixpkgs/y")
NIX_CONFIG = "extra-experimental-features = nix-command flakes\nbuild-users-group =\n"


async def no_nix(argv: list[str], **options: object) -> Completed:
    """Run git as it is; nix is not asked here."""
    if argv[0] == "nix":
        await asyncio.to_thread(Path(argv[3], "flake.lock").write_text, "{}\n")
        return Completed(tuple(argv), 0, b"", b"")
    return await run(argv, **options)  # type: ignore[arg-type] # handed on as it came


def flake_in(root: Path, inputs: FlakeInputs = URLS) -> MetaFlake:
    return MetaFlake(inputs, Git(no_nix, "git", root / "meta"), no_nix)  # type: ignore[arg-type]


def config(root: Path, **files: str) -> Path:
    tree = root / "tree"
    tree.mkdir(exist_ok=True)
    for name, text in files.items():
        (tree / name.replace("_", ".")).write_text(text)
    return tree


async def log(root: Path) -> list[str]:
    git = Git(run, "git", root / "meta")
    return (await git("log", "--format=%s")).stdout.decode().splitlines()


def test_each_agent_has_a_configuration_of_its_own() -> None:
    text = render_flake(URLS, [BOB, ALICE])
    assert text.index('"alice" = agent "alice";') < text.index('"bob" = agent "bob";')
    assert 'nixpkgs.url = "github:NixOS/nixpkgs/x";' in text
    assert 'hyperhive.inputs.nixpkgs.follows = "nixpkgs";' in text


@pytest.mark.parametrize("url", ['x"; y = "', "a b", "${x}", "a\nb", ""])
def test_an_input_that_is_no_url_is_refused_with_its_variable(url: str) -> None:
    with pytest.raises(HiveError, match="is no flake URL") as caught:
        FlakeInputs("github:a/b", url, "github:a/c").check()
    assert "HIVE_META_NIXPKGS " in caught.value.hint
    assert caught.value.code == "bad_environment"


def test_git_is_the_one_that_the_environment_names() -> None:
    assert git_command({"HYPERHIVE_GIT": "/x/bin/git"}) == "/x/bin/git"
    assert git_command({}) == "git"


async def test_every_change_is_one_commit_and_no_change_is_none(tmp_path: Path) -> None:
    flake = flake_in(tmp_path)
    tree = config(tmp_path, agent_nix="{ }\n")
    assert await flake.put(ALICE, tree)
    assert not await flake.put(ALICE, tree)
    assert await flake.put(BOB, None)
    assert await flake.put(ALICE, config(tmp_path, agent_nix="{ x = 1; }\n"))
    assert await flake.drop(BOB)
    assert not await flake.drop(BOB)
    assert await log(tmp_path) == [
        "Remove bob", "Configure alice", "Configure bob", "Configure alice",
    ]  # fmt: skip
    text = (tmp_path / "meta/flake.nix").read_text()
    assert '"alice"' in text
    assert '"bob"' not in text
    assert not (tmp_path / "meta/agents/bob").exists()


async def test_the_agents_own_gitignore_hides_nothing(tmp_path: Path) -> None:
    flake = flake_in(tmp_path)
    tree = config(tmp_path, agent_nix="{ }\n", _gitignore="*\n")
    await flake.put(ALICE, tree)
    git = Git(run, "git", tmp_path / "meta")
    tracked = (await git("ls-files")).stdout.decode().splitlines()
    assert "agents/alice/config/agent.nix" in tracked


async def test_the_reference_names_the_commit_it_was_asked_at(tmp_path: Path) -> None:
    flake = flake_in(tmp_path)
    await flake.put(ALICE, None)
    before = await flake.reference(ALICE)
    await flake.put(BOB, None)
    assert before.startswith(f"git+file://{tmp_path}/meta?rev=")
    assert before.endswith("#alice")
    assert await flake.reference(ALICE) != before


async def test_hashes_change_with_what_they_stand_for_alone(tmp_path: Path) -> None:
    flake = flake_in(tmp_path)
    await flake.put(ALICE, config(tmp_path, agent_nix="{ }\n"))
    base, tree = flake.base(), await flake.tree(ALICE)
    await flake.put(BOB, None)
    assert (flake.base(), await flake.tree(ALICE)) == (base, tree)
    await flake.put(ALICE, config(tmp_path, agent_nix="{ x = 1; }\n"))
    assert flake.base() == base
    assert await flake.tree(ALICE) != tree
    (tmp_path / "meta/flake.lock").write_text('{"newer": true}')
    assert flake.base() != base
    newer = flake_in(tmp_path, FlakeInputs("github:a/hive/v2", URLS.nixpkgs, URLS.nixpkgs_unstable))
    assert newer.base() != base


async def test_ten_agents_at_once_are_ten_commits(tmp_path: Path) -> None:
    flake = flake_in(tmp_path)
    names = [AgentName(f"a{number}") for number in range(10)]
    await asyncio.gather(*(flake.put(name, None) for name in names))
    assert len(await log(tmp_path)) == 10
    text = (tmp_path / "meta/flake.nix").read_text()
    assert all(f'"{name}" = agent' in text for name in names)


async def test_what_a_killed_run_left_behind_does_not_block_the_next(tmp_path: Path) -> None:
    flake = flake_in(tmp_path)
    await flake.put(ALICE, None)
    for lock in ("index.lock", "HEAD.lock", "refs/heads/main.lock"):
        (tmp_path / "meta/.git" / lock).touch()
    (tmp_path / "meta/.making").mkdir()
    (tmp_path / "meta/.making/half").touch()
    (tmp_path / "meta/agents/alice/hive.nix").unlink()
    assert not await flake.put(ALICE, None)
    assert (tmp_path / "meta/agents/alice/hive.nix").exists()
    assert await flake.put(ALICE, config(tmp_path, agent_nix="{ }\n"))


async def test_a_repository_whose_making_was_cut_off_is_completed(tmp_path: Path) -> None:
    (tmp_path / "meta/.git/objects").mkdir(parents=True)
    (tmp_path / "meta").chmod(0o700)
    assert await flake_in(tmp_path).put(ALICE, None)
    assert await log(tmp_path) == ["Configure alice"]


async def test_nix_is_told_what_the_host_says_and_that_flakes_are_allowed(tmp_path: Path) -> None:
    said: list[object] = []

    async def recorded(argv: list[str], **options: object) -> Completed:
        said.append(options.get("env")) if argv[0] == "nix" else None
        return await no_nix(argv, **options)

    git = Git(recorded, "git", tmp_path / "meta")  # type: ignore[arg-type]
    nix_config = "access-tokens = x\nextra-experimental-features = nix-command flakes"
    flake = MetaFlake(URLS, git, recorded, nix_config=nix_config)  # type: ignore[arg-type]
    await flake.put(ALICE, None)
    assert said == [{"NIX_CONFIG": nix_config}]


@pytest.mark.needs("nix")
async def test_real_nix_evaluates_it_offline_on_a_stub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NIX_CONFIG", NIX_CONFIG)
    hive = tmp_path / "hive"
    (hive / "deploy").mkdir(parents=True)
    (hive / "deploy/nix").symlink_to(PROJECT / "deploy/nix")
    await _copy_project(hive)
    inputs = FlakeInputs(f"path:{hive}", f"path:{STUB}", f"path:{STUB}")
    flake = MetaFlake(inputs, Git(run, "git", tmp_path / "meta"), run)
    module = "{ pkgs, ... }: { environment.systemPackages = [ pkgs.jq ]; }\n"
    await flake.put(ALICE, config(tmp_path, agent_nix=module))
    await flake.put(BOB, None)
    alice = await _eval(await flake.reference(ALICE), "alice")
    bob = await _eval(await flake.reference(BOB), "bob")
    assert alice["host"] == "alice"
    assert bob["host"] == "bob"
    assert any(path.endswith("-jq") for path in alice["packages"])
    assert not any(path.endswith("-jq") for path in bob["packages"])
    assert any(path.endswith("-claude-code") for path in alice["packages"])
    assert alice["container"] is True


async def _copy_project(hive: Path) -> None:
    """Put beside each other what the project's flake reads: itself, the modules, pyproject files."""
    (hive / "deploy/nix").unlink()
    listed = await run(
        ["git", "-C", str(PROJECT), "ls-files", "-z", "--cached", "--others",
         "--exclude-standard", "flake.nix", "deploy", "*pyproject.toml"],
        timeout_s=20,
    )  # fmt: skip
    for name in listed.check().stdout.decode().split("\0"):
        source = PROJECT / name
        if name and source.is_file():
            (hive / name).parent.mkdir(parents=True, exist_ok=True)
            (hive / name).write_bytes(source.read_bytes())


async def _eval(reference: str, name: str) -> dict[str, Any]:
    flake = reference.removesuffix(f"#{name}")
    apply = (
        "s: { host = s.config.networking.hostName; container = s.config.boot.isNspawnContainer;"
        " packages = map toString s.config.environment.systemPackages;"
        " toplevel = s.config.system.build.toplevel.drvPath; }"
    )
    done = await run(
        ["nix", "eval", "--json", "--offline", f"{flake}#nixosConfigurations.{name}",
         "--apply", apply],
        timeout_s=60,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.check().stdout)
    return found
