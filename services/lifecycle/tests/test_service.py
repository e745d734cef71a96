"""The operator's verbs over a real bus: lifecycle and the agents are processes of their own."""

import asyncio
import json
import signal
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hivecommon.broker import agent_key
from hivecommon.bus import Bus
from hivecommon.contracts.approvals import RecordSpawn
from hivecommon.contracts.base import Request
from hivecommon.contracts.inbox import InboxMessage
from hivecommon.contracts.jobs import CancelJob, GetJob, JobState, ListJobs, WaitJob
from hivecommon.contracts.lifecycle import (
    AgentLogs,
    AgentPower,
    AgentRoster,
    AgentSettings,
    ApprovalJob,
    Cap,
    CheckName,
    Destroy,
    ExecuteDestroy,
    ExecuteSpawn,
    FindStateDirs,
    GetStatus,
    ListAgents,
    Pause,
    PauseMyself,
    Rebuild,
    Restart,
    Resume,
    SetCap,
    Spawn,
    Start,
    Stop,
)
from hivecommon.contracts.operators import AddOperator, ListOperators, RemoveOperator
from hivecommon.contracts.roster import Activity, ContainerState
from hivecommon.errors import HiveError, Unavailable
from hivecommon.names import AgentName, agent_port

from services.lifecycle.tests.conftest import Hive

ALICE = AgentName("alice")


async def refusal(hive: Hive, request: Request[Any]) -> HiveError:
    with pytest.raises(HiveError) as caught:
        await hive.operator.request(request)
    return caught.value


async def test_a_spawned_agent_runs_is_known_and_is_recorded_as_the_operators_decision(
    hive: Hive,
) -> None:
    job = await hive.spawn("alice", AgentSettings(persona="a poet"))
    assert (job.state, job.requested_by, job.approval) == (JobState.DONE, "operator:tester", 1)
    assert job.steps[-1].text == "its harness has reported"
    (record,) = hive.approvals.records
    assert record == RecordSpawn(
        agent="alice", settings=AgentSettings(persona="a poet"), operator="tester"
    )
    row = await hive.until("alice", lambda row: row.harness.activity is Activity.IDLE)
    assert (row.state, row.wanted, row.port) == (ContainerState.RUNNING, "running", 8879)
    assert row.harness.status_text == ("reading" + "!" * 5000)[:500]
    config = json.loads((hive.environment.run.agent(ALICE) / "harness.json").read_text())
    assert (config["persona"], config["port"], config["manager"]) == ("a poet", 8879, False)


async def test_two_names_with_one_port_are_refused_with_both_names(hive: Hive) -> None:
    await hive.spawn("uma")
    error = await refusal(hive, Spawn(agent="victor"))
    assert error.code == "port_taken"
    assert "'uma'" in error.message
    assert "'victor'" in error.message
    assert "rename" in error.hint
    assert len(hive.approvals.records) == 1


MONITOR_PORT = 8222


@pytest.fixture
def hive_environ() -> dict[str, str]:
    """A monitor page among the agents' ports, where an operator may put it."""
    return {"HIVE_NATS_MONITOR_PORT": str(MONITOR_PORT)}


async def test_a_port_of_the_bus_is_taken_too(hive: Hive) -> None:
    names = (AgentName(f"agent{number}") for number in range(10_000))
    unlucky = next(name for name in names if agent_port(name) == MONITOR_PORT)
    error = await refusal(hive, Spawn(agent=unlucky))
    assert error.code == "port_taken"
    assert "HIVE_NATS_MONITOR_PORT" in error.message


WRONG = {
    b"nobody": "unknown_agent",
    b"../x": "bad_name",
    b"alice.*": "bad_name",
    b"much-too-long": "bad_name",
    b"operator": "reserved_name",
    b"": "bad_request",
    b'{"agent": "nobody", "force": true}': "bad_request",
}
VERBS = ("rebuild", "start", "stop", "restart", "destroy", "pause", "resume", "status")


async def test_whatever_is_wrong_is_answered_with_code_and_hint(hive: Hive) -> None:
    await hive.operator.request(ListAgents())
    for (payload, code), verb in product(WRONG.items(), VERBS):
        answer = await hive.operator.client.request(f"hive.{verb}", payload, timeout=5)
        error = json.loads(answer.data)["error"]
        assert (verb, payload, error["code"]) == (verb, payload, code)
        assert error["hint"]


