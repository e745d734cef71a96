"""What is killed goes on where it was: harness, CLI, bus."""

import asyncio
import os
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from hivecommon.contracts.events import (
    HarnessStarted,
    ToolCall,
    Trouble,
    TurnEnded,
    TurnStarted,
)
from hivecommon.home import HiveHome
from hivetesting.agents import Agents
from hivetesting.broker import Broker
from hivetesting.fixtures import Connect
from hivetesting.harness import HarnessProcess, stored_events, tell
from hivetesting.messages_api.rules import Rule, Rules
from hivetesting.messages_api.server import ScriptedMessagesApi
from hivetesting.messages_api.steps import Hang, ToolUse
from hivetesting.messages_api.steps import Text as Says

# One process in a session of its own in the background, one in the foreground.
SLEEP = {"command": "setsid tail -f /dev/null & tail -f /dev/null"}


async def eventually(true: Callable[[], bool], what: str) -> None:
    try:
        async with asyncio.timeout(60):
            while not true():
                await asyncio.sleep(0.02)
    except TimeoutError as error:
        raise AssertionError(what) from error


def pid_of(agent: HarnessProcess, program: str) -> int:
    """Return the process of an agent that runs `program`."""
    return next(pid for pid, name in agent.programs().items() if name == program)


async def in_the_middle_of_a_tool(agents: Agents, agent: HarnessProcess) -> None:
    await eventually(
        lambda: list(agent.programs().values()).count("tail") == 2,
        "the tool runs",
    )


async def test_a_killed_harness_leaves_nothing_running_and_its_turn_comes_again(
    agents: Agents,
) -> None:
    agents.api.script = Rules(
        Rule(text="work", answer=[ToolUse("Bash", SLEEP)], times=1),
    )
    agent, watch = await agents.spawn("ida")
    asked = await tell(agents.operator, "ida", "work")
    await watch.until(lambda e: isinstance(e.body, ToolCall))
    await in_the_middle_of_a_tool(agents, agent)
    agent.kill()
    await eventually(lambda: not agent.programs(), f"nothing runs on: {agent.programs()}")
    agent.start()
    assert (await watch.turn_ended(asked)).outcome == "answered"
    first, second = watch.bodies(TurnStarted)
    assert (first.redelivered, second.redelivered) == (False, True)
    assert "given this message once before" in agents.api.requests[-1].last_user_text
    began, resumed = watch.bodies(HarnessStarted)
    assert (began.session_id, began.resumed) == (resumed.session_id, False)
    assert resumed.resumed
    stored = await stored_events(agents.operator, "ida")
    assert [event.seq for event in stored] == list(range(1, len(stored) + 1))
    [cut, answered] = [e.body for e in stored if isinstance(e.body, TurnEnded)]
    assert (cut.outcome, answered.outcome) == ("postponed", "answered")


async def test_a_killed_cli_is_replaced_and_its_turn_comes_again(agents: Agents) -> None:
    agents.api.script = Rules(Rule(text="work", answer=[ToolUse("Bash", SLEEP)], times=1))
    agent, watch = await agents.spawn("jana")
    asked = await tell(agents.operator, "jana", "work")
    await in_the_middle_of_a_tool(agents, agent)
    os.kill(pid_of(agent, "claude"), signal.SIGKILL)
    assert (await watch.turn_ended(asked)).outcome == "answered"
    assert [turn.redelivered for turn in watch.bodies(TurnStarted)] == [False, True]
    assert "tail" not in agent.programs().values()
    assert {started.session_id for started in watch.bodies(HarnessStarted)} == {
        watch.bodies(HarnessStarted)[0].session_id
    }


async def test_a_killed_keeper_leaves_nothing_running_once_there_is_a_new_one(
    agents: Agents,
) -> None:
    agents.api.script = Rules(Rule(text="work", answer=[ToolUse("Bash", SLEEP)], times=1))
    agent, watch = await agents.spawn("jette")
    asked = await tell(agents.operator, "jette", "work")
    await in_the_middle_of_a_tool(agents, agent)
    keeper = next(pid for pid, name in agent.programs().items() if name.startswith("python"))
    os.kill(keeper, signal.SIGKILL)
    assert (await watch.turn_ended(asked)).outcome == "answered"
    assert [turn.redelivered for turn in watch.bodies(TurnStarted)] == [False, True]
    assert "tail" not in agent.programs().values()


