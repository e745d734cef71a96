"""An agent's directories: made, found, moved and removed, whatever was planted in their place."""

import stat
from pathlib import Path

import pytest
from hive_lifecycle import agent_files
from hivecommon.command import run
from hivecommon.environment import HiveEnvironment, read_environment
from hivecommon.errors import HiveError
from hivecommon.names import AgentName

ALICE, BOB = AgentName("alice"), AgentName("bob")


@pytest.fixture
def hive(tmp_path: Path) -> HiveEnvironment:
    """The environment of a hive below a temporary directory."""
    variables = {"HIVE_HOME": str(tmp_path / "home"), "HIVE_RUN": str(tmp_path / "run")}
    return read_environment(variables, uid=0)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A file that no agent may reach."""
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("ours")
    return precious


def test_directories_are_made_private_and_found_the_second_time(hive: HiveEnvironment) -> None:
    assert agent_files.make_directories(hive, ALICE)
    assert not agent_files.make_directories(hive, ALICE)
    for directory in (hive.home.state(ALICE), hive.home.claude(ALICE), hive.run.agent(ALICE)):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700


@pytest.mark.parametrize("place", ["agents", "agents/alice", "agents/alice/state"])
def test_a_link_planted_at_a_directory_is_no_state_and_is_not_used(
    hive: HiveEnvironment, outside: Path, place: str
) -> None:
    planted = hive.home.root / place
    planted.parent.mkdir(parents=True)
    planted.symlink_to(outside)
    for inner in ("alice", "alice/state", "state"):
        (outside / inner).mkdir(exist_ok=True)
    assert not agent_files.has_state(hive.home, ALICE)
    with pytest.raises(HiveError) as caught:
        agent_files.make_directories(hive, ALICE)
    assert caught.value.code == "unsafe_dir"


async def test_a_purge_removes_links_and_not_what_they_point_to(
    hive: HiveEnvironment, outside: Path
) -> None:
    agent_files.make_directories(hive, ALICE)
    (hive.home.state(ALICE) / "link").symlink_to(outside)
    (hive.home.state(ALICE) / "file").symlink_to(outside / "file")
    assert await agent_files.purge(hive.home, ALICE, run)
    assert not hive.home.agent(ALICE).exists()
    assert (outside / "file").read_text() == "ours"
    assert not await agent_files.purge(hive.home, ALICE, run)


async def test_a_purge_of_a_link_is_refused(hive: HiveEnvironment, outside: Path) -> None:
    hive.home.agents.mkdir(parents=True)
    hive.home.agent(ALICE).symlink_to(outside)
    with pytest.raises(HiveError) as caught:
        await agent_files.purge(hive.home, ALICE, run)
    assert caught.value.code == "unsafe_dir"
    assert (outside / "file").read_text() == "ours"


async def test_a_purge_copes_with_deep_and_read_only_trees(hive: HiveEnvironment) -> None:
    agent_files.make_directories(hive, ALICE)
    script = (
        "import os\nfor _ in range(3000):\n    os.mkdir('d')\n    os.chdir('d')\n"
        "open('file', 'w').close()\nos.chmod('.', 0o555)"
    )
    deep = await run(["python3", "-c", script], timeout_s=30, cwd=hive.home.state(ALICE))
    deep.check()
    hive.home.state(ALICE).chmod(0o500)
    assert await agent_files.purge(hive.home, ALICE, run)
    assert not hive.home.agent(ALICE).exists()


def test_a_move_takes_everything_along_and_may_be_repeated(hive: HiveEnvironment) -> None:
    agent_files.make_directories(hive, ALICE)
    (hive.home.state(ALICE) / "notes.md").write_text("remember")
    assert agent_files.move(hive.home, ALICE, BOB)
    assert not agent_files.move(hive.home, ALICE, BOB)
    assert (hive.home.state(BOB) / "notes.md").read_text() == "remember"
    assert not hive.home.agent(ALICE).exists()


def test_a_move_overwrites_nothing(hive: HiveEnvironment) -> None:
    for name in (ALICE, BOB):
        agent_files.make_directories(hive, name)
    (hive.home.state(BOB) / "notes.md").write_text("bob's")
    with pytest.raises(HiveError) as caught:
        agent_files.move(hive.home, ALICE, BOB)
    assert caught.value.code == "kept_state"
    assert (hive.home.state(BOB) / "notes.md").read_text() == "bob's"
    assert hive.home.state(ALICE).exists()


def test_a_move_does_not_follow_a_link(hive: HiveEnvironment, outside: Path) -> None:
    hive.home.agents.mkdir(parents=True)
    hive.home.agent(ALICE).symlink_to(outside)
    with pytest.raises(HiveError) as caught:
        agent_files.move(hive.home, ALICE, BOB)
    assert caught.value.code == "unsafe_dir"
