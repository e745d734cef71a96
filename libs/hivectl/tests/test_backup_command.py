"""`hive backup` and `hive restore` as they are typed."""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from hivecommon.command import run
from hivetesting.broker import running_broker
from hivetesting.commands import Said, environ_of
from hivetesting.hive import hive_command

Line = Callable[[str], Awaitable[Said]]


@pytest.fixture
def sh(tmp_path: Path) -> Line:
    """Runs a line of the shell for a hive of which the bus has run once."""
    with running_broker(tmp_path / "hive") as broker:
        environ = environ_of(broker)
    environ["PATH"] = f"{Path(hive_command()).parent}:{os.defpath}"

    async def run_line(line: str) -> Said:
        done = await run(["sh", "-c", line], timeout_s=60, env=environ)
        return Said(done.code, done.stdout.decode(), done.stderr.decode())

    return run_line


async def test_a_backup_goes_through_a_pipe(sh: Line, tmp_path: Path) -> None:
    said = await sh(f"hive backup - | HIVE_HOME={tmp_path}/other hive restore -")
    assert said.code == 0, said.err
    assert (tmp_path / "other/keys/operators/tester.nk").is_file()
    assert "next: hive up" in said.err


@pytest.mark.parametrize(
    ("line", "status", "says"),
    [
        ("hive backup - > /dev/full", 1, "No space left"),
        ("hive backup - --json", 2, "cannot be shown"),
        ("hive backup $HIVE_HOME/mine.tar.gz", 2, "lies in the hive itself"),
        ("hive backup /no/such/place", 2, "cannot write to /no/such"),
        ("touch $HOME.x; hive backup $HOME.x", 3, "exists"),
        ("HIVE_HOME=/no/hive hive backup -", 1, "there is no hive in /no/hive"),
        ("hive restore $HIVE_HOME.none", 2, "No such file"),
        ("hive backup $HOME.b; hive restore $HOME.b", 3, "is not empty"),
        (
            "hive backup $HOME.b; HIVE_HOME=/proc/none/hive hive restore $HOME.b",
            1,
            "cannot restore",
        ),
    ],
)
async def test_what_cannot_be_is_said_with_what_to_do(
    line: str, status: int, says: str, sh: Line
) -> None:
    said = await sh(line)
    assert said.code == status, said
    assert says in said.err
    assert "hint: " in said.err
    assert "Traceback" not in said.err


def names_in(directory: Path) -> list[str]:
    return [file.name for file in directory.iterdir()]


async def test_a_backup_appears_only_when_it_is_whole(sh: Line, tmp_path: Path) -> None:
    (tmp_path / "hive/approvals.sqlite").write_text("no database, but long enough to be read" * 99)
    said = await sh(f"hive backup {tmp_path}/b --json")
    assert said.code == 1
    assert '"bad_database"' in said.out
    assert names_in(tmp_path) == ["hive"]


async def test_what_could_not_be_read_makes_a_backup_that_says_it_is_incomplete(
    sh: Line, tmp_path: Path
) -> None:
    state = tmp_path / "hive/agents/alice/state"
    state.mkdir(parents=True)
    (state / "hyperhive-events.sqlite").symlink_to("/etc/passwd")
    said = await sh(f"hive backup {tmp_path}/b")
    assert said.code == 1
    assert "agents/alice/state/hyperhive-events.sqlite" in said.err
    assert "error: 1 files could not be read" in said.err
    assert (tmp_path / "b").is_file()
