"""How large the CLI is, read from the real /proc."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hive_harness.memory import cli_bytes
from hivecommon.command import base_environment, start_detached

# A keeper with a CLI of 64 MiB, which has started a program of 128 MiB.
KEEPER = """
import os, time
def hold(size):
    held = bytearray(size)
    for place in range(0, size, 4096):
        held[place] = 1
    return held
if os.fork() == 0:
    held = hold(64 << 20)
    if os.fork() == 0:
        more = hold(64 << 20)
        print("ready", flush=True)
    time.sleep(600)
time.sleep(600)
"""


@pytest.fixture
async def keeper(tmp_path: Path) -> AsyncIterator[None]:
    script, output = tmp_path / "keeper.py", tmp_path / "out"
    script.write_text(KEEPER)
    argv = [sys.executable, str(script)]
    process = await start_detached(argv, env=base_environment(), cwd=tmp_path, output=output)
    async with asyncio.timeout(60):
        while "ready" not in output.read_text():
            await asyncio.sleep(0.02)
    yield
    os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def test_without_a_cli_there_is_nothing_to_measure() -> None:
    assert cli_bytes(os.getpid()) == 0


@pytest.mark.usefixtures("keeper")
async def test_the_cli_below_the_keeper_is_measured_and_not_what_it_has_started() -> None:
    assert 64 << 20 < cli_bytes(os.getpid()) < 110 << 20


def test_a_process_that_is_gone_is_no_error(tmp_path: Path) -> None:
    assert cli_bytes(1, proc=tmp_path) == 0
