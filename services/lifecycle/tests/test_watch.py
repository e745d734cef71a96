"""Crashes, kill -9 and restarts: of agents, of lifecycle in the middle of a job, of the bus."""

import asyncio
import json
import os
import signal

from hivecommon.contracts.jobs import JobState
from hivecommon.contracts.lifecycle import Destroy, ListAgents, Restart, Spawn, Stop
from hivecommon.contracts.roster import ContainerState, RosterRow
from hivecommon.names import AgentName

from services.lifecycle.tests.conftest import Hive

ALICE = AgentName("alice")


def runs(row: RosterRow) -> bool:
    return row.state is ContainerState.RUNNING


async def kill(hive: Hive, name: str) -> int:
    pid = (await hive.row(name)).pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    return pid


async def test_an_agent_that_dies_unasked_is_told_of_and_comes_back(hive: Hive) -> None:
    await hive.spawn("alice")
    dead = await kill(hive, "alice")
    crash = await hive.happenings.wait_for("alice", "crashed")
    assert "SIGKILL" in crash.detail
    await hive.happenings.wait_for("alice", "restarted")
    row = await hive.until("alice", runs)
    assert row.pid != dead
    assert row.restarts == 1
    assert [one.what for one in hive.happenings.all].count("crashed") == 1


async def test_one_that_dies_again_and_again_is_tried_ever_more_slowly_and_stopping_it_ends_that(
    hive: Hive,
) -> None:
    await hive.spawn("alice")
    hive.behave("alice", "die-at-start")
    await kill(hive, "alice")
    crashes = [await hive.happenings.wait_for("alice", "crashed", count) for count in (1, 2)]
    assert [crash.detail.rsplit(" again in ", 1)[1] for crash in crashes] == ["1 s", "2 s"]
    assert "the notes are gone" in crashes[1].detail
    row = await hive.row("alice")
    assert row.state is ContainerState.FAILED
    assert "the notes are gone" in row.note
    await hive.done(await hive.operator.request(Stop(agent="alice")))
    assert (await hive.row("alice")).state is ContainerState.STOPPED


async def test_a_spawn_of_an_agent_that_does_not_live_fails_with_its_last_words(
    hive: Hive,
) -> None:
    hive.behave("alice", "die-at-start")
    job = await hive.ended(await hive.operator.request(Spawn(agent="alice")))
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert job.error.code == "start_failed"
    assert "the notes are gone" in job.error.message


async def test_agents_outlive_lifecycle_and_a_stop_works_under_the_next_one(hive: Hive) -> None:
    await hive.spawn("alice")
    before = after = await hive.until("alice", lambda row: row.harness.status_text != "")
    for number in (signal.SIGTERM, signal.SIGKILL):
        await asyncio.to_thread(hive.end_lifecycle, number)
        hive.start_lifecycle()
        after = await hive.row("alice")
        assert (after.pid, after.since, after.state) == (before.pid, before.since, before.state)
    assert after.harness.status_text == before.harness.status_text
    await hive.done(await hive.operator.request(Stop(agent="alice")))
    assert not [one for one in hive.happenings.all if one.what == "crashed"]


async def test_a_crash_while_lifecycle_is_away_is_told_of_by_the_next_one_once(
    hive: Hive,
) -> None:
    await hive.spawn("alice")
    await asyncio.to_thread(hive.end_lifecycle, signal.SIGKILL)
    record = hive.environment.home.root / "local" / "alice.json"
    os.kill(json.loads(record.read_text())["harness"]["pid"], signal.SIGKILL)
    hive.start_lifecycle()
    await hive.happenings.wait_for("alice", "restarted")
    await asyncio.to_thread(hive.end_lifecycle, signal.SIGKILL)
    hive.start_lifecycle()
    assert runs(await hive.row("alice"))
    assert [one.what for one in hive.happenings.all].count("crashed") == 1


