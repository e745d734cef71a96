"""From the SDK's messages to what happened: what counts, what is left out, what would break us."""

from typing import Any

import pytest
from claude_agent_sdk import (
    AssistantMessage,
    RateLimitEvent,
    ResultMessage,
    StreamEvent,
    SystemMessage,
    TextBlock,
    ThinkingBlock,
    ToolResultBlock,
    ToolUseBlock,
    UserMessage,
)
from claude_agent_sdk.types import RateLimitInfo
from hive_harness.happenings import Reader, clean
from hive_harness.session import (
    Began,
    Called,
    Compacting,
    Happening,
    LimitSeen,
    Result,
    Retrying,
    Returned,
    Said,
    Thought,
    Wrote,
)
from hive_harness.trouble import unix


def said(*blocks: Any, **fields: Any) -> AssistantMessage:
    return AssistantMessage(content=list(blocks), model="m", **fields)


def result(**fields: Any) -> ResultMessage:
    return ResultMessage(
        **{
            "subtype": "success", "duration_ms": 1500, "duration_api_ms": 1, "is_error": False,
            "num_turns": 1, "session_id": "s", "user_message_uuids": ["p1"], **fields,
        }
    )  # fmt: skip


def read(message: Any) -> list[Happening]:
    return list(Reader("p1", cost_before_usd=0.0).read(message))


INIT = {"session_id": "s", "model": "m", "claude_code_version": "9"}
RETRY = {"error_status": 529, "error": "overloaded", "retry_delay_ms": 500, "attempt": 2}
PARTS = [{"type": "text", "text": "a"}, {"type": "image"}]


@pytest.mark.parametrize(
    ("message", "happenings"),
    [
        (SystemMessage("init", INIT), [Began("s", "m", "9")]),
        (SystemMessage("status", {"status": "requesting"}), []),
        (SystemMessage("status", {"status": "compacting"}), [Compacting(ended=False)]),
        (SystemMessage("compact_boundary", {}), [Compacting(ended=True)]),
        (SystemMessage("thinking_tokens", {}), []),
        (
            SystemMessage("api_retry", RETRY),
            [Retrying(529, "overloaded", 0.5, 2)],
        ),
        (SystemMessage("api_retry", {"error_status": None}), [Retrying(None, "", 0.0, 0)]),
        (said(TextBlock("hi"), TextBlock(" ")), [Said("hi")]),
        (said(ThinkingBlock("hm", "sig"), ThinkingBlock("", "sig")), [Thought("hm")]),
        (said(ToolUseBlock("c", "Bash", {"command": "ls"})), [Called("c", "Bash", {"command": "ls"})]),
        (said(TextBlock("of a subagent"), parent_tool_use_id="t"), []),
        (UserMessage("the CLI's own words"), []),
        (UserMessage([TextBlock("the CLI's own words")]), []),
        (UserMessage([ToolResultBlock("c", "out", is_error=False)]), [Returned("c", "out", is_error=False)]),
        (UserMessage([ToolResultBlock("c", None, None)]), [Returned("c", "", is_error=False)]),
        (
            UserMessage([ToolResultBlock("c", PARTS, is_error=True)]),
            [Returned("c", "a\n(image)", is_error=True)],
        ),
        (
            RateLimitEvent(RateLimitInfo("rejected", 1700000000, "five_hour"), "u", "s"),
            [LimitSeen(rejected=True, resets_at=unix(1700000000), kind="five_hour")],
        ),
        (
            RateLimitEvent(RateLimitInfo("allowed"), "u", "s"),
            [LimitSeen(rejected=False, resets_at=None, kind="")],
        ),
    ],
)  # fmt: skip
def test_a_message_is_read_for_what_it_tells(message: Any, happenings: list[Happening]) -> None:
    assert read(message) == happenings


def test_success_as_a_subtype_is_no_success() -> None:
    reader = Reader("p1", cost_before_usd=0.0)
    assert list(reader.read(said(TextBlock("API Error"), error="server_error")))
    [ended] = reader.read(result(is_error=True, api_error_status=529, result="API Error: 529"))
    assert isinstance(ended, Result)
    assert (ended.ok, ended.error, ended.status) == (False, "server_error", 529)
    assert ended.words == "API Error: 529"


def test_the_result_of_another_prompt_ends_nothing() -> None:
    assert read(result(user_message_uuids=["p0"])) == []
    assert len(read(result(user_message_uuids=["p0", "p1"]))) == 1
    assert len(read(result(user_message_uuids=None))) == 1


@pytest.mark.parametrize(
    ("before", "total", "cost"), [(0, 0.5, 0.5), (0.5, 0.75, 0.25), (0.5, 0.1, 0.1)]
)
def test_a_turn_costs_what_the_total_grew(before: float, total: float, cost: float) -> None:
    reader = Reader("p1", cost_before_usd=before)
    [ended] = reader.read(result(total_cost_usd=total))
    assert isinstance(ended, Result)
    assert ended.usage.cost_usd == pytest.approx(cost)
    assert reader.cost_usd == total


def test_the_context_is_what_the_last_answer_was_given_to() -> None:
    reader = Reader("p1", cost_before_usd=0.0)
    usage = {
        "input_tokens": 1_000,
        "cache_read_input_tokens": 48_000,
        "cache_creation_input_tokens": 1_000,
    }
    assert list(reader.read(said(TextBlock("a"), usage=usage)))
    assert list(reader.read(said(TextBlock("b"), usage=None)))
    [ended] = reader.read(result(model_usage={"m": {"contextWindow": 200_000}}))
    assert isinstance(ended, Result)
    assert ended.context_used == 0.25


def test_lone_surrogates_are_replaced_everywhere() -> None:
    assert clean("a\ud800b") == "a?b"
    assert read(said(ToolUseBlock("c", "x", {"\ud800": ["\udfff", {"k": "\ud800"}]}))) == [
        Called("c", "x", {"?": ["?", {"k": "?"}]})
    ]


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"type": "text_delta", "text": "Hel\ud800"}, [Wrote("Hel?", thinking=False)]),
        ({"type": "thinking_delta", "thinking": "hm"}, [Wrote("hm", thinking=True)]),
        ({"type": "input_json_delta", "partial_json": "{"}, []),
        ({"type": "text_delta", "text": 7}, []),
        (None, []),
    ],
)
def test_pieces_of_what_is_being_written_are_told_as_such(
    event: Any, expected: list[Happening]
) -> None:
    whole = {"type": "content_block_delta", "index": 0, "delta": event}
    assert read(StreamEvent(uuid="u", session_id="s", event=whole)) == expected
    assert read(StreamEvent(uuid="u", session_id="s", event={"type": "message_start"})) == []
    of_a_subagent = StreamEvent(uuid="u", session_id="s", event=whole, parent_tool_use_id="t")
    assert read(of_a_subagent) == []
