"""A rename keeps login, notes, history and unread messages, also when kill -9 cuts it off."""

import asyncio
import json
import signal
from datetime import UTC, datetime

import pytest
from hive_lifecycle.patience import patiently
from hivecommon.bus import Bus
from hivecommon.contracts.inbox import InboxMessage
from hivecommon.contracts.jobs import GetJob, JobState
from hivecommon.contracts.lifecycle import AgentSettings, Destroy, FindStateDirs, Rename, Stop
from hivecommon.contracts.roster import ContainerState
from hivecommon.errors import HiveError
from hivecommon.names import AgentName

from services.lifecycle.tests.conftest import Hive

ALICE, CAROL = AgentName("alice"), AgentName("carol")


def message(number: int) -> InboxMessage:
    return InboxMessage(
        id=f"m{number}", body=f"message {number}", sent_at=datetime(2026, 11, 22, tzinfo=UTC)
    )


async def unread(lifecycle: Bus, name: str) -> list[tuple[str, str]]:
    """Return (sender, id) of what waits in an inbox, as the agent's own consumer counts."""
    consumer = await lifecycle.jetstream.consumer_info("INBOX", name)
    waiting = (consumer.num_pending or 0) + (consumer.num_ack_pending or 0)
    found: list[tuple[str, str]] = []
    after = consumer.ack_floor.stream_seq if consumer.ack_floor else 0
    for _ in range(waiting):
        raw = await lifecycle.jetstream.get_msg(
            "INBOX", seq=after + 1, subject=InboxMessage.filter_for(name), next=True
        )
        assert raw.seq is not None
        after = raw.seq
        _, sender = InboxMessage.route(raw.subject or "")
        found.append((sender, InboxMessage.decode(raw.data or b"").id))
    return found


async def with_unread(hive: Hive, count: int) -> Bus:
    """Spawn alice and bob, stop alice, and leave her messages; return lifecycle's own eyes."""
    await hive.spawn("alice")
    await hive.spawn("bob", AgentSettings(recipients=["alice"]))
    await hive.done(await hive.operator.request(Stop(agent="alice")))
    bob = await hive.agent("bob")
    for number in range(count):
        sender, bus = ("bob", bob) if number % 2 else ("operator", hive.operator)
        await bus.send_message(to="alice", sender=sender, message=message(number))
    return await hive.connect(hive.broker.service_login("lifecycle"))


EXPECTED = [("operator", "m0"), ("bob", "m1"), ("operator", "m2"), ("bob", "m3")]


async def test_everything_of_an_agent_goes_with_it_to_its_new_name(hive: Hive) -> None:
    lifecycle = await with_unread(hive, 4)
    (hive.environment.home.state(ALICE) / "notes.md").write_text("remember")
    (hive.environment.home.claude(ALICE) / ".credentials.json").write_text("{}")
    await hive.done(await hive.operator.request(Rename(agent="alice", to="carol")))
    assert await hive.names() == ["bob", "carol"]
    row = await hive.row("carol")
    assert (row.state, row.wanted, row.port) == (ContainerState.STOPPED, "stopped", 8462)
    assert (hive.environment.home.state(CAROL) / "notes.md").read_text() == "remember"
    assert (hive.environment.home.claude(CAROL) / ".credentials.json").exists()
    assert not hive.environment.home.agent(ALICE).exists()
    assert not hive.environment.run.agent(ALICE).exists()
    assert await unread(lifecycle, "carol") == EXPECTED
    consumers = await lifecycle.jetstream.consumers_info("INBOX")
    assert sorted(one.name for one in consumers) == [
        "bob", "bob_operator", "carol", "carol_operator",
    ]  # fmt: skip
    bob = await hive.agent("bob")
    assert await bob.send_message(to="carol", sender="bob", message=message(9))


async def test_a_running_agent_runs_again_under_its_new_name(hive: Hive) -> None:
    await hive.spawn("alice")
    before = await hive.row("alice")
    await hive.done(await hive.operator.request(Rename(agent="alice", to="carol")))
    row = await hive.row("carol")
    assert row.state is ContainerState.RUNNING
    assert row.pid != before.pid
    config = json.loads((hive.environment.run.agent(CAROL) / "harness.json").read_text())
    assert (config["agent"], config["port"]) == ("carol", row.port)
    assert [one.what for one in hive.happenings.all if one.what == "crashed"] == []
    assert (await hive.happenings.wait_for("carol", "renamed")).detail == "was alice"


async def test_a_rename_that_kill_9_cuts_off_anywhere_is_finished_and_loses_nothing(
    hive: Hive,
) -> None:
    lifecycle = await with_unread(hive, 40)
    expected = await unread(lifecycle, "alice")
    accepted = await hive.operator.request(Rename(agent="alice", to="carol"))
    async with asyncio.timeout(15):  # until it is in the middle of the messages
        while not await _some_moved(lifecycle):
            pass
    await asyncio.to_thread(hive.end_lifecycle, signal.SIGKILL)
    hive.start_lifecycle()
    job = await hive.done(accepted)
    assert job.state is JobState.DONE
    assert await unread(lifecycle, "carol") == expected
    assert await hive.names() == ["bob", "carol"]


async def _some_moved(lifecycle: Bus) -> bool:
    # Patiently: in the middle of a rename the bus reloads.
    info = await patiently(
        lambda: lifecycle.jetstream.stream_info("INBOX", subjects_filter="inbox.carol.*")
    )
    return bool(info.state.subjects)


REFUSED = [
    ("alice", "bob", "agent_exists"),
    ("alice", "victor", "port_taken"),
    ("alice", "hm1nd", "refused"),
    ("alice", "kept", "kept_state"),
    ("alice", "../x", "bad_name"),
    ("alice", "operator", "reserved_name"),
    ("nobody", "carol", "unknown_agent"),
]


async def test_a_rename_that_cannot_succeed_is_refused_at_once(hive: Hive) -> None:
    for name in ("alice", "bob", "uma", "kept"):
        await hive.spawn(name)
    await hive.done(await hive.operator.request(Destroy(agent="kept")))
    for old, new, code in REFUSED:
        with pytest.raises(HiveError) as caught:
            await hive.operator.request(Rename(agent=old, to=new))
        assert (old, new, caught.value.code) == (old, new, code)


async def test_one_that_is_being_renamed_has_not_lost_its_directory(hive: Hive) -> None:
    await hive.spawn("alice")
    accepted = await hive.operator.request(Rename(agent="alice", to="carol"))
    sender = await hive.approvals_bus()
    async with asyncio.timeout(60):
        while (await sender.request(FindStateDirs(agents=["alice"]))).present:
            pass
    job = (await hive.operator.request(GetJob(job=accepted.job))).job
    assert job.state is JobState.DONE
    assert (await sender.request(FindStateDirs(agents=["carol"]))).present == ["carol"]
