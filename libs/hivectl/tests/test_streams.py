"""`hive logs` and `hive events` on real streams."""

import asyncio
import json
from datetime import UTC, datetime
from uuid import uuid4

import msgspec
import pytest
from hivecommon.bus import Bus
from hivecommon.contracts.events import AgentEvent, AgentEventBody, ServiceChanged, Text, Thinking
from hivecommon.contracts.logs import Level
from hivectl.commands.events import event_subjects
from hivectl.commands.logs import log_subjects
from hivetesting.broker import Broker
from hivetesting.commands import HiveCommand
from hivetesting.fixtures import Connect

AT = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("sources", "level", "subjects"),
    [
        ((), "debug", ["log.*.>"]),
        (("alice", "bob", "alice"), "debug", ["log.alice.>", "log.bob.>"]),
        ((), "error", ["log.*.error", "log.*.critical"]),
        (("alice",), "critical", ["log.alice.critical"]),
    ],
)
def test_subjects_of_log_lines(sources: tuple[str, ...], level: str, subjects: list[str]) -> None:
    assert log_subjects(sources, Level(level)) == subjects


@pytest.mark.parametrize(
    ("sources", "kinds", "subjects"),
    [
        ((), (), ["events.>"]),
        (("alice", "hive"), (), ["events.alice.>", "events.hive.>"]),
        ((), ("text",), ["events.*.text", "events.hive.*.text"]),
        (("alice",), ("text", "thinking"), ["events.alice.text", "events.alice.thinking"]),
        (("hive",), ("job",), ["events.hive.job.*"]),
    ],
)
def test_subjects_of_events(
    sources: tuple[str, ...], kinds: tuple[str, ...], subjects: list[str]
) -> None:
    assert event_subjects(sources, kinds) == subjects


@pytest.fixture
async def lifecycle(broker: Broker, connect: Connect, streams: None) -> Bus:
    return await connect(broker.service_login("lifecycle"))


async def log(bus: Bus, level: str, line: object, source: str = "lifecycle") -> None:
    data = line if isinstance(line, bytes) else msgspec.json.encode(line)
    await bus.publish(f"log.{source}.{level}", data)
    await bus.client.flush()


async def test_logs_are_filtered_by_level_source_and_text(
    hive: HiveCommand, lifecycle: Bus, broker: Broker, connect: Connect
) -> None:
    mark = uuid4().hex
    alice = await connect(await broker.register("logger"))
    for level in ("debug", "info", "warning", "error"):
        await log(lifecycle, level, {"event": f"{level}_{mark}"})
    await log(alice, "error", {"event": f"agent_{mark}"}, source="logger")

    async def events(*arguments: str) -> list[str]:
        said = await hive("logs", "--json", "--grep", mark, *arguments)
        return [line["event"].removesuffix(f"_{mark}") for line in said.lines]

    assert await events() == ["debug", "info", "warning", "error", "agent"]
    assert await events("--level", "warning") == ["warning", "error", "agent"]
    assert await events("logger") == ["agent"]
    assert await events("lifecycle", "--level", "error") == ["error"]
    assert await events("--grep", f"(info|agent)_{mark}") == ["info", "agent"]
    assert await events("--since", "2099-01-01T00:00Z") == []


async def test_what_agents_log_cannot_steer_the_terminal_or_pose_as_others(
    hive: HiveCommand, broker: Broker, connect: Connect, streams: None
) -> None:
    agent = await connect(await broker.register("evil"))
    hostile = {
        "event": "\x1b[2J\u202e",
        "source": "lifecycle",
        "level": "debug",
        "k\x9b": "\x1b]0;x",
    }
    await log(agent, "error", hostile, source="evil")
    await log(agent, "info", b"\xff\x1b[31m no json", source="evil")
    text = await hive("logs", "evil")
    whole = await hive("logs", "evil", "--json")
    for said in (text, whole):
        assert all(char == "\n" or char.isprintable() for char in said.out)
    first, second = whole.lines
    assert (first["source"], first["level"], first["event"]) == ("evil", "error", "\x1b[2J\u202e")
    assert second["source"] == "evil"
    assert "ERROR    evil" in text.out


async def test_following_logs_shows_history_then_what_comes(
    hive: HiveCommand, lifecycle: Bus
) -> None:
    mark = uuid4().hex
    await log(lifecycle, "info", {"event": f"old_{mark}"})
    with hive.on_terminal("logs", "-f", "--grep", mark) as screen:
        await asyncio.to_thread(screen.until, f"old_{mark}")
        await log(lifecycle, "info", {"event": f"new_{mark}"})
        seen = await asyncio.to_thread(screen.until, f"new_{mark}")
    assert seen.count(f"old_{mark}") == seen.count(f"new_{mark}") == 1


async def test_nothing_found_is_said_with_what_to_try(hive: HiveCommand, lifecycle: Bus) -> None:
    said = await hive("logs", "nosuch", "--since", "1m")
    assert (said.code, said.out) == (0, "")
    assert "no such line since 1m" in said.err


async def test_events_are_shown_by_agent_and_kind(
    hive: HiveCommand, broker: Broker, connect: Connect, lifecycle: Bus
) -> None:
    agent = await connect(await broker.register("doer"))
    bodies: list[AgentEventBody] = [Text("said"), Thinking("thought"), Text("again")]
    for seq, body in enumerate(bodies, start=1):
        event = AgentEvent(seq=seq, at=AT, body=body)
        await agent.publish_acked(
            event.subject_for("doer"), msgspec.json.encode(event), message_id=uuid4().hex
        )
    await lifecycle.publish_event("lifecycle", ServiceChanged("started", "9.9"))
    await lifecycle.client.flush()
    every = await hive("events", "doer", "--json")
    assert [line["body"]["text"] for line in every.lines] == ["said", "thought", "again"]
    texts = await hive("events", "doer", "--kind", "text")
    assert [line.split("says: ")[1] for line in texts.out.splitlines()] == ["said", "again"]
    services = await hive("events", "hive", "--kind", "service", "--json")
    assert services.lines[-1]["body"]["version"] == "9.9"
    assert services.lines[-1]["source"] == "hive"


async def test_following_events_is_a_json_line_each(
    hive: HiveCommand, broker: Broker, connect: Connect, streams: None
) -> None:
    agent = await connect(await broker.register("live"))
    event = AgentEvent(seq=1, at=AT, body=Text("now"))
    await agent.publish_acked(
        event.subject_for("live"), msgspec.json.encode(event), message_id=uuid4().hex
    )
    with hive.on_terminal("events", "-f", "live", "--since", "1h", "--json") as screen:
        shown = await asyncio.to_thread(screen.until, "\n")
    line = json.loads(shown)
    assert (line["source"], line["kind"], line["body"]["text"]) == ("live", "text", "now")