async def test_two_identical_spawns_are_one_decision_and_one_job(hive: Hive) -> None:
    answers = await asyncio.gather(*(hive.operator.request(Spawn(agent="alice")) for _ in range(4)))
    assert len({answer.job for answer in answers}) == 1
    await hive.done(answers[0])
    assert len(hive.approvals.records) == 1


async def test_a_repeated_command_is_answered_with_its_first_job_and_another_with_its_id_refused(
    hive: Hive,
) -> None:
    await hive.spawn("alice")
    first = await hive.operator.request(Restart(agent="alice"), request_id="one")
    await hive.done(first)
    again = await hive.operator.request(Restart(agent="alice"), request_id="one")
    assert (again.job, again.state) == (first.job, JobState.DONE)
    with pytest.raises(HiveError) as caught:
        await hive.operator.request(Stop(agent="alice"), request_id="one")
    assert caught.value.code == "request_id_reused"


async def test_different_commands_on_one_agent_queue_and_a_waiting_one_can_be_cancelled(
    hive: Hive,
) -> None:
    await hive.spawn("alice")
    restart, stop, start = await asyncio.gather(
        hive.operator.request(Restart(agent="alice")),
        hive.operator.request(Stop(agent="alice")),
        hive.operator.request(Start(agent="alice")),
    )
    cancelled = await hive.operator.request(CancelJob(job=start.job))
    assert cancelled.job.state is JobState.CANCELLED
    first, second = await hive.done(restart), await hive.done(stop)
    assert first.ended_at is not None
    assert second.started_at is not None
    assert first.ended_at <= second.started_at
    assert (await hive.row("alice")).state is ContainerState.STOPPED
    assert (await refusal(hive, CancelJob(job=stop.job))).code == "too_late"
    listed = (await hive.operator.request(ListJobs(agent="alice", limit=3))).jobs
    assert [job.verb for job in listed] == ["start", "stop", "restart"]


async def test_a_stopped_agent_has_nothing_running_and_raises_no_alarm(hive: Hive) -> None:
    await hive.spawn("alice")
    pid = (await hive.row("alice")).pid
    await hive.done(await hive.operator.request(Stop(agent="alice")))
    row = await hive.row("alice")
    assert (row.state, row.wanted, row.pid) == (ContainerState.STOPPED, "stopped", None)
    assert row.harness.activity is Activity.AWAY
    assert not Path(f"/proc/{pid}").exists()  # noqa: ASYNC240 - /proc
    await hive.done(await hive.operator.request(Start(agent="alice")))
    await hive.happenings.wait_for("alice", "started")
    assert "crashed" not in {one.what for one in hive.happenings.all}


async def test_a_rebuild_repairs_what_is_missing_and_says_what_it_changed(hive: Hive) -> None:
    await hive.spawn("alice")
    agent_key(hive.environment.home, ALICE).unlink()
    run_directory = hive.environment.run.agent(ALICE)
    for file in run_directory.iterdir():
        file.unlink()
    run_directory.rmdir()
    job = await hive.done(await hive.operator.request(Rebuild(agent="alice")))
    steps = {step.text: step.changed for step in job.steps}
    assert steps["directories made"]
    assert steps["bus key made"]
    assert steps["its harness has reported"]
    again = await hive.done(await hive.operator.request(Rebuild(agent="alice")))
    assert not next(step for step in again.steps if step.text == "bus key in place").changed


async def test_a_rebuild_of_a_stopped_agent_leaves_it_stopped(hive: Hive) -> None:
    await hive.spawn("alice")
    await hive.done(await hive.operator.request(Stop(agent="alice")))
    await hive.done(await hive.operator.request(Rebuild(agent="alice")))
    assert (await hive.row("alice")).state is ContainerState.STOPPED


async def test_a_destroyed_agent_is_cut_off_and_its_notes_are_kept_for_a_revival(
    hive: Hive,
) -> None:
    await hive.spawn("alice")
    notes = hive.environment.home.state(ALICE) / "notes.md"
    notes.write_text("remember")
    login = hive.broker.agent_login("alice")
    await hive.done(await hive.operator.request(Destroy(agent="alice")))
    listed = await hive.operator.request(ListAgents())
    assert (listed.agents, listed.kept) == ([], ["alice"])
    with pytest.raises(Unavailable):
        await Bus.connect(login, patience_s=0.5)
    error = await refusal(hive, GetStatus(agent="alice"))
    assert error.code == "unknown_agent"
    assert "revives" in error.hint
    await hive.spawn("alice")
    assert notes.read_text() == "remember"
    assert (await hive.operator.request(ListAgents())).kept == []


