"""Nothing outlives the CLI or the harness: tried with a shell in the CLI's place."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import hive_harness
import pytest
from hive_harness.orphans import MARK, kill_orphans

PACKAGE = Path(hive_harness.__file__).parent
# What a CLI leaves behind: a child, one in a session of its own, an orphan of an orphan.
LITTER = "tail -f /dev/null & setsid tail -f /dev/null & (setsid sh -c 'tail -f /dev/null &' &) ; "


async def launch(tmp_path: Path, script: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(  # noqa: TID251 - as the SDK starts it
        PACKAGE / "claude-kept", "-c", script,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={
            "PATH": os.environ["PATH"],  # noqa: TID251 - a child's
            "HIVE_KEEPER": str(PACKAGE / "keeper.py"),
            "HIVE_KEEPER_PYTHON": sys.executable,
            "HIVE_KEEPER_PARENT": str(os.getpid()),
            "HIVE_KEEPER_CLI": "/bin/sh",
            MARK: str(tmp_path),
        },
    )  # fmt: skip


def marked(tmp_path: Path) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if f"{MARK}={tmp_path}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except (OSError, ValueError):
            continue
    return found


async def until_there(tmp_path: Path) -> None:
    """Wait for the keeper, the shell and its litter."""
    async with asyncio.timeout(20):
        while len(marked(tmp_path)) < 5:
            await asyncio.sleep(0.02)


async def until_gone(tmp_path: Path) -> None:
    async with asyncio.timeout(20):
        while marked(tmp_path):
            await asyncio.sleep(0.02)


async def test_input_output_and_exit_status_go_through(tmp_path: Path) -> None:
    process = await launch(tmp_path, "read line; echo got $line; echo oops >&2; exit 7")
    out, err = await process.communicate(b"hello\n")
    assert (process.returncode, out, err) == (7, b"got hello\n", b"oops\n")


async def test_the_end_of_the_input_reaches_the_cli(tmp_path: Path) -> None:
    process = await launch(tmp_path, "cat; echo over")
    out, _ = await process.communicate(b"x\n")
    assert out == b"x\nover\n"


async def test_what_the_cli_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    process = await launch(tmp_path, f"{LITTER} echo ready; read line")
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    await until_there(tmp_path)
    await process.communicate(b"\n")
    await until_gone(tmp_path)


async def test_a_cli_that_is_killed_is_reported_so_and_takes_all_along(tmp_path: Path) -> None:
    process = await launch(tmp_path, f"{LITTER} kill -9 $$")
    await process.communicate()
    assert process.returncode == -signal.SIGKILL
    await until_gone(tmp_path)


async def test_a_request_to_end_reaches_the_cli(tmp_path: Path) -> None:
    process = await launch(
        tmp_path, f"trap 'exit 3' TERM; {LITTER} echo ready; while :; do sleep 0.05; done"
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    process.terminate()
    assert await process.wait() == 3
    await until_gone(tmp_path)


async def test_when_whoever_started_it_dies_everything_ends(tmp_path: Path) -> None:
    starter = (
        "import os, subprocess, sys\n"
        "os.environ['HIVE_KEEPER_PARENT'] = str(os.getpid())\n"
        f"command = [{str(PACKAGE / 'claude-kept')!r}, '-c', sys.argv[1]]\n"
        "p = subprocess.Popen(command, stdout=subprocess.PIPE)\n"
        "print(p.stdout.readline().decode(), flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    process = await asyncio.create_subprocess_exec(  # noqa: TID251 - it is to die, not to be run
        sys.executable, "-c", starter, f"{LITTER} echo ready; tail -f /dev/null",
        stdout=asyncio.subprocess.PIPE,
        env={
            "PATH": os.environ["PATH"],  # noqa: TID251 - a child's
            "HIVE_KEEPER": str(PACKAGE / "keeper.py"),
            "HIVE_KEEPER_PYTHON": sys.executable,
            "HIVE_KEEPER_CLI": "/bin/sh",
            MARK: str(tmp_path),
        },
    )  # fmt: skip
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    await process.wait()
    await until_gone(tmp_path)


async def test_a_missing_cli_is_said(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(  # noqa: TID251 - as above
        sys.executable, PACKAGE / "keeper.py", str(os.getpid()), "/no/such/claude",
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, err = await process.communicate()
    assert process.returncode == 127
    assert b"cannot run /no/such/claude: No such file" in err


async def test_orphans_of_an_earlier_harness_are_found_by_their_mark(tmp_path: Path) -> None:
    process = await launch(tmp_path, f"{LITTER} tail -f /dev/null")
    await until_there(tmp_path)
    assert kill_orphans(tmp_path / "other") == 0
    assert kill_orphans(tmp_path) >= 5
    await process.wait()
    await until_gone(tmp_path)


@pytest.mark.parametrize("name", ["claude-kept"])
def test_the_launcher_can_be_run(name: str) -> None:
    assert os.access(PACKAGE / name, os.X_OK)
