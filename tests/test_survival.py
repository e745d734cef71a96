"""An agent of a real hive is killed in the middle of its work, inside its sandbox and without one."""

import asyncio
import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from hivetesting.harness import AGENT_PATTERN, AgentWatch
from hivetesting.hive import RunningHive, running_hive
from hivetesting.messages_api.rules import Rule, Rules
from hivetesting.messages_api.server import ScriptedMessagesApi
from hivetesting.messages_api.steps import ToolUse

pytestmark = pytest.mark.timeout(300)

# One process in a session of its own in the background, one in the foreground.
WORK = {"command": "setsid tail -f /dev/null & tail -f /dev/null"}
SANDBOXES = [pytest.param("auto", marks=pytest.mark.needs("bwrap")), "off"]


@pytest.fixture(params=SANDBOXES)
def hive(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RunningHive]:
    script = Rules(Rule(text="work", answer=[ToolUse("Bash", WORK)], times=1))
    with (
        ScriptedMessagesApi(script, agent_pattern=AGENT_PATTERN) as api,
        running_hive(tmp_path, api.base_url, extra={"HIVE_SANDBOX": request.param}) as running,
    ):
        said = running.hive("spawn", "alice", "--json")
        assert said.code == 0, said.err
        row = running.until_running("alice")
        assert row.sandboxed == (request.param == "auto")
        yield running


def family(hive: RunningHive) -> list[psutil.Process]:
    """Return everything that runs below what lifecycle has started for the agent."""
    pid = json.loads(hive.hive("status", "alice", "--json").out)["agent"]["pid"]
    try:
        first = psutil.Process(pid)
        return [first, *first.children(recursive=True)]
    except psutil.Error:
        return []  # it has ended, and is started again


def programs(processes: list[psutil.Process]) -> list[str]:
    names = []
    for process in processes:
        try:
            names.append(process.name())
        except psutil.Error:
            continue
    return names


async def eventually(true: Callable[[], bool], what: str) -> None:
    try:
        async with asyncio.timeout(60):
            while not await asyncio.to_thread(true):
                await asyncio.sleep(0.05)
    except TimeoutError as error:
        raise AssertionError(what) from error


async def test_a_killed_harness_takes_the_cli_and_its_shells_along_and_the_message_comes_again(
    hive: RunningHive,
) -> None:
    operator = await hive.connect()
    watch = await AgentWatch.begin(operator, "alice")
    said = await asyncio.to_thread(hive.hive, "send", "alice", "work", "--json")
    assert said.code == 0, said.err
    before: list[psutil.Process] = []

    def at_work() -> bool:
        before[:] = family(hive)
        return programs(before).count("tail") == 2

    await eventually(at_work, "it works")
    harness = next(
        process
        for process in before
        if "hive_harness" in process.cmdline() and process.name().startswith("python")
    )
    os.kill(harness.pid, signal.SIGKILL)
    await eventually(lambda: not any(map(runs, before)), "nothing of it runs on")
    started = await watch.until(
        lambda event: event.kind == "turn_started" and getattr(event.body, "redelivered", False)
    )
    message_id = getattr(started.body, "message_id", "")
    assert (await watch.turn_ended(message_id)).outcome == "answered"
    assert "tail" not in programs(await asyncio.to_thread(family, hive))
    await operator.client.close()
    assert json.loads(said.out)["ok"]


def runs(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running()) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