async def test_purge_wipes_what_a_destroyed_agent_left_and_its_inbox(hive: Hive) -> None:
    await hive.spawn("alice")
    await hive.done(await hive.operator.request(Destroy(agent="alice")))
    await hive.done(await hive.operator.request(Destroy(agent="alice", purge=True)))
    assert not hive.environment.home.agent(ALICE).exists()
    lifecycle = await hive.connect(hive.broker.service_login("lifecycle"))
    assert await lifecycle.jetstream.consumers_info("INBOX") == []
    assert (await hive.operator.request(ListAgents())).kept == []
    error = await refusal(hive, Destroy(agent="alice", purge=True))
    assert error.code == "unknown_agent"


async def test_a_link_planted_at_the_state_directory_leads_nowhere(
    hive: Hive, tmp_path: Path
) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("ours")
    await hive.spawn("alice")
    await hive.done(await hive.operator.request(Stop(agent="alice")))
    state = hive.environment.home.state(ALICE)
    state.rename(state.with_name("elsewhere"))
    state.symlink_to(precious)
    job = await hive.ended(await hive.operator.request(Start(agent="alice")))
    assert job.error is not None
    assert job.error.code == "unsafe_dir"
    with pytest.raises(HiveError) as refused:
        await hive.operator.request(Destroy(agent="alice", purge=True))
    assert refused.value.code == "unsafe_dir"
    state.unlink()
    await hive.done(await hive.operator.request(Destroy(agent="alice", purge=True)))
    assert (precious / "file").read_text() == "ours"


async def test_pause_is_written_down_also_for_a_stopped_agent_and_reaches_a_running_one(
    hive: Hive,
) -> None:
    await hive.spawn("alice")
    told = hive.environment.home.state(ALICE) / "paused"
    assert (await hive.operator.request(Pause(agent="alice"))).changed
    assert json.loads(told.read_text()) == {"paused": True}
    assert (await hive.row("alice")).harness.paused
    assert not (await hive.operator.request(Pause(agent="alice"))).changed
    await hive.done(await hive.operator.request(Stop(agent="alice")))
    assert (await hive.operator.request(Resume(agent="alice"))).changed
    assert (await hive.operator.request(Pause(agent="alice"))).changed
    await hive.done(await hive.operator.request(Start(agent="alice")))
    config = json.loads((hive.environment.run.agent(ALICE) / "harness.json").read_text())
    assert config["paused"]


async def test_a_cap_is_written_down_also_for_a_stopped_agent_and_reaches_a_running_one(
    hive: Hive,
) -> None:
    await hive.spawn("alice")
    told = hive.environment.home.state(ALICE) / "cap"
    config = hive.environment.run.agent(ALICE) / "harness.json"

    async def cap(wanted: Cap) -> bool:
        return (await hive.operator.request(SetCap(agent="alice", cap=wanted))).changed

    assert await cap(5.0)
    assert json.loads(told.read_text()) == {"usd_per_day": 5.0}
    assert not await cap(5.0)
    await hive.done(await hive.operator.request(Stop(agent="alice")))
    told.unlink()
    assert await cap(0.5)
    await hive.done(await hive.operator.request(Start(agent="alice")))
    assert json.loads(config.read_text())["spend_cap_usd"] == 0.5
    assert await cap("off")
    assert json.loads(told.read_text()) == {"usd_per_day": None}
    assert await cap("config")
    for wrong in (0, -1, 1e9, "nan", "ON"):
        with pytest.raises(HiveError) as refused:
            await cap(wrong)  # type: ignore[arg-type] # that is the point
        assert refused.value.code == "bad_request"


