"""Questions: asked by agents, answered once, by whom they are to."""

import asyncio
from typing import Any

import pytest
from hivecommon.bus import Bus
from hivecommon.contracts.events import AgentChanged
from hivecommon.contracts.questions import (
    AnswerPeer,
    AnswerQuestion,
    AskQuestion,
    ListQuestions,
    QuestionState,
)
from hivecommon.errors import HiveError
from hivetesting.broker import Broker
from hivetesting.fixtures import Connect
from hivetesting.lifecycle import ScriptedLifecycle
from hivetesting.watch import inbox_of, inbox_with

pytestmark = pytest.mark.usefixtures("service")


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


async def ask(bus: Bus, name: str = "alice", **wish: Any) -> int:
    request = AskQuestion(text="<b>red</b> or blue?", **wish)
    return (await bus.request(request, caller=name)).question.id


async def test_an_operators_answer_reaches_the_asker_once(alice: Bus, operator: Bus) -> None:
    number = await ask(alice, options=["red", "blue"])
    waiting = await operator.request(ListQuestions(state=QuestionState.OPEN))
    assert (waiting.open, waiting.questions[0].options) == (1, ["red", "blue"])
    answered = (await operator.request(AnswerQuestion(id=number, answer="blue"))).question
    assert (answered.state, answered.answered_by) == ("answered", "operator:tester")
    (message,) = await inbox_with(operator, "alice", 1)
    assert message.id == f"question-{number}-answered"
    assert message.body.endswith("blue")
    assert (await operator.request(ListQuestions())).open == 0


async def test_several_options_can_be_chosen_and_words_be_added(alice: Bus, operator: Bus) -> None:
    number = await ask(alice, options=["red", "blue", "green"], multiple=True)
    answer = AnswerQuestion(id=number, choices=["red", "green"], answer="and some gold")
    answered = (await operator.request(answer)).question
    assert (answered.choices, answered.answer) == (["red", "green"], "and some gold")
    (listed,) = (await operator.request(ListQuestions())).questions
    assert (listed.multiple, listed.choices) == (True, ["red", "green"])
    (message,) = await inbox_with(operator, "alice", 1)
    assert message.body.endswith("Chosen:\n- red\n- green\nand some gold")


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        ({}, "needs words or a choice"),
        ({"answer": "  "}, "needs words or a choice"),
        ({"choices": ["purple"]}, "does not offer 'purple'"),
        ({"choices": ["red", "blue"]}, "takes one choice"),
    ],
)
async def test_a_choice_that_was_not_offered_is_refused_and_it_stays_open(
    alice: Bus, operator: Bus, answer: dict[str, Any], word: str
) -> None:
    number = await ask(alice, options=["red", "blue"])
    refused = await refusal(operator.request(AnswerQuestion(id=number, **answer)))
    assert (refused.code, word in refused.message) == ("bad_answer", True), refused.message
    assert (await operator.request(ListQuestions())).open == 1


async def test_an_option_that_is_chosen_twice_is_refused(alice: Bus, operator: Bus) -> None:
    number = await ask(alice, options=["red", "blue"], multiple=True)
    twice = AnswerQuestion(id=number, choices=["red", "red"])
    assert (await refusal(operator.request(twice))).code == "bad_answer"


async def test_the_first_of_two_answers_stands_and_the_second_is_told(
    alice: Bus, dashboard: Bus, operator: Bus
) -> None:
    number = await ask(alice)
    outcomes = await asyncio.gather(
        dashboard.request(AnswerQuestion(id=number, answer="red"), operator="anna"),
        dashboard.request(AnswerQuestion(id=number, answer="blue"), operator="ben"),
        return_exceptions=True,
    )
    (lost,) = [one for one in outcomes if isinstance(one, HiveError)]
    assert lost.code == "already_answered"
    assert "operator:" in lost.message
    assert len(await inbox_with(operator, "alice", 1)) == 1


async def test_a_repeated_answer_is_the_same_one(alice: Bus, operator: Bus) -> None:
    number = await ask(alice)
    for _ in range(2):
        answer = AnswerQuestion(id=number, answer="red")
        reply = await operator.request(answer, request_id="the-same")
        assert reply.question.answer == "red"


async def test_no_agent_answers_for_the_operator(alice: Bus, bob: Bus, operator: Bus) -> None:
    number = await ask(alice)
    for name, bus in (("alice", alice), ("bob", bob)):
        error = await refusal(bus.request(AnswerPeer(id=number, answer="yes"), caller=name))
        assert error.code == "refused"
    for bus in (alice, bob):
        error = await refusal(bus.request(AnswerQuestion(id=number, answer="yes"), timeout_s=0.3))
        assert error.code in {"unavailable", "forbidden"}
    assert (await operator.request(ListQuestions())).questions[0].state == "open"


async def test_a_peer_is_asked_and_answers_through_inboxes(
    alice: Bus, bob: Bus, operator: Bus, lifecycle: ScriptedLifecycle
) -> None:
    number = await ask(alice, to="bob")
    (question,) = await inbox_with(operator, "bob", 1)
    assert f"question {number}" in question.body
    error = await refusal(operator.request(AnswerQuestion(id=number, answer="mine")))
    assert error.code == "refused"
    await bob.request(AnswerPeer(id=number, answer="red"), caller="bob")
    (answer,) = await inbox_with(operator, "alice", 1)
    assert "agent bob" in answer.body
    assert (await operator.request(ListQuestions())).open == 0


async def test_nobody_asks_whom_it_may_not_write_to(
    alice: Bus, operator: Bus, lifecycle: ScriptedLifecycle
) -> None:
    lifecycle.refusals["bob"] = HiveError("alice may not write to bob", code="forbidden")
    assert (await refusal(ask(alice, to="bob"))).code == "forbidden"
    assert (await refusal(ask(alice, to="alice"))).code == "bad_recipient"
    assert (await refusal(ask(alice, to="hive.x"))).code == "bad_name"
    assert await inbox_of(operator, "bob") == []


async def test_who_asked_in_vain_is_told_when_the_deadline_has_passed(
    alice: Bus, operator: Bus
) -> None:
    number = await ask(alice, deadline_s=1)
    (message,) = await inbox_with(operator, "alice", 1)
    assert message.id == f"question-{number}-expired"
    error = await refusal(operator.request(AnswerQuestion(id=number, answer="late")))
    assert (error.code, "expired" in error.message) == ("already_answered", True)


async def test_too_many_open_ones_are_refused(alice: Bus) -> None:
    await asyncio.gather(*(ask(alice) for _ in range(50)))
    assert (await refusal(ask(alice))).code == "too_many_pending"


async def test_an_unknown_one_is_refused(operator: Bus) -> None:
    error = await refusal(operator.request(AnswerQuestion(id=99, answer="x")))
    assert error.code == "unknown_question"


async def test_open_questions_go_with_a_renamed_agent(
    alice: Bus, bob: Bus, operator: Bus, lifecycle: ScriptedLifecycle
) -> None:
    asked, to_peer = await ask(alice), await ask(bob, "bob", to="alice")
    change = AgentChanged(agent="anna", what="renamed", detail="was alice")
    await lifecycle.bus.publish_event("lifecycle", change)
    async with asyncio.timeout(10):
        while True:
            found = {one.id: one for one in (await operator.request(ListQuestions())).questions}
            if found[asked].asker == "anna" and found[to_peer].answerer == "anna":
                break
    await operator.request(AnswerQuestion(id=asked, answer="blue"))
    assert len(await inbox_with(operator, "anna", 1)) == 1
