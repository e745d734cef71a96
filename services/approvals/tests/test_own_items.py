"""What an agent sees and does of its own: questions, reminders, requests; never another's."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hivecommon.bus import Bus
from hivecommon.contracts.approvals import RequestSpawn
from hivecommon.contracts.open_items import OwnItems
from hivecommon.contracts.questions import AnswerPeer, AskQuestion, CancelQuestion
from hivecommon.contracts.schedules import (
    CancelReminder,
    CreateSchedule,
    ListSchedules,
    Remind,
    Timing,
)
from hivecommon.errors import HiveError
from hivetesting.broker import Broker
from hivetesting.fixtures import Connect
from hivetesting.lifecycle import ScriptedLifecycle
from hivetesting.watch import inbox_with

pytestmark = pytest.mark.usefixtures("service", "lifecycle")
TOMORROW = datetime.now(UTC) + timedelta(days=1)  # noqa: TID251 - the service has the real clock
LATER = Timing(once=f"{TOMORROW:%Y-%m-%dT%H:%M}", zone="UTC")


@pytest.fixture
async def alice(own_broker: Broker, connect: Connect) -> Bus:
    return await connect(await own_broker.register("alice"))


@pytest.fixture
async def bob(own_broker: Broker, connect: Connect) -> Bus:
    return await connect(await own_broker.register("bob"))


async def refusal(attempt: Any) -> HiveError:
    with pytest.raises(HiveError) as caught:
        await attempt
    return caught.value


async def test_everybody_sees_only_what_is_open_of_their_own(alice: Bus, bob: Bus) -> None:
    mine = await alice.request(AskQuestion(text="to you"), caller="alice")
    theirs = await bob.request(AskQuestion(text="to alice", to="alice"), caller="bob")
    await bob.request(AskQuestion(text="to the operator"), caller="bob")
    reminder = await alice.request(Remind(prompt="tea", timing=LATER), caller="alice")
    await bob.request(Remind(prompt="coffee", after_s=60), caller="bob")
    found = await alice.request(OwnItems(), caller="alice")
    assert [one.id for one in found.questions] == [theirs.question.id, mine.question.id]
    assert [one.id for one in found.reminders] == [reminder.schedule.id]
    assert found.requests == []


async def test_the_managers_requests_are_open_until_they_are_decided(manager: Bus) -> None:
    await manager.request(RequestSpawn(agent="zoe", reason="much to do"), caller="hm1nd")
    [request] = (await manager.request(OwnItems(), caller="hm1nd")).requests
    assert (request.agent, request.reason) == ("zoe", "much to do")


async def test_a_question_is_taken_back_once_and_by_its_asker_alone(
    alice: Bus, bob: Bus, operator: Bus
) -> None:
    number = (await alice.request(AskQuestion(text="still?", to="bob"), caller="alice")).question.id
    error = await refusal(bob.request(CancelQuestion(id=number), caller="bob"))
    assert error.code == "unknown_question"
    for _ in range(2):
        taken = (await alice.request(CancelQuestion(id=number), caller="alice")).question
        assert taken.state == "cancelled"
    error = await refusal(bob.request(AnswerPeer(id=number, answer="yes"), caller="bob"))
    assert error.code == "already_answered"
    assert "taken back" in error.message
    assert (await alice.request(OwnItems(), caller="alice")).questions == []
    told = await inbox_with(operator, "bob", 2)
    assert told[1].body == f"Agent alice has taken question {number} back: it needs no answer."


async def test_an_agent_reminds_itself_and_is_told_that_it_was_itself(
    alice: Bus, operator: Bus
) -> None:
    made = (await alice.request(Remind(prompt="look again", after_s=1), caller="alice")).schedule
    assert (made.agent, made.created_by, made.zone) == ("alice", "agent:alice", "UTC")
    told = await inbox_with(operator, "alice", 1)
    assert told[0].body == f"(Your own reminder {made.id}.)\nlook again"


async def test_the_same_request_makes_one_reminder(alice: Bus, operator: Bus) -> None:
    wish = Remind(prompt="tea", after_s=3600)
    first, second = [
        await alice.request(wish, caller="alice", request_id="tea-1") for _ in range(2)
    ]
    assert first.schedule.id == second.schedule.id
    assert len((await operator.request(ListSchedules(agent="alice"))).schedules) == 1


async def test_reminders_of_the_past_of_nothing_and_of_nonsense_are_refused(alice: Bus) -> None:
    past = Timing(once="2020-01-01T00:00", zone="UTC")
    for wish, words in [
        (Remind(prompt="x", timing=past), "that moment is over"),
        (Remind(prompt="x"), "needs either"),
        (Remind(prompt="x", timing=LATER, after_s=5), "needs either"),
        (Remind(prompt="x", timing=Timing(cron="61 * * * *")), "no cron expression"),
        (Remind(prompt="x", timing=Timing(once="2030-01-01T00:00", zone="Mars/Base")), "time zone"),
    ]:
        error = await refusal(alice.request(wish, caller="alice"))
        assert error.code == "bad_schedule"
        assert words in error.message
    assert (await alice.request(OwnItems(), caller="alice")).reminders == []


async def test_an_agent_has_a_bounded_number_of_reminders(alice: Bus) -> None:
    for _ in range(50):
        await alice.request(Remind(prompt="x", after_s=9999), caller="alice")
    error = await refusal(alice.request(Remind(prompt="x", after_s=9999), caller="alice"))
    assert error.code == "too_many_pending"


async def test_a_reminder_is_removed_by_its_maker_and_an_operators_schedule_is_not(
    alice: Bus, bob: Bus, operator: Bus, lifecycle: ScriptedLifecycle
) -> None:
    own = (await alice.request(Remind(prompt="x", timing=LATER), caller="alice")).schedule.id
    error = await refusal(bob.request(CancelReminder(id=own), caller="bob"))
    assert error.code == "unknown_schedule"
    for _ in range(2):
        gone = await alice.request(CancelReminder(id=own), caller="alice")
        assert gone.schedule.state == "deleted"
    lifecycle.book.state_dirs.add("alice")
    plan = CreateSchedule(agent="alice", prompt="report", timing=Timing(cron="0 9 * * *"))
    theirs = (await operator.request(plan)).schedule.id
    error = await refusal(alice.request(CancelReminder(id=theirs), caller="alice"))
    assert error.code == "refused"
    assert "operator:tester" in error.message
