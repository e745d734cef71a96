"""A disk that is full, and files that are broken: said, waited out or set aside, gone on from."""

import asyncio
import ctypes
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hivecommon.contracts.events import HarnessStarted, StatusChanged, Trouble, TurnStarted
from hivecommon.contracts.harness import AskHarness, UiTicket
from hivecommon.contracts.roster import Activity
from hivetesting.agents import Agents
from hivetesting.harness import HarnessProcess, stored_events, tell
from hivetesting.messages_api.rules import Rule, Rules
from hivetesting.messages_api.steps import Hang
from hivetesting.messages_api.steps import Text as Says

SIZE_BYTES = 24 << 20
GARBAGE = b"this is no database" * 1000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 24 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    options = f"size={SIZE_BYTES}".encode()
    if libc.mount(b"tmpfs", bytes(place), b"tmpfs", 0, options) != 0:
        pytest.skip(f"no disk can be mounted here: {os.strerror(ctypes.get_errno())}")
    yield place
    libc.umount2(bytes(place), 2)  # MNT_DETACH: whatever still runs there is being killed


def fill(disk: Path) -> Path:
    """Leave no room on a disk; return what takes it."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
    return filler


async def on_small_disk(agents: Agents, disk: Path, name: str) -> HarnessProcess:
    """Make an agent all of whose directories are on the small disk."""
    await agents.broker.register(name)
    agent = HarnessProcess(agents.broker, disk, name, agents.api.base_url)
    (disk.parent / "harness.log").touch()
    (disk / "harness.log").symlink_to(disk.parent / "harness.log")  # as under systemd
    agents.made.append(agent)
    return agent


async def test_a_disk_that_is_full_is_told_and_the_agent_goes_on_when_there_is_room(
    agents: Agents, small_disk: Path
) -> None:
    agent = await on_small_disk(agents, small_disk, "ulla")
    watch = await agents.watch("ulla")
    agent.start()
    await watch.turn_ended(await tell(agents.operator, "ulla", "one"))
    await watch.status(lambda status: status.activity is Activity.IDLE and status.turn == 1)

    filler = fill(small_disk)
    asked = await tell(agents.operator, "ulla", "two")
    status = await watch.status(lambda status: status.trouble == "disk_full")
    assert "full" in status.trouble_text
    told = await watch.until(lambda event: event.seq == 0)  # not from the file
    assert isinstance(told.body, StatusChanged)
    await the_page_says_so(agents, agent)
    asked_it = await agents.operator.request(AskHarness(), agent="ulla")
    assert asked_it.status.trouble == "disk_full"

    filler.unlink()
    assert (await watch.turn_ended(asked, within_s=90)).outcome == "answered"
    await watch.status(lambda s: s.activity is Activity.IDLE and not s.trouble and s.turn > 1)
    assert await agent.stop() == 0
    stored = [e for e in await stored_events(agents.operator, "ulla") if e.seq]
    assert [event.seq for event in stored] == list(range(1, len(stored) + 1))


async def the_page_says_so(agents: Agents, agent: HarnessProcess) -> None:
    """What is typed there is refused, or kept where the file has room left."""
    ticket = await agents.operator.request(UiTicket(), agent=agent.name)
    secret = ticket.url.partition("#ticket=")[2]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{agent.port}") as browser:
        token = (await browser.post("/api/login", json={"ticket": secret})).json()["token"]
        answers = [
            await browser.post(
                "/api/messages",
                json={"id": f"typed-{number}", "body": "x" * 200_000},
                headers={"Authorization": f"Bearer {token}"},
            )
            for number in range(3)
        ]
    assert answers[-1].status_code == 507
    assert answers[-1].json()["error"]["code"] == "disk_full"


async def test_a_disk_that_fills_in_the_middle_of_a_turn_costs_no_answer(
    agents: Agents, small_disk: Path
) -> None:
    agents.api.script = Rules(Rule(text="long", answer=[Says("before"), Hang(), Says("after")]))
    agent = await on_small_disk(agents, small_disk, "ursel")
    watch = await agents.watch("ursel")
    agent.start()
    asked = await tell(agents.operator, "ursel", "long")
    await agents.asked("long")
    filler = fill(small_disk)
    agents.api.release()
    await watch.status(lambda status: status.trouble == "disk_full")
    filler.unlink()
    assert (await watch.turn_ended(asked, within_s=90)).outcome == "answered"
    assert (
        await watch.turn_ended(await tell(agents.operator, "ursel", "next"))
    ).outcome == "answered"
    assert await agent.stop() == 0
    stored = [e for e in await stored_events(agents.operator, "ursel") if e.seq]
    assert [event.seq for event in stored] == list(range(1, len(stored) + 1))
    assert [turn.body for turn in watch.bodies(TurnStarted)][-1] == "next"


async def test_a_harness_that_starts_on_a_full_disk_says_so_and_ends(
    agents: Agents, small_disk: Path
) -> None:
    agent = await on_small_disk(agents, small_disk, "uta")
    watch = await agents.watch("uta")
    agent.start()
    await watch.until(lambda event: isinstance(event.body, HarnessStarted))
    assert await agent.stop() == 0
    (agent.state / "hyperhive-harness.sqlite").unlink()
    fill(small_disk)
    (agent.run / "harness.json").unlink()
    agent.start()
    assert agent.process is not None
    assert await asyncio.to_thread(agent.process.wait, 60) == 1
    assert "make room on that disk" in agent.log


async def test_a_damaged_store_is_set_aside_and_events_go_on_where_they_were(
    agents: Agents,
) -> None:
    agent, watch = await agents.spawn("vera")
    await watch.turn_ended(await tell(agents.operator, "vera", "one"))
    await agent.stop()
    (agent.state / "hyperhive-harness.sqlite").write_bytes(GARBAGE)
    agent.start()
    await watch.turn_ended(await tell(agents.operator, "vera", "two"))
    [trouble] = watch.bodies(Trouble)
    assert trouble.code == "state_damaged"
    assert list(agent.state.glob("hyperhive-harness.sqlite.damaged-*"))
    assert [turn.body for turn in watch.bodies(TurnStarted)] == ["one", "two"]
    await agent.stop()
    stored = await stored_events(agents.operator, "vera")
    assert [event.seq for event in stored] == list(range(1, len(stored) + 1))


async def test_when_both_files_are_damaged_no_number_is_given_twice(agents: Agents) -> None:
    agent, watch = await agents.spawn("viola")
    await watch.turn_ended(await tell(agents.operator, "viola", "one"))
    await agent.stop()
    for name in ("hyperhive-harness.sqlite", "hyperhive-events.sqlite"):
        (agent.state / name).write_bytes(GARBAGE)
    agent.start()
    await watch.turn_ended(await tell(agents.operator, "viola", "two"))
    assert {trouble.code for trouble in watch.bodies(Trouble)} == {
        "events_damaged", "state_damaged",
    }  # fmt: skip
    await agent.stop()
    numbers = [event.seq for event in await stored_events(agents.operator, "viola")]
    assert numbers == sorted(set(numbers))


async def test_a_transcript_that_is_cut_off_in_a_line_is_gone_on_from(agents: Agents) -> None:
    agent, watch = await agents.spawn("wanda")
    await watch.turn_ended(await tell(agents.operator, "wanda", "remember the number 4711"))
    agent.kill()
    [transcript] = agent.claude.glob("projects/*/*.jsonl")
    transcript.write_bytes(transcript.read_bytes()[:-40])
    agent.start()
    asked = await tell(agents.operator, "wanda", "which number?")
    assert (await watch.turn_ended(asked)).outcome == "answered"
    assert watch.bodies(HarnessStarted)[-1].resumed
    said = str(agents.api.requests[-1].messages)
    assert "remember the number 4711" in said


async def test_a_transcript_that_is_garbage_begins_a_new_session(agents: Agents) -> None:
    agent, watch = await agents.spawn("wilma")
    await watch.turn_ended(await tell(agents.operator, "wilma", "one"))
    await agent.stop()
    [transcript] = agent.claude.glob("projects/*/*.jsonl")
    transcript.write_bytes(os.urandom(20_000))
    agent.start()
    asked = await tell(agents.operator, "wilma", "two")
    assert (await watch.turn_ended(asked)).outcome == "answered"
    first, second = watch.bodies(HarnessStarted)
    assert second.session_id != first.session_id
