"""Schedules: sent once each, caught up once, and changed by operators alone."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hive_approvals.database import Database
from hive_approvals.ledger import Ledger
from hive_approvals.schedules import ScheduleStore
from hive_approvals.tables import outbox
from hivecommon.bus import Bus
from hivecommon.contracts.approvals import ApprovalState, Approve, RequestSchedule
from hivecommon.contracts.inbox import InboxMessage
from hivecommon.contracts.schedules import (
    CreateSchedule,
    DeleteSchedule,
    EditSchedule,
    FireSchedule,
    ListSchedules,
    PauseSchedule,
    ResumeSchedule,
    Timing,
)
from hivecommon.errors import HiveError
from hivetesting.lifecycle import ScriptedLifecycle
from hivetesting.watch import ApprovalWatch, inbox_with
from sqlalchemy import Connection, select

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAILY = Timing(cron="0 9 * * *", zone="UTC")


async def refusal(attempt: Any) -> HiveError:
    with pytest.raises(HiveError) as caught:
        await attempt
    return caught.value


class Time:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


class Bench:
    """A store on a file of its own, with the outbox to look into."""

    def __init__(self, ledger: Ledger, time: Time) -> None:
        self.ledger = ledger
        self.time = time
        self.store = ScheduleStore(ledger, time, "UTC")

    async def sent(self) -> list[InboxMessage]:
        def work(connection: Connection) -> list[InboxMessage]:
            query = select(outbox).where(outbox.c.subject == "inbox.alice.schedule")
            rows = connection.execute(query.order_by(outbox.c.id))
            return [msgspec.json.decode(row.payload, type=InboxMessage) for row in rows]

        return await self.ledger.read(work)

    async def at(self, moment: datetime) -> datetime | None:
        self.time.now = moment
        return await self.store.fire_due(moment)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with AsyncExitStack() as stack:
        database = await Database.open(tmp_path / "approvals.sqlite")
        stack.push_async_callback(database.close)
        yield Bench(Ledger(database), Time())


async def test_it_is_sent_when_it_is_due_and_planned_anew(bench: Bench) -> None:
    made = await bench.store.create("alice", "report", DAILY, by="operator:anna", request_id="1")
    again = await bench.store.create("alice", "report", DAILY, by="operator:anna", request_id="1")
    nine = datetime(2026, 11, 23, 9, tzinfo=UTC)
    assert (made.next_at, again.id) == (nine, made.id)
    assert await bench.at(nine - timedelta(seconds=1)) == nine
    assert await bench.sent() == []
    assert await bench.at(nine) == nine + timedelta(days=1)
    assert await bench.at(nine) == nine + timedelta(days=1)
    assert [message.body for message in await bench.sent()] == ["report"]


async def test_a_week_away_is_caught_up_with_one_prompt(bench: Bench) -> None:
    await bench.store.create("alice", "report", DAILY, by="operator:anna", request_id="1")
    back = NOON + timedelta(days=7)
    assert await bench.at(back) == datetime(2026, 11, 30, 9, tzinfo=UTC)
    (message,) = await bench.sent()
    assert message.body == "(This was due at 2026-11-23 09:00 UTC; the hive was away.)\nreport"


async def test_once_is_once(bench: Bench) -> None:
    once = Timing(once="2026-11-23T09:00", zone="UTC")
    await bench.store.create("alice", "wake up", once, by="operator:anna", request_id="1")
    assert await bench.at(NOON + timedelta(days=2)) is None
    (found,) = await bench.store.all(None)
    assert (found.state, found.fired) == ("ended", 1)
    error = await refusal(bench.store.resume(found.id, by="operator:anna"))
    assert error.code == "bad_schedule"


async def test_a_paused_one_sends_nothing_and_goes_on_from_now(bench: Bench) -> None:
    made = await bench.store.create("alice", "report", DAILY, by="operator:anna", request_id="1")
    await bench.store.pause(made.id, by="operator:anna")
    assert await bench.at(NOON + timedelta(days=7)) is None
    resumed = await bench.store.resume(made.id, by="operator:anna")
    assert resumed.next_at == datetime(2026, 11, 30, 9, tzinfo=UTC)
    assert await bench.sent() == []


async def test_a_paused_schedule_goes_with_a_renamed_agent_too(bench: Bench) -> None:
    made = await bench.store.create("alice", "report", DAILY, by="operator:anna", request_id="1")
    await bench.store.pause(made.id, by="operator:anna")
    await bench.ledger.change(
        lambda connection: bench.store.follow_agent(connection, "alice", renamed_to="anna")
    )
    (found,) = await bench.store.all(None)
    assert (found.agent, found.state) == ("anna", "paused")


async def test_the_schedules_of_an_agent_go_with_it(bench: Bench) -> None:
    made = await bench.store.create("alice", "report", DAILY, by="operator:anna", request_id="1")
    await bench.ledger.change(
        lambda connection: bench.store.follow_agent(connection, "alice", renamed_to="anna")
    )
    assert [one.agent for one in await bench.store.all("anna")] == ["anna"]
    await bench.ledger.change(lambda connection: bench.store.follow_agent(connection, "anna"))
    (found,) = await bench.store.all(None)
    assert (found.id, found.state, found.next_at) == (made.id, "paused", None)


@pytest.mark.usefixtures("service")
async def test_an_operator_makes_changes_fires_and_deletes_one(
    operator: Bus, lifecycle: ScriptedLifecycle
) -> None:
    lifecycle.book.state_dirs.add("alice")
    wish = CreateSchedule(agent="alice", prompt="report", timing=DAILY)
    made = (await operator.request(wish)).schedule
    assert made.created_by == "operator:tester"
    weekly = Timing(cron="0 9 * * 1", zone="Europe/Berlin")
    edited = (await operator.request(EditSchedule(id=made.id, timing=weekly))).schedule
    assert (edited.cron, edited.zone, edited.prompt) == ("0 9 * * 1", "Europe/Berlin", "report")
    paused = (await operator.request(PauseSchedule(id=made.id))).schedule
    assert (paused.state, paused.next_at) == ("paused", None)
    await operator.request(ResumeSchedule(id=made.id))
    fired = (await operator.request(FireSchedule(id=made.id))).schedule
    assert fired.fired == 1
    found = await inbox_with(operator, "alice", 1)
    assert [message.body for message in found] == ["report"]
    await operator.request(DeleteSchedule(id=made.id))
    assert (await operator.request(ListSchedules())).schedules == []
    error = await refusal(operator.request(FireSchedule(id=made.id)))
    assert error.code == "unknown_schedule"


@pytest.mark.usefixtures("service")
async def test_the_managers_schedule_waits_for_an_operator(
    manager: Bus, operator: Bus, lifecycle: ScriptedLifecycle, watch: ApprovalWatch
) -> None:
    wish = RequestSchedule(agent="alice", prompt="report", timing=DAILY, reason="to know")
    error = await refusal(manager.request(wish, caller="hm1nd"))
    assert error.code == "unknown_agent"
    lifecycle.book.state_dirs.add("alice")
    approval = (await manager.request(wish, caller="hm1nd")).approval
    assert approval.schedule is not None
    assert (await operator.request(ListSchedules())).schedules == []
    await operator.request(Approve(id=approval.id, digest=approval.digest))
    await watch.until(approval.id, lambda one: one.state is ApprovalState.DONE)
    (made,) = (await operator.request(ListSchedules())).schedules
    assert (made.agent, made.prompt, made.created_by) == ("alice", "report", "agent:hm1nd")
