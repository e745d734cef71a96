"""`hive up` and `hive down` with the real bus and the real services."""

import asyncio
import os
import re
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hivectl.supervisor.process_id import ProcessId, gone
from hivectl.supervisor.record import READY, Record, RecordFile
from hivetesting.commands import HiveCommand
from hivetesting.hive import RunningHive

NO_MODEL = "http://127.0.0.1:9"


@pytest.fixture
def stopped(tmp_path: Path) -> Iterator[RunningHive]:
    """A hive that is not up yet; whatever a test leaves of it is ended."""
    hive = RunningHive(tmp_path, NO_MODEL)
    yield hive
    hive.hive("down", "--timeout", "60")
    hive.stop()


@pytest.fixture
def hive(stopped: RunningHive) -> RunningHive:
    return stopped.start()


def record(hive: RunningHive) -> Record:
    found = RecordFile(hive.home).read()
    assert found is not None
    return found


async def until(holds: Callable[[], bool], what: str) -> None:
    """Await what happens in other processes."""
    try:
        async with asyncio.timeout(60):
            while not await asyncio.to_thread(holds):
                await asyncio.sleep(0.05)
    except TimeoutError:
        pytest.fail(f"in vain: {what}")


def pid_of(hive: RunningHive, agent: str) -> int:
    pid = hive.hive("status", agent, "--json").json["agent"]["pid"]
    assert isinstance(pid, int)
    return pid


def is_ready(hive: RunningHive) -> bool:
    found = RecordFile(hive.home).read()
    return found is not None and found.phase == READY and hive.hive("status").code == 0


async def test_a_hive_comes_up_once_and_goes_down_whole(hive: RunningHive) -> None:
    await until(lambda: is_ready(hive), "ready")
    link = re.search(r'"event":"hive_ready","url":"([^"]+)"', hive.log)
    assert link is not None
    assert link[1].startswith(f"http://127.0.0.1:{hive.dashboard_port}/#ticket=")
    again = hive.hive("up", "--json")
    assert again.code == 3
    assert again.json["error"]["code"] == "already_up"
    assert str(record(hive).supervisor.pid) in again.json["error"]["message"]
    left = list(record(hive).children.values())
    assert len(left) == 4
    down = await asyncio.to_thread(hive.hive, "down")
    assert down.code == 0
    assert down.out == "the hive is down\n"
    assert "stopping agents" in down.err
    assert hive.stop() == 0
    assert not any(child.alive for child in left)
    assert RecordFile(hive.home).read() is None
    assert hive.hive("down").out == "no `hive up` runs this hive\n"


async def test_whatever_dies_comes_back(hive: RunningHive) -> None:
    await until(lambda: is_ready(hive), "ready")
    before = dict(record(hive).children)
    for name in ("lifecycle", "approvals", "dashboard", "bus"):
        os.kill(before[name].pid, signal.SIGKILL)
    await until(
        lambda: len(record(hive).children) == 4 and is_ready(hive)
        and not set(before.values()) & set(record(hive).children.values()),
        "all four come back",
    )  # fmt: skip
    assert '"event":"child_ended"' in hive.log


async def test_a_killed_supervisor_leaves_agents_alone_and_can_be_succeeded(
    hive: RunningHive,
) -> None:
    assert (await asyncio.to_thread(hive.hive, "spawn", "alice")).code == 0
    agent = pid_of(hive, "alice")
    dead = record(hive)
    os.kill(dead.supervisor.pid, signal.SIGKILL)
    assert await gone([dead.supervisor, *dead.children.values()], 20)
    assert ProcessId.of(agent) is not None
    await asyncio.to_thread(hive.start)
    assert pid_of(hive, "alice") == agent
    os.kill(record(hive).supervisor.pid, signal.SIGKILL)
    left = list(record(hive).children.values())
    down = await asyncio.to_thread(hive.hive, "down")
    assert down.code == 0
    assert "had left" in down.out
    assert not any(child.alive for child in left)
    assert ProcessId.of(agent) is None


async def test_a_second_signal_hurries_and_agents_go_on(hive: RunningHive) -> None:
    assert (await asyncio.to_thread(hive.hive, "spawn", "alice")).code == 0
    agent = pid_of(hive, "alice")
    down = await asyncio.to_thread(hive.hive, "down", "--now")
    assert down.code == 0
    assert not hive.processes("hive_lifecycle")
    assert ProcessId.of(agent) is not None
    await asyncio.to_thread(hive.start)
    assert pid_of(hive, "alice") == agent


async def test_a_port_that_is_taken_for_a_while_is_waited_for(stopped: RunningHive) -> None:
    with socket.create_server(("127.0.0.1", stopped.bus.port)):
        starting = asyncio.ensure_future(asyncio.to_thread(stopped.start))
        log = stopped.root / "up.log"
        await until(lambda: log.exists() and "port_taken" in stopped.log, "it says that it waits")
        assert f'"port":{stopped.bus.port},"option":"HIVE_NATS_URL"' in stopped.log
    await starting
    assert stopped.hive("status").code == 0


async def test_in_the_background_it_prints_the_link_and_goes_on(stopped: RunningHive) -> None:
    up = await asyncio.to_thread(stopped.hive, "up", "--detach", "--json")
    assert up.code == 0, up.err
    assert f":{stopped.dashboard_port}/#ticket=" in up.json["url"]
    assert record(stopped).supervisor.pid == up.json["pid"]
    again = stopped.hive("up", "-d")
    assert again.code == 3
    assert "another `hive up` runs this hive" in again.err
    assert stopped.hive("down").code == 0


def test_what_keeps_it_from_starting_is_told(stopped: RunningHive) -> None:
    home = stopped.home.root
    home.mkdir(parents=True)
    (home / "bus").write_text("a file where a directory belongs")
    for arguments in (("up",), ("up", "-d")):
        said = stopped.hive(*arguments)
        assert said.code == 1
        assert "error: " in said.err
        assert "Traceback" not in said.err
    assert stopped.hive("status").code == 1


def test_on_a_terminal_it_speaks_to_a_human(stopped: RunningHive) -> None:
    command = HiveCommand(stopped.environment)
    with command.on_terminal("up") as screen:
        shown = screen.until("Ctrl-C stops everything")
        assert "http://127.0.0.1" in shown
        assert "hive spawn alice" in shown
        assert '{"' not in shown
        screen.process.send_signal(signal.SIGINT)
        assert "stopping_the_bus" in screen.until("stopping_the_bus")
        assert screen.process.wait(30) == 0
