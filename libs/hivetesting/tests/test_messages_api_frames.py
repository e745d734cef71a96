import msgspec
import pytest
from hivetesting.messages_api.frames import (
    MOST_PIECES,
    Cut,
    Event,
    Frame,
    Gate,
    Pause,
    Refusal,
    answer,
    frames,
    message,
    pieces,
)
from hivetesting.messages_api.request import NOBODY, Request, view
from hivetesting.messages_api.steps import (
    CutStream,
    Hang,
    Headers,
    Step,
    StopReason,
    Text,
    Thinking,
    ToolUse,
    Usage,
    overloaded,
)
from hivetesting.messages_api.wire import Body, Message


@pytest.fixture
def request_() -> Request:
    body = Body(model="m", max_tokens=9, messages=[Message("user", "hello")])
    return view(body, headers={}, size_bytes=400, agent_pattern=NOBODY)


def played(request: Request, *steps: Step) -> list[Frame]:
    return list(frames(answer(request, steps)))


def types(found: list[Frame]) -> list[object]:
    return [frame.data["type"] for frame in found if isinstance(frame, Event)]


def deltas(found: list[Frame], field: str) -> str:
    inner = [frame.data.get("delta") for frame in found if isinstance(frame, Event)]
    return "".join(delta[field] for delta in inner if isinstance(delta, dict) and field in delta)


def test_a_text_is_streamed_in_the_order_of_the_protocol(request_: Request) -> None:
    found = played(request_, Text("one two"))
    assert types(found) == [
        "message_start",
        "ping",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert deltas(found, "text") == "one two"
    assert deltas(found, "stop_reason") == "end_turn"


def test_thinking_ends_with_its_signature(request_: Request) -> None:
    found = played(request_, Thinking("let me see", signature="c2ln"))
    assert deltas(found, "thinking") == "let me see"
    assert deltas(found, "signature") == "c2ln"


def test_a_call_streams_its_input_as_json_and_stops_for_the_tool(request_: Request) -> None:
    found = played(request_, ToolUse("send", {"to": "bob", "body": "a b c"}))
    sent = msgspec.json.decode(deltas(found, "partial_json"))
    assert sent == {"to": "bob", "body": "a b c"}
    assert deltas(found, "stop_reason") == "tool_use"


def test_every_call_has_an_id_of_its_own(request_: Request) -> None:
    said = [answer(request_, [ToolUse("a"), ToolUse("a")]) for _ in range(2)]
    ids = [step.id for one in said for step in one.steps if isinstance(step, ToolUse)]
    assert len(set(ids)) == 4


def test_an_error_before_anything_was_said_refuses_the_request(request_: Request) -> None:
    assert played(request_, Hang(2), overloaded(), Text("never")) == [
        Pause(2),
        Refusal(overloaded()),
    ]


def test_an_error_in_an_open_stream_is_its_last_event(request_: Request) -> None:
    found = played(request_, Text("half"), overloaded(), Text("never"))
    assert types(found)[-1] == "error"
    assert "message_stop" not in types(found)


def test_a_stream_is_cut_after_the_given_number_of_events(request_: Request) -> None:
    found = played(request_, Text("one two three"), CutStream(after_events=4))
    assert types(found) == [
        "message_start",
        "ping",
        "content_block_start",
        "content_block_delta",
    ]
    assert found[-1] == Cut()


def test_a_cut_without_a_number_is_made_where_it_stands(request_: Request) -> None:
    assert played(request_, CutStream()) == [Cut()]
    assert types(played(request_, Text("one"), CutStream(), Text("two")))[-1] == (
        "content_block_stop"
    )


def test_a_hang_without_seconds_waits_at_its_gate(request_: Request) -> None:
    assert Gate("door") in played(request_, Text("one"), Hang(gate="door"))


def test_a_delay_stands_before_every_piece(request_: Request) -> None:
    assert played(request_, Text("one two three", delay_s=0.5)).count(Pause(0.5)) == 3


def test_usage_stop_reason_and_headers_are_what_the_steps_say(request_: Request) -> None:
    said = answer(
        request_, [Text("x"), Usage(7, 8, 9, 10), StopReason("max_tokens"), Headers({"a": "b"})]
    )
    assert message(said)["usage"] == {
        "input_tokens": 7,
        "output_tokens": 8,
        "cache_read_input_tokens": 9,
        "cache_creation_input_tokens": 10,
    }
    assert message(said)["stop_reason"] == "max_tokens"
    assert said.headers == {"a": "b"}


def test_without_a_usage_the_sizes_are_the_estimate(request_: Request) -> None:
    assert answer(request_, [Text("x" * 40)]).usage == Usage(100, 10)


@pytest.mark.parametrize(
    "text", ["", " ", "one", " one  two\n\nthree ", "x\0y\x1b[31m", "é " * 9_999]
)
def test_pieces_joined_are_the_text(text: str) -> None:
    assert "".join(pieces(text)) == text
    assert len(pieces(text)) <= MOST_PIECES
