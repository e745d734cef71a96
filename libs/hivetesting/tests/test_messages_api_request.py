import msgspec
import pytest
from hivetesting.messages_api.request import NOBODY, TOKENS_PER_IMAGE, Request, ToolResult, view
from hivetesting.messages_api.validation import violation
from hivetesting.messages_api.wire import Body

REMINDER = {"type": "text", "text": "<system-reminder>\nbe good\n</system-reminder>"}


def body(*messages: dict[str, object], **more: object) -> Body:
    return msgspec.convert({"model": "m", "max_tokens": 9, "messages": messages, **more}, Body)


def user(*content: object) -> dict[str, object]:
    return {"role": "user", "content": [text(c) if isinstance(c, str) else c for c in content]}


def assistant(*content: object) -> dict[str, object]:
    return {**user(*content), "role": "assistant"}


def text(said: str) -> dict[str, object]:
    return {"type": "text", "text": said}


def call(identifier: str = "t1") -> dict[str, object]:
    return {"type": "tool_use", "id": identifier, "name": "send", "input": {"to": "bob"}}


def result(identifier: str = "t1", said: object = "sent") -> dict[str, object]:
    return {"type": "tool_result", "tool_use_id": identifier, "content": said}


def seen(asked: Body, agent_pattern: str = NOBODY, **headers: str) -> Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return view(asked, headers=named, size_bytes=4_000, agent_pattern=agent_pattern)


def test_the_last_user_text_leaves_the_reminders_out() -> None:
    assert seen(body(user(REMINDER, "hello", REMINDER))).last_user_text == "hello"


def test_the_last_user_text_is_the_newest_of_prompts_that_were_merged() -> None:
    assert seen(body(user("failed before", "now"))).last_user_text == "now"


def test_the_last_user_text_stays_while_tools_are_called() -> None:
    request = seen(body(user("ask bob"), assistant(call()), user(result())))
    assert request.last_user_text == "ask bob"
    assert not request.is_prompt


def test_a_tool_result_knows_its_call_and_loses_its_reminder() -> None:
    said = [text("sent"), REMINDER]
    request = seen(body(user("ask"), assistant(call()), user(result(said=said))))
    assert request.tool_results == (
        ToolResult("t1", "send", {"to": "bob"}, "sent", is_error=False),
    )


def test_what_is_said_after_a_tool_result_is_a_prompt() -> None:
    request = seen(
        body(user("ask"), assistant(call()), user(result(), "[interrupted]", "and now?"))
    )
    assert request.is_prompt
    assert request.last_user_text == "and now?"


def test_old_tool_results_are_not_pending() -> None:
    asked = body(user("a"), assistant(call()), user(result()), assistant("done"), user("b"))
    assert seen(asked).tool_results == ()


def test_the_agent_is_found_in_any_system_text() -> None:
    pattern = r"You are the agent (?P<agent>[a-z]+)"
    system: dict[str, object] = {"role": "system", "content": "You are the agent alice."}
    assert seen(body(user("x"), system=[text("You are the agent bob")]), pattern).agent == "bob"
    assert seen(body(user("x"), system), pattern).agent == "alice"


def test_without_a_name_the_credential_keeps_agents_apart() -> None:
    assert seen(body(user("x")), x_api_key="key-1").agent == "key-1"
    assert seen(body(user("x")), authorization="Bearer token-2").agent == "token-2"


def test_an_image_is_estimated_by_count_and_not_by_its_bytes() -> None:
    image = {"type": "image", "source": {"type": "base64", "data": "x" * 2_000}}
    request = seen(body(user("x"), assistant(call()), user(result(said=[image]))))
    assert request.input_tokens == 500 + TOKENS_PER_IMAGE


@pytest.mark.parametrize(
    "messages",
    [
        [user("hello")],
        [{"role": "user", "content": "hello"}],
        [user("a"), user("b")],
        [user("a"), assistant("b"), user("c"), {"role": "assistant", "content": ""}],
        [user("a"), assistant(call("t1"), call("t2")), user(result("t2"), result("t1"))],
        [user("a"), assistant(call("t1")), assistant(call("t2")), user(result("t1"), result("t2"))],
        [user("a"), assistant(call()), {"role": "system", "content": "s"}, user(result(), "b")],
    ],
)
def test_conversations_the_api_takes(messages: list[dict[str, object]]) -> None:
    assert violation(body(*messages)) is None


@pytest.mark.parametrize(
    ("messages", "complaint"),
    [
        ([], "at least one message"),
        ([{"role": "robot", "content": "x"}], "messages.0.role"),
        ([{"role": "user", "content": ""}], "non-empty content"),
        ([user()], "non-empty content"),
        ([user(""), assistant("x")], "text content blocks must be non-empty"),
        ([user("a"), assistant(), user("b")], "non-empty content"),
        (
            [user("a"), assistant(call()), user("b")],
            "without `tool_result` blocks immediately after",
        ),
        ([user("a"), assistant(call())], "without `tool_result` blocks immediately after"),
        ([user("a"), assistant(call()), user("b"), assistant("c"), user(result())], "without"),
        ([user(result())], "unexpected `tool_use_id`"),
        ([user("a"), assistant(call()), user(result("t9"))], "unexpected `tool_use_id`"),
        ([user("a"), assistant(call()), user(result(), result())], "single result"),
        (
            [user("a"), assistant(call()), user(result()), assistant(call()), user(result())],
            "must be unique",
        ),
        ([user(call())], "can only be in `assistant`"),
        ([user("a"), assistant(result())], "can only be in `user`"),
        ([user({"type": "tool_result"})], "tool_use_id: Field required"),
        ([user({"type": "text"})], "text: Field required"),
        ([user("a"), assistant({"type": "tool_use", "id": "x"})], "needs `id`, `name` and `input`"),
        (
            [user("a"), assistant({"type": "thinking", "thinking": "h"})],
            "signature: Field required",
        ),
    ],
)
def test_conversations_the_api_refuses(messages: list[dict[str, object]], complaint: str) -> None:
    assert complaint in (violation(body(*messages)) or "nothing")


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ({"model": ""}, "model"),
        ({"max_tokens": 0}, "max_tokens: 0"),
        ({"tools": [{"name": "no spaces"}]}, "tools.0.name"),
        ({"tools": [{"name": "a"}, {"name": "a"}]}, "must be unique: a"),
    ],
)
def test_parameters_the_api_refuses(more: dict[str, object], complaint: str) -> None:
    assert complaint in (violation(body(user("x"), **more)) or "nothing")