async def test_an_agent_lifts_its_own_pause_and_never_an_operators(hive: Hive) -> None:
    await hive.spawn("alice")
    alice = await hive.agent("alice")

    async def myself(*, paused: bool) -> bool:
        return (await alice.request(PauseMyself(paused=paused), caller="alice")).changed

    assert await myself(paused=True)
    assert (await hive.row("alice")).harness.paused
    assert await myself(paused=False)
    await hive.operator.request(Pause(agent="alice"))
    assert not await myself(paused=True)
    with pytest.raises(HiveError, match="operator:") as refused:
        await myself(paused=False)
    assert (refused.value.code, "hive resume alice" in refused.value.hint) == ("refused", True)
    assert (await hive.row("alice")).harness.paused
    assert (await hive.operator.request(Resume(agent="alice"))).changed
    assert await myself(paused=True)
    # What an operator pauses as well is the operator's from then on.
    assert not (await hive.operator.request(Pause(agent="alice"))).changed
    with pytest.raises(HiveError, match="operator:"):
        await myself(paused=False)


async def test_the_manager_has_power_over_others_and_nobody_else_has(hive: Hive) -> None:
    await hive.spawn("hm1nd")
    await hive.spawn("alice")
    await hive.spawn("bob")
    manager, alice = await hive.agent("hm1nd"), await hive.agent("alice")
    assert [row.name for row in (await alice.request(AgentRoster(), caller="alice")).agents] == [
        "hm1nd", "alice", "bob",
    ]  # fmt: skip
    stop = AgentPower(agent="alice", verb="stop")
    job = await hive.done(await manager.request(stop, caller="hm1nd"))
    assert job.requested_by == "agent:hm1nd"
    refused: list[tuple[Bus, str, Request[Any]]] = [
        (manager, "hm1nd", AgentPower(agent="hm1nd", verb="stop")),
        (alice, "alice", AgentPower(agent="bob", verb="stop")),
        (manager, "hm1nd", AgentLogs(agent="hm1nd")),
        (alice, "alice", AgentLogs(agent="bob")),
    ]
    for bus, name, order in refused:
        with pytest.raises(HiveError) as caught:
            await bus.request(order, caller=name)
        assert caught.value.code == "refused"
    assert (await manager.request(AgentLogs(agent="bob"), caller="hm1nd")).lines == []
    with pytest.raises(HiveError) as caught:
        await manager.request(AgentPower(agent="nobody", verb="start"), caller="hm1nd")
    assert caught.value.code == "unknown_agent"


async def test_an_approval_is_carried_out_once_however_often_it_is_asked_for(hive: Hive) -> None:
    approvals = await hive.connect(hive.broker.service_login("approvals"))
    order = ExecuteSpawn(
        agent="alice", approval=7, settings=AgentSettings(), requested_by="agent:hm1nd"
    )
    with pytest.raises(HiveError) as caught:
        await approvals.request(ApprovalJob(approval=7))
    assert caught.value.code == "unknown_job"
    await approvals.request(CheckName(agent="alice"))
    answers = [await approvals.request(order) for _ in range(3)]
    job = await hive.done(answers[0])
    answers.append(await approvals.request(order))
    assert {answer.job for answer in answers} == {job.id}
    assert (job.approval, job.requested_by) == (7, "agent:hm1nd")
    assert (await approvals.request(ApprovalJob(approval=7))).job.state is JobState.DONE
    refused_ones: tuple[Request[Any], ...] = (
        CheckName(agent="alice"),
        ExecuteSpawn(agent="alice", approval=8, settings=AgentSettings(), requested_by="x"),
    )
    for refused in refused_ones:
        with pytest.raises(HiveError) as caught:
            await approvals.request(refused)
        assert caught.value.code == "agent_exists"
    destroy = ExecuteDestroy(agent="alice", approval=9, requested_by="agent:hm1nd")
    await hive.done(await approvals.request(destroy))
    assert await hive.names() == []


async def test_state_directories_are_told_of(hive: Hive) -> None:
    await hive.spawn("alice")
    approvals = await hive.connect(hive.broker.service_login("approvals"))
    found = await approvals.request(FindStateDirs(agents=["alice", "bob"]))
    assert found.present == ["alice"]
    with pytest.raises(HiveError) as caught:
        await approvals.request(FindStateDirs(agents=["../alice"]))
    assert caught.value.code == "bad_name"


async def test_a_spawn_while_approvals_is_away_says_so_and_changes_nothing(hive: Hive) -> None:
    await hive.operator.request(ListAgents())
    await hive.let_approvals_go()
    answer = await hive.operator.client.request("hive.spawn", b"alice", timeout=5)
    assert json.loads(answer.data)["error"]["code"] == "unavailable"
    assert await hive.names() == []


