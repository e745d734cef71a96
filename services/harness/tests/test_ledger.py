"""What turns took: one by one, by day, and bounded."""

import sqlite3
from datetime import UTC, date, datetime, timedelta

import pytest
from hive_harness import ledger
from hive_harness.ledger import TurnRecord, few
from hive_harness.session import Usage
from hive_harness.store import MIGRATIONS
from hivecommon.contracts.usage import DayUsage, TurnUsage

MONDAY = datetime(2026, 3, 2, 23, 59, tzinfo=UTC)
TUESDAY = MONDAY + timedelta(minutes=2)


@pytest.fixture
def books() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    for script in MIGRATIONS:
        connection.executescript(script)
    return connection


def turn(number: int, at: datetime, cost: float = 0.5, **tools: int) -> TurnRecord:
    usage = Usage(
        duration_s=2.0, cost_usd=cost, input_tokens=100, output_tokens=10, cache_read_tokens=7,
        cache_write_tokens=3,
    )  # fmt: skip
    return TurnRecord(
        number=number, ended_at=at, sender="bob", outcome="answered", model="m", usage=usage,
        tools=tools,
    )  # fmt: skip


def test_turns_are_told_one_by_one_and_summed_by_day(books: sqlite3.Connection) -> None:
    ledger.add(books, turn(1, MONDAY, Bash=2))
    ledger.add(books, turn(2, MONDAY, Bash=1, Read=1))
    ledger.add(books, turn(3, TUESDAY))
    assert ledger.cost_usd(books, MONDAY.date()) == 1.0
    assert ledger.cost_usd(books, date(2026, 1, 1)) == 0
    tuesday, monday = ledger.days(books, MONDAY.date())
    assert (tuesday.turns, tuesday.tools) == (1, {})
    assert monday == DayUsage(
        day=MONDAY.date(), turns=2, duration_s=4.0, cost_usd=1.0, input_tokens=200,
        output_tokens=20, cache_read_tokens=14, cache_write_tokens=6, tools={"Bash": 3, "Read": 1},
    )  # fmt: skip
    assert ledger.days(books, TUESDAY.date()) == [tuesday]
    last = ledger.last_turns(books, 2)
    assert [one.turn for one in last] == [3, 2]
    assert last[1] == TurnUsage(
        turn=2, at=MONDAY, sender="bob", outcome="answered", model="m", duration_s=2.0,
        cost_usd=0.5, input_tokens=100, output_tokens=10, cache_read_tokens=7,
        cache_write_tokens=3, tools={"Bash": 1, "Read": 1},
    )  # fmt: skip


def test_single_turns_are_forgotten_after_a_while_and_sums_are_not(
    books: sqlite3.Connection,
) -> None:
    ledger.add(books, turn(1, MONDAY, Bash=2))
    ledger.add(books, turn(2, MONDAY + ledger.KEPT))
    assert len(ledger.last_turns(books, 10)) == 2
    ledger.add(books, turn(3, MONDAY + ledger.KEPT + timedelta(days=1)))
    assert [one.turn for one in ledger.last_turns(books, 10)] == [3, 2]
    oldest = ledger.days(books, MONDAY.date())[-1]
    assert (oldest.day, oldest.cost_usd, oldest.tools) == (MONDAY.date(), 0.5, {})


def test_a_model_that_invents_tools_fills_no_disk() -> None:
    many = {f"{'x' * 200}{number}": number for number in range(1000)}
    kept = few({**many, "Bash": 5000})
    assert len(kept) <= 50
    assert kept["Bash"] == 5000
    assert max(map(len, kept)) <= 80
