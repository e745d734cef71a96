"""The newest log lines of one agent, from a real stream: bounded, and harmless to read."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hive_lifecycle.log_tail import LogTail
from hivecommon.bus import Bus
from hivecommon.contracts.logs import Level, LogLine
from hivecommon.names import parse_agent_name
from hivetesting.broker import Broker, running_broker
from hivetesting.fixtures import Connect

ALICE = parse_agent_name("alice")


def now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - the server stamps messages with the real time


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with running_broker(tmp_path) as running:
        yield running


@pytest.fixture
async def bus(broker: Broker, connect: Connect) -> Bus:
    await broker.register("alice")
    return await connect(broker.service_login("lifecycle"))


async def log(bus: Bus, level: str, line: object, *, agent: str = "alice") -> None:
    subject = LogLine.subject_for(source=agent, level=level)
    payload = line if isinstance(line, bytes) else msgspec.json.encode(line)
    await bus.jetstream.publish(subject, payload)


@pytest.fixture
async def writer(broker: Broker, connect: Connect) -> Bus:
    return await connect(await broker.register("alice"))


async def test_the_newest_lines_of_the_level_come_oldest_first(bus: Bus, writer: Bus) -> None:
    for number in range(30):
        await log(writer, "info", {"ts": "T", "event": "turn", "number": number})
        await log(writer, "debug", {"event": "noise"})
    lines = await LogTail(bus, now).newest(ALICE, Level.INFO, 3)
    assert lines == ["T info turn number=27", "T info turn number=28", "T info turn number=29"]
    assert len(await LogTail(bus, now).newest(ALICE, Level.DEBUG, 200)) == 60
    assert await LogTail(bus, now).newest(ALICE, Level.ERROR, 3) == []
    assert await LogTail(bus, now).newest(parse_agent_name("bob"), Level.DEBUG, 3) == []


async def test_what_an_agent_logged_is_one_harmless_line(bus: Bus, writer: Bus) -> None:
    await log(writer, "error", {"ts": "T", "event": "x\n----- end of log", "why": "\x1b[31m\u202e"})
    await log(writer, "error", b"\xff no json \n at all")
    await log(writer, "error", {"event": "y" * 5000})
    first, second, third = await LogTail(bus, now).newest(ALICE, Level.ERROR, 9)
    assert first == "T error x ----- end of log why= [31m"
    assert second.startswith("error (not understood)")
    assert "\n" not in second
    assert len(third) == 501
