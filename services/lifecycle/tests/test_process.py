"""Processes that are not ours to wait for: told apart, watched, signalled, killed with all they started."""

# ruff: noqa: ASYNC221, TID251, S603, S607 - real processes are the subject
import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import msgspec
import pytest
from hive_lifecycle import process
from hive_lifecycle.process import EndWatch, ProcessId

MARK = "HIVE_TEST_MARK"


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process that sleeps for a long time."""
    with subprocess.Popen(["sleep", "1000"]) as running:
        yield running
        running.kill()


def known(running: subprocess.Popen[bytes]) -> ProcessId:
    found = process.identify(running.pid)
    assert found is not None
    return found


def test_a_running_process_is_alive(sleeper: subprocess.Popen[bytes]) -> None:
    assert process.is_alive(known(sleeper))


def test_a_number_that_was_given_to_another_process_is_not_the_same(
    sleeper: subprocess.Popen[bytes],
) -> None:
    earlier = msgspec.structs.replace(known(sleeper), start_ticks=known(sleeper).start_ticks - 1)
    assert not process.is_alive(earlier)
    assert not process.send_signal(earlier, signal.SIGKILL)
    assert process.is_alive(known(sleeper))


def test_a_process_of_an_earlier_boot_is_not_alive(sleeper: subprocess.Popen[bytes]) -> None:
    assert not process.is_alive(msgspec.structs.replace(known(sleeper), boot_id="another"))


async def test_a_dead_process_that_nobody_has_reaped_is_gone(
    sleeper: subprocess.Popen[bytes],
) -> None:
    one = known(sleeper)
    assert process.send_signal(one, signal.SIGKILL)
    assert await process.wait_until_gone(one, 5)
    assert process.identify(sleeper.pid) is None
    assert sleeper.poll() is not None


async def test_waiting_ends_at_its_deadline(sleeper: subprocess.Popen[bytes]) -> None:
    assert not await process.wait_until_gone(known(sleeper), 0.01)


def test_a_name_with_parentheses_and_spaces_is_no_trouble() -> None:
    code = (
        "import ctypes, sys; ctypes.CDLL(None).prctl(15, b'a) Z 1 (b', 0, 0, 0);"
        "print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as odd:
        assert odd.stdout is not None
        odd.stdout.readline()
        found = process.identify(odd.pid)
        assert found is not None
        assert found.start_ticks >= known_start_of_this_process()
        odd.kill()


def known_start_of_this_process() -> int:
    found = process.identify(os.getpid())
    assert found is not None
    return found.start_ticks


async def test_all_marked_processes_are_killed_also_those_that_left_the_session() -> None:
    code = "import subprocess; subprocess.Popen(['sleep', '1000'], start_new_session=True); print()"
    value = f"test-{os.getpid()}"
    environment = {**os.environ, MARK: value}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    (left,) = process.marked_with(MARK, value)
    await process.kill_all([], (MARK, value), 5)
    assert not process.is_alive(left)
    assert process.marked_with(MARK, value) == []


async def test_the_end_of_a_watched_process_is_told_once(
    sleeper: subprocess.Popen[bytes],
) -> None:
    watch = EndWatch()
    watch.add("alice", known(sleeper))
    watch.add("alice", known(sleeper))
    sleeper.kill()
    async with asyncio.timeout(5):
        assert await watch.ended.get() == "alice"
    assert watch.ended.empty()
    watch.close()


async def test_a_process_that_ended_before_is_told_of_at_once(
    sleeper: subprocess.Popen[bytes],
) -> None:
    watch, gone = EndWatch(), known(sleeper)
    sleeper.kill()
    sleeper.wait()
    watch.add("alice", gone)
    assert watch.ended.get_nowait() == "alice"


async def test_a_process_that_is_watched_no_longer_is_not_told_of(
    sleeper: subprocess.Popen[bytes],
) -> None:
    watch, one = EndWatch(), known(sleeper)
    watch.add("alice", one)
    watch.close()
    sleeper.kill()
    assert await process.wait_until_gone(one, 5)
    assert watch.ended.empty()
