"""What keeps an agent from working, as the hours pass; on a real sqlite file."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hive_harness import eventlog, store
from hive_harness.credentials import Credentials
from hive_harness.database import Database
from hive_harness.eventlog import EventLog
from hive_harness.hindrance import Hindrance, Outlook
from hive_harness.status import StatusBoard
from hive_harness.store import Store
from hivecommon.contracts.roster import HarnessStatus

LATE = datetime(2026, 3, 1, 23, 59, 59, 900_000, tzinfo=UTC)


@dataclass
class Bench:
    """An agent's clock, and what is shown of it."""

    outlook: Outlook
    board: StatusBoard
    now: datetime = LATE

    def hindrance(self, cap: float | None) -> Hindrance:
        return Hindrance(self.outlook, spend_cap_usd=cap)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    def clock() -> datetime:
        return made.now

    memory = Store(Database(tmp_path / "harness.sqlite", store.MIGRATIONS))
    log = EventLog(Database(tmp_path / "events.sqlite", eventlog.MIGRATIONS), clock)
    board = StatusBoard(HarnessStatus(), log.record, clock)
    made = Bench(Outlook(log, board, Credentials(tmp_path, has_key=True), memory, clock), board)
    await memory.open(LATE)
    await log.open(0)
    yield made
    await log.close()
    await memory.close()


async def test_a_cap_that_was_reached_lets_go_at_midnight_by_itself(bench: Bench) -> None:
    hindrance = bench.hindrance(1.0)
    hindrance.mind_the_cap(1.5)
    assert bench.board.status.trouble == "spend_cap"
    assert bench.board.status.cost_today_usd == 1.5
    # An agent that has nothing to do looks up when the day ends.
    await hindrance.wait(None)
    bench.now = LATE + timedelta(seconds=1)
    hindrance.mind_the_cap(0.0)
    status = bench.board.status
    assert (status.trouble, status.cost_today_usd, hindrance.obstacle) == ("", 0.0, None)


async def test_a_cap_that_was_lifted_stays_so_for_the_day_and_over_a_restart(bench: Bench) -> None:
    hindrance = bench.hindrance(1.0)
    hindrance.mind_the_cap(1.5)
    assert await hindrance.retry_now()
    hindrance.mind_the_cap(2.0)
    assert hindrance.obstacle is None
    again = bench.hindrance(1.0)
    await again.open()
    again.mind_the_cap(2.0)
    assert again.obstacle is None
    bench.now = LATE + timedelta(hours=1)
    again.mind_the_cap(2.0)
    assert again.obstacle is not None


async def test_another_cap_counts_at_once(bench: Bench) -> None:
    hindrance = bench.hindrance(None)
    hindrance.mind_the_cap(1.5)
    assert hindrance.obstacle is None
    for cap, text in ((1.0, "the cap is 1.00 USD"), (0.5, "the cap is 0.50 USD")):
        assert hindrance.set_cap(cap)
        hindrance.mind_the_cap(1.5)
        assert text in bench.board.status.trouble_text
    assert not hindrance.set_cap(0.5)
    assert hindrance.set_cap(2.0)
    hindrance.mind_the_cap(1.5)
    assert bench.board.status.trouble == ""