async def test_a_job_that_kill_9_cuts_off_is_finished_by_the_next_lifecycle(hive: Hive) -> None:
    hive.behave("alice", "keep-silent")  # so that the job waits in its middle
    accepted = await hive.operator.request(Spawn(agent="alice"))
    running = await hive.until("alice", runs)
    await asyncio.to_thread(hive.end_lifecycle, signal.SIGKILL)
    (hive.environment.home.state(ALICE) / "keep-silent").unlink()
    hive.start_lifecycle()
    job = await hive.done(accepted)
    assert "begun again" in " ".join(step.text for step in job.steps)
    assert (await hive.row("alice")).pid == running.pid
    assert len(hive.approvals.records) == 1


async def test_jobs_that_wait_are_not_lost_by_kill_9_and_keep_their_order(hive: Hive) -> None:
    await hive.spawn("alice")
    hive.behave("alice", "keep-silent")
    restart = await hive.operator.request(Restart(agent="alice"))
    destroy = await hive.operator.request(Destroy(agent="alice"))
    await asyncio.to_thread(hive.end_lifecycle, signal.SIGKILL)
    (hive.environment.home.state(ALICE) / "keep-silent").unlink()
    hive.start_lifecycle()
    first, second = await hive.ended(restart), await hive.done(destroy)
    assert first.ended_at is not None
    assert second.started_at is not None
    assert first.ended_at <= second.started_at
    assert await hive.names() == []


async def test_a_job_that_is_cut_off_three_times_is_failed_with_the_reason(hive: Hive) -> None:
    await hive.spawn("alice")
    hive.behave("alice", "keep-silent")  # so that each restart waits in its middle
    pids = {(await hive.row("alice")).pid}
    accepted = await hive.operator.request(Restart(agent="alice"))
    for _ in range(3):
        row = await hive.until("alice", lambda row: runs(row) and row.pid not in pids)
        pids.add(row.pid)
        await asyncio.to_thread(hive.end_lifecycle, signal.SIGKILL)
        hive.start_lifecycle()
    job = await hive.ended(accepted)
    assert job.error is not None
    assert job.error.code == "interrupted"
    assert "3 times" in job.error.message


async def test_after_stop_agents_the_next_lifecycle_brings_up_what_was_wanted(hive: Hive) -> None:
    await hive.spawn("alice")
    await hive.spawn("bob")
    await hive.done(await hive.operator.request(Stop(agent="bob")))
    before = await hive.row("alice")
    await asyncio.to_thread(hive.end_lifecycle, signal.SIGTERM)
    stopped = await asyncio.to_thread(hive.offline, "stop-agents")
    assert (stopped.returncode, stopped.stderr) == (0, "")
    hive.start_lifecycle()
    row = await hive.until("alice", runs)
    assert row.pid != before.pid
    assert (await hive.row("bob")).state is ContainerState.STOPPED
    assert not [one for one in hive.happenings.all if one.what == "crashed"]


async def test_the_manager_is_made_at_the_first_start_only(hive: Hive) -> None:
    await hive.operator.request(ListAgents())
    await asyncio.to_thread(hive.end_lifecycle, signal.SIGTERM)
    hive.environ["HIVE_MANAGER"] = "on"
    hive.start_lifecycle()
    row = await hive.until("hm1nd", runs)
    assert (row.manager, row.port) == (True, 8000)
    await hive.done(await hive.operator.request(Destroy(agent="hm1nd")))
    await asyncio.to_thread(hive.end_lifecycle, signal.SIGTERM)
    hive.start_lifecycle()
    assert await hive.names() == []


async def test_a_second_lifecycle_of_the_same_hive_refuses_to_start(hive: Hive) -> None:
    await hive.operator.request(ListAgents())
    second = await asyncio.to_thread(hive.offline)
    assert second.returncode == 1
    assert "another lifecycle" in second.stderr
    assert await hive.names() == []


async def test_a_restart_of_the_bus_harms_no_agent_and_jobs_wait_for_it(hive: Hive) -> None:
    await hive.spawn("alice")
    before = await hive.row("alice")
    await asyncio.to_thread(hive.broker.kill)
    async with asyncio.timeout(10):
        while hive.operator.connected:
            await asyncio.sleep(0.01)
    await asyncio.to_thread(hive.broker.start)
    job = await hive.done(await hive.operator.request(Restart(agent="alice")))
    assert job.steps[-1].text == "its harness has reported"
    after = await hive.until("alice", lambda row: runs(row) and row.harness.status_text != "")
    assert after.pid != before.pid
