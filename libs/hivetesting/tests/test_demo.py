"""`make demo` tells its story to the end, and leaves nothing behind."""

import asyncio
import signal
import sys
from pathlib import Path

import psutil
import pytest
from hivecommon.command import run
from hivetesting.demo import FACT

pytestmark = [pytest.mark.timeout(400)]


def processes_of(directory: Path) -> list[str]:
    commands = [" ".join(found.info["cmdline"] or []) for found in psutil.process_iter(["cmdline"])]
    return [command for command in commands if str(directory) in command]


async def test_once_tells_the_story_and_ends(tmp_path: Path) -> None:
    told = await run(
        [sys.executable, "-m", "hivetesting.demo", "--once", "--directory", str(tmp_path)],
        timeout_s=380,
    )
    output = told.check().stdout.decode()
    assert "ada       writes to bob: How many moons does Mars have?" in output
    assert f"bob       writes to ada: {FACT}" in output
    assert "/#ticket=" in output
    assert (tmp_path / "hive/agents/ada/state/moons.md").read_text() == f"{FACT}\n"
    assert processes_of(tmp_path) == []


async def test_ctrl_c_ends_it_in_good_order(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hivetesting.demo", "--directory", str(tmp_path),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdout is not None
    seen = b""
    while b"dashboard  http" not in seen:
        line = await process.stdout.readline()
        assert line, seen.decode()
        seen += line
    process.send_signal(signal.SIGINT)
    rest = await process.stdout.read()
    assert await process.wait() == 0, (seen + rest).decode()
    assert processes_of(tmp_path) == []
