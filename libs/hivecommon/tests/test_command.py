"""The door to other programs."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from hivecommon.command import converse, run
from hivecommon.errors import HiveError

PYTHON = sys.executable


async def test_a_program_runs_with_its_input_and_says_what_it_said() -> None:
    done = await run(
        [PYTHON, "-c", "import sys; print(sys.stdin.read()[::-1])"], timeout_s=10, stdin=b"abc"
    )
    assert (done.code, done.stdout) == (0, b"cba\n")


async def test_a_failed_program_is_told_with_its_last_words() -> None:
    done = await run([PYTHON, "-c", "import sys; sys.exit('no such thing')"], timeout_s=10)
    with pytest.raises(HiveError, match="status 1: no such thing"):
        done.check()


async def test_no_secret_of_ours_is_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-secret")
    done = await run([PYTHON, "-c", "import os; print(os.environ)"], timeout_s=10)
    assert b"sk-secret" not in done.stdout


async def test_a_missing_program_is_an_error_that_names_it() -> None:
    with pytest.raises(HiveError, match="no-such-program"):
        await run(["no-such-program"], timeout_s=1)


GRANDCHILD = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open(sys.argv[1], "w").write(str(child.pid))
time.sleep(600)
"""


def _runs(pid: int) -> bool:
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


async def test_after_the_deadline_nothing_of_it_runs_on(tmp_path: Path) -> None:
    with pytest.raises(HiveError, match="did not end within"):
        await run([PYTHON, "-c", GRANDCHILD, str(tmp_path / "pid")], timeout_s=1)
    child = int((tmp_path / "pid").read_text())
    await until(lambda: not _runs(child))


async def test_a_cancelled_run_leaves_nothing_behind(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    async with asyncio.TaskGroup() as group:
        task = group.create_task(run([PYTHON, "-c", GRANDCHILD, str(file)], timeout_s=60))
        await until(lambda: file.exists() and file.read_text() != "")
        task.cancel()
    child = int(file.read_text())
    await until(lambda: not _runs(child))


async def test_a_program_that_never_stops_talking_is_ended() -> None:
    with pytest.raises(HiveError) as caught:
        await run(["yes"], timeout_s=30)
    assert caught.value.code == "output_too_large"


async def test_input_that_nobody_reads_is_no_error() -> None:
    done = await run(["true"], timeout_s=10, stdin=b"x" * (1 << 20))
    assert done.code == 0


async def test_a_dialogue_hears_both_outputs_and_is_heard() -> None:
    script = "echo asked >&2; read answer; echo got $answer; read more; exit 3"
    async with converse(["/bin/sh", "-c", script], {"SEEN": "1"}) as dialogue:
        assert await dialogue.read() == "asked\n"
        await dialogue.say("this")
        assert await dialogue.read() == "got this\n"
        await dialogue.say("")
        assert await dialogue.read() == ""
        assert await dialogue.status() == 3
        await dialogue.say("nobody hears this")


async def test_the_end_of_a_dialogue_is_the_end_of_its_whole_group() -> None:
    script = "(exec sleep 600) & echo $!; wait"
    async with converse(["/bin/sh", "-c", script], {}) as dialogue:
        child = int(await dialogue.read())
        assert psutil.pid_exists(child)
    # Killed at once; its new parent may take a moment to reap it.
    async with asyncio.timeout(10):
        while psutil.pid_exists(child) and psutil.Process(child).status() != psutil.STATUS_ZOMBIE:
            await asyncio.sleep(0.05)


async def test_a_dialogue_with_a_program_that_is_not_there_is_refused() -> None:
    with pytest.raises(HiveError) as refused:
        async with converse(["/nowhere/at/all"], {}):
            pass
    assert refused.value.code == "no_command"