async def test_a_cli_that_was_killed_while_idle_is_not_noticed_by_anybody(agents: Agents) -> None:
    agent, watch = await agents.spawn("klara")
    await watch.turn_ended(await tell(agents.operator, "klara", "one"))
    os.kill(pid_of(agent, "claude"), signal.SIGKILL)
    await eventually(lambda: not agent.programs(), "the keeper is gone too")
    asked = await tell(agents.operator, "klara", "two")
    assert (await watch.turn_ended(asked)).outcome == "answered"
    assert [turn.redelivered for turn in watch.bodies(TurnStarted)] == [False, False]


async def test_a_harness_that_is_stopped_in_a_turn_tells_so_when_it_comes_again(
    agents: Agents,
) -> None:
    agents.api.script = Rules(Rule(text="work", answer=[Says("…"), Hang()], times=1))
    agent, watch = await agents.spawn("lena")
    asked = await tell(agents.operator, "lena", "work")
    await agents.asked("work")
    assert await agent.stop() == 0
    assert not agent.programs()
    agent.start()
    assert (await watch.turn_ended(asked)).outcome == "answered"
    assert "(the harness was stopped)" in agents.api.requests[-1].last_user_text


async def test_a_message_that_was_finished_but_not_acknowledged_is_not_handled_twice(
    agents: Agents,
) -> None:
    agent, watch = await agents.spawn("mia")
    await watch.turn_ended(await tell(agents.operator, "mia", "one"))
    await agent.stop()
    # As after a crash of the bus that lost the acknowledgement.
    await agents.lifecycle.jetstream.delete_consumer("INBOX", "mia")
    await agents.broker.register("mia")
    agent.start()
    await watch.turn_ended(await tell(agents.operator, "mia", "two"))
    assert [turn.body for turn in watch.bodies(TurnStarted)] == ["one", "two"]


async def test_a_second_harness_of_an_agent_does_not_start(agents: Agents) -> None:
    agent, watch = await agents.spawn("nora")
    await watch.until(lambda e: isinstance(e.body, HarnessStarted))
    twin = HarnessProcess(agents.broker, agent.root, "nora", agents.api.base_url)
    twin.start()
    assert twin.process is not None
    assert await asyncio.to_thread(twin.process.wait, 60) == 1
    assert "another harness of this agent" in agent.log


async def test_a_damaged_events_file_is_set_aside_and_the_numbers_go_on(agents: Agents) -> None:
    agent, watch = await agents.spawn("olga")
    await watch.turn_ended(await tell(agents.operator, "olga", "one"))
    await agent.stop()
    before = (await stored_events(agents.operator, "olga"))[-1].seq
    (agent.state / "hyperhive-events.sqlite").write_bytes(b"this is no database" * 1000)
    agent.start()
    await watch.turn_ended(await tell(agents.operator, "olga", "two"))
    [trouble] = watch.bodies(Trouble)
    assert trouble.code == "events_damaged"
    assert list(agent.state.glob("hyperhive-events.sqlite.damaged-*"))
    numbers = [event.seq for event in await stored_events(agents.operator, "olga")]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] > before


async def test_a_bus_that_is_away_loses_and_doubles_nothing(
    connect: Connect, api: ScriptedMessagesApi, tmp_path: Path
) -> None:
    broker = Broker(HiveHome(tmp_path / "hive")).start()
    agents = Agents(
        broker,
        await connect(broker.operator_login()),
        await connect(broker.service_login("lifecycle")),
        api,
        tmp_path,
    )
    api.script = Rules(
        Rule(text="long", answer=[Says("before"), Hang(), Says("after")]),
    )
    try:
        agent, watch = await agents.spawn("paula")
        asked = await tell(agents.operator, "paula", "long")
        await watch.until(lambda e: e.kind == "turn_started")
        await agents.asked("long")
        broker.kill()
        api.release()
        await eventually(lambda: "turn_ended" in kinds(agent), "the turn goes on without the bus")
        broker.start()
        assert (await watch.turn_ended(asked)).outcome == "answered"
        again = await tell(agents.operator, "paula", "next")
        await watch.turn_ended(again)
        assert await agent.stop() == 0
        stored = await stored_events(agents.operator, "paula")
        assert [event.seq for event in stored] == list(range(1, len(stored) + 1))
        assert [e.body.message_id for e in stored if isinstance(e.body, TurnStarted)] == [
            asked,
            again,
        ]
    finally:
        agents.kill_all()
        broker.kill()


def kinds(agent: HarnessProcess) -> str:
    """Return the kinds of all events in an agent's own file."""
    with closing(sqlite3.connect(agent.state / "hyperhive-events.sqlite")) as events:
        (found,) = events.execute("SELECT group_concat(kind) FROM events").fetchone()
        return str(found)
