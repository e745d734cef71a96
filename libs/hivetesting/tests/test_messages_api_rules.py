from hivetesting.messages_api.request import NOBODY, Request, view
from hivetesting.messages_api.rules import ECHO_LIMIT, Rule, Rules, echo, in_order
from hivetesting.messages_api.steps import Text, overloaded
from hivetesting.messages_api.wire import Block, Body, Message


def asked(said: str, agent: str = "alice", tool: str | None = None) -> Request:
    messages = [Message("user", said)]
    if tool:
        called = Block(type="tool_use", id="t", name=tool, input={})
        came = Block(type="tool_result", tool_use_id="t", content="came")
        messages += [Message("assistant", [called]), Message("user", [came])]
    body = Body(model="m", max_tokens=9, messages=messages)
    return view(body, headers={"x-api-key": agent}, size_bytes=40, agent_pattern=NOBODY)


ONE, TWO, ANY = [Text("one")], [Text("two")], [Text("any")]


def test_the_first_rule_that_fits_answers() -> None:
    rules = Rules(Rule(ONE, text="^1"), Rule(TWO, text="2"), Rule(ANY))
    assert [rules(asked(said)) for said in ("12", "2", "3")] == [ONE, TWO, ANY]


def test_a_rule_for_an_agent_answers_no_other() -> None:
    rules = Rules(Rule(ONE, agent="alice"), otherwise=lambda _: ANY)
    assert [rules(asked("x", agent)) for agent in ("alice", "alic", "bob")] == [ONE, ANY, ANY]


def test_a_rule_without_after_tool_does_not_answer_a_tool_result() -> None:
    rules = Rules(Rule(ONE), Rule(TWO, after_tool="se.*"), otherwise=lambda _: ANY)
    assert rules(asked("x")) == ONE
    assert rules(asked("x", tool="send")) == TWO
    assert rules(asked("x", tool="resend")) == ANY


def test_a_spent_rule_is_passed_over_for_each_agent_on_its_own() -> None:
    rules = Rules(Rule([overloaded()], times=2), otherwise=lambda _: ANY)
    asking = ["alice", "alice", "alice", "bob", "alice"]
    answers = [rules(asked("x", agent)) == ANY for agent in asking]
    assert answers == [False, False, True, False, True]


def test_an_answer_may_be_made_from_the_request_and_the_match() -> None:
    rules = Rules(Rule(lambda request, found: [Text(f"{request.agent} {found[1]}")], text="(b.)"))
    assert rules(asked("abc")) == [Text("alice bc")]


def test_a_rule_may_ask_anything_of_the_request() -> None:
    rules = Rules(Rule(ONE, when=lambda request: len(request.messages) > 2, after_tool=".*"))
    assert rules(asked("x", tool="send")) == ONE


def test_answers_in_order_are_counted_for_each_agent() -> None:
    script = in_order(ONE, TWO, otherwise=lambda _: ANY)
    given = [script(asked("x", agent)) for agent in ("alice", "bob", "alice", "alice")]
    assert given == [ONE, ONE, TWO, ANY]


def test_the_echo_repeats_the_prompt_or_tells_the_result() -> None:
    assert echo(asked("hello")) == (Text("You said: hello"),)
    assert echo(asked("hello", tool="send")) == (Text("send: came"),)
    assert len(echo(asked("x" * 10**6))[0].text) < ECHO_LIMIT + 20  # type: ignore[union-attr]
