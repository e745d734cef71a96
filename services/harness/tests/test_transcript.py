"""What of a turn is kept: everything that matters, in a size that the bus carries."""

from datetime import UTC, datetime

import msgspec
import pytest
from hive_harness import transcript
from hive_harness.session import Called, Letter, Result, Returned, Said, Source, Thought, Usage
from hivecommon.contracts import events
from hivecommon.contracts.events import AgentEvent

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
MAX_PAYLOAD = 1 << 20  # nats-server's default
WORST = "\x01"  # JSON makes six bytes of it


@pytest.mark.parametrize(
    "body",
    [
        transcript.told(Said(WORST * 300_000)),
        transcript.told(Thought(WORST * 300_000)),
        transcript.told(Returned("c", WORST * 300_000, is_error=False)),
        transcript.told(Called("c", "Write", {"a": WORST * 300_000, "b": [WORST * 300_000] * 9})),
        transcript.told(Called("c" * 300_000, "t" * 300_000, {WORST * 300_000: WORST})),
        transcript.told(Called("c", "x", {str(n): {"deep": [[[[[[[n]]]]]]]} for n in range(9999)})),
    ],
    ids=["text", "thinking", "result", "input", "names", "deep"],
)
def test_no_event_is_larger_than_the_bus_carries(body: events.AgentEventBody) -> None:
    event = AgentEvent(seq=1, at=NOW, turn=1, body=body)
    assert len(msgspec.json.encode(event)) < MAX_PAYLOAD


def test_a_long_result_says_how_much_is_missing() -> None:
    text = "ä" * (transcript.MAX_RESULT + 5)
    assert transcript.told(Returned("c", text, is_error=True)) == events.ToolResult(
        "c", "ä" * transcript.MAX_RESULT, is_error=True, omitted_bytes=10
    )


def test_what_fits_is_kept_as_it_is() -> None:
    arguments = {"command": "ls", "n": 1, "flag": True, "list": ["a", {"b": None}]}
    assert transcript.told(Called("c", "Bash", arguments)) == events.ToolCall(
        "c", "Bash", arguments
    )


def test_the_end_of_a_turn_tells_what_it_took() -> None:
    letter = Letter(source=Source.BUS, sequence=1, id="m", sender="bob", body="x", sent_at=NOW)
    usage = Usage(duration_s=1.5, cost_usd=0.25, input_tokens=3, output_tokens=4)
    ended = transcript.ended([letter], "answered", Result(ok=True, usage=usage), tools={"Bash": 2})
    assert (ended.message_id, ended.outcome, ended.tool_calls) == ("m", "answered", 2)
    assert ended.tools == {"Bash": 2}
    assert (ended.duration_s, ended.cost_usd, ended.input_tokens) == (1.5, 0.25, 3)