async def test_operators_come_and_go(hive: Hive) -> None:
    added = await hive.operator.request(AddOperator(name="anna"))
    assert added.operators == ["anna", "tester"]
    anna = await hive.connect(hive.broker.operator_login("anna"))
    assert (await anna.request(ListOperators())).operators == ["anna", "tester"]
    await hive.operator.request(RemoveOperator(name="anna"))
    async with asyncio.timeout(5):
        while anna.connected:
            await asyncio.sleep(0.01)
    assert (await refusal(hive, RemoveOperator(name="anna"))).code == "unknown_operator"
    assert (await refusal(hive, RemoveOperator(name="tester"))).code == "last_operator"
    answer = await hive.operator.client.request("hive.operator.add", b"../root", timeout=5)
    assert json.loads(answer.data)["error"]["code"] == "bad_request"


async def test_a_wait_for_a_job_ends_with_the_job_with_its_time_or_with_lifecycle(
    hive: Hive,
) -> None:
    hive.behave("alice", "keep-silent")
    accepted = await hive.operator.request(Spawn(agent="alice"))
    early = await hive.operator.request(WaitJob(job=accepted.job, timeout_s=0))
    assert not early.job.state.ended
    waiting = asyncio.ensure_future(
        hive.operator.request(WaitJob(job=accepted.job, timeout_s=30), timeout_s=30)
    )
    await hive.operator.request(GetJob(job=accepted.job))
    assert await asyncio.to_thread(hive.end_lifecycle, signal.SIGTERM) == 0
    assert not (await waiting).job.state.ended
    hive.start_lifecycle()
    assert (await refusal(hive, GetJob(job="nothing"))).code == "unknown_job"


async def test_the_bucket_shows_what_the_roster_shows(hive: Hive) -> None:
    await hive.spawn("alice")
    dashboard = await hive.connect(hive.broker.service_login("dashboard"))
    bucket = await dashboard.jetstream.key_value("roster")
    watcher = await bucket.watch("alice")

    async def state_of_alice(wanted: ContainerState | None) -> None:
        async for entry in watcher:
            if entry is None:
                continue
            row = json.loads(entry.value) if entry.value else None
            if (row["state"] if row else None) == wanted:
                return

    async with asyncio.timeout(10):
        await state_of_alice(ContainerState.RUNNING)
        await hive.done(await hive.operator.request(Stop(agent="alice")))
        await state_of_alice(ContainerState.STOPPED)
        await hive.done(await hive.operator.request(Destroy(agent="alice")))
        await state_of_alice(None)
    await watcher.stop()  # type: ignore[no-untyped-call] # nats-py


async def test_messages_survive_destroy_and_revival(hive: Hive) -> None:
    await hive.spawn("alice")
    await hive.done(await hive.operator.request(Destroy(agent="alice")))
    message = InboxMessage(id="m1", body="hello", sent_at=datetime(2026, 11, 22, tzinfo=UTC))
    await hive.operator.send_message(to="alice", sender="operator", message=message)
    await hive.spawn("alice")
    lifecycle = await hive.connect(hive.broker.service_login("lifecycle"))
    consumer = await lifecycle.jetstream.consumer_info("INBOX", "alice")
    assert (consumer.num_pending or 0) + (consumer.num_ack_pending or 0) == 1


async def test_nobodys_connection_is_touched_when_another_agent_comes_or_goes(hive: Hive) -> None:
    await hive.spawn("alice")
    alice = await hive.agent("alice")
    await hive.spawn("bob")
    await hive.done(await hive.operator.request(Rebuild(agent="bob")))
    await hive.done(await hive.operator.request(Destroy(agent="bob")))
    assert (await alice.request(AgentRoster(), caller="alice")).agents[0].name == "alice"
    assert alice.client.stats["reconnects"] == 0
    assert hive.operator.client.stats["reconnects"] == 0


async def test_after_a_restart_of_lifecycle_a_rebuild_gives_a_working_agent(hive: Hive) -> None:
    await hive.spawn("alice")
    await asyncio.to_thread(hive.end_lifecycle, signal.SIGTERM)
    hive.start_lifecycle()
    job = await hive.done(await hive.operator.request(Rebuild(agent="alice")))
    assert job.steps[-1].text == "its harness has reported"
    assert (await hive.row("alice")).state is ContainerState.RUNNING
