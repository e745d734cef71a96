"""Log lines: parsed whatever they hold, with the sender the bus names."""

from datetime import UTC, datetime

import pytest
from hive_dashboard.logs import MAX_LINE_CHARACTERS, LogParams, Logs, Skipped, parse_line
from hive_dashboard.tail import Stored
from hivecommon.bus import Bus
from hivecommon.contracts.logs import Level, LogLine
from hivecommon.contracts.streams import LOGS
from hivetesting.broker import Broker
from hivetesting.fixtures import Connect

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def stored(line: str) -> Stored:
    return Stored("log.alice.info", line.encode(), 7, NOW, 0, removal=False)


def test_a_line_keeps_its_fields_but_its_source_is_the_subject() -> None:
    line = '{"event":"turn_ended","source":"bob","level":"critical","ts":"1999","turn":3}'
    item = parse_line(stored(line), line)

    assert (item.source, item.level, item.event) == ("alice", "info", "turn_ended")
    assert item.fields == {"turn": 3}
    assert item.at == NOW


@pytest.mark.parametrize(
    "line", ["", "plain text", "[1,2]", '{"event":', "\x1b[31mred\x1b[0m", "null"]
)
def test_a_line_that_is_no_object_is_shown_as_it_is(line: str) -> None:
    assert parse_line(stored(line), line).event == line


def test_an_endless_line_is_cut() -> None:
    line = "x" * 10**6

    assert len(parse_line(stored(line), line).event) == MAX_LINE_CHARACTERS


class Collected:
    """A sink that remembers, and ends the subscription after some items."""

    class Enough(Exception):
        """All that the test waits for has come."""

    def __init__(self, enough: int) -> None:
        self.items: list[object] = []
        self._enough = enough

    async def put(self, item: object) -> None:
        self.items.append(item)
        if len(self.items) == self._enough:
            raise self.Enough

    @property
    def events(self) -> list[str]:
        return [getattr(item, "event", "…") for item in self.items]


async def write(bus: Bus, source: str, level: str, *events: str) -> None:
    for event in events:
        line = f'{{"event":"{event}"}}'.encode()
        await bus.publish_acked(
            LogLine.subject_for(source=source, level=level), line, message_id=f"{source}-{event}"
        )


async def collect(bus: Bus, enough: int, **params: object) -> Collected:
    sink = Collected(enough)
    with pytest.raises(Collected.Enough):
        await Logs(bus).source(LogParams(**params), sink)  # type: ignore[arg-type] # a test's shorthand
    return sink


async def test_filters_hold_for_history_and_live_lines(
    own_broker: Broker, connect: Connect
) -> None:
    services = {
        name: await connect(own_broker.service_login(name)) for name in ("approvals", "dashboard")
    }
    reader = services["dashboard"]
    await reader.declare(LOGS)
    await write(services["approvals"], "approvals", "info", "a-one", "a-two")
    await write(services["approvals"], "approvals", "error", "a-bad")
    await write(services["dashboard"], "dashboard", "info", "d-one")

    everything = await collect(reader, 5)
    bad = await collect(reader, 2, level=Level.WARNING)
    one = await collect(reader, 2, sources=["dashboard"])
    found = await collect(reader, 2, text="A-TWO")

    assert everything.events == ["a-one", "a-two", "a-bad", "d-one", "…"]
    assert bad.events == ["a-bad", "…"]
    assert one.events == ["d-one", "…"]
    assert found.events == ["a-two", "…"]


async def test_a_page_that_is_far_behind_is_told_of_the_gap() -> None:
    from hive_dashboard.logs import BEHIND, _Tail  # noqa: PLC0415 - the gap's own arithmetic

    sink = Collected(0)
    tail = _Tail(LogParams(), sink)
    await tail.catch_up()
    for seq, pending in enumerate((BEHIND + 2, BEHIND + 1, BEHIND)):
        await tail.take(
            Stored("log.alice.info", b'{"event":"x"}', seq, NOW, pending, removal=False)
        )

    assert sink.items[1] == Skipped(2)
    assert sink.events[2:] == ["x"]
