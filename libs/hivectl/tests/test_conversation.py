"""`hive compact|new-session|model|resend` and `hive inbox AGENT`, against an agent of the test's own."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hivecommon.contracts.base import ErrorDetail, ErrorReply
from hivecommon.contracts.harness import (
    HarnessReply,
    OpenItemsReply,
    ParkedMessage,
    WaitingMessage,
)
from hivecommon.contracts.lifecycle import Done
from hivecommon.contracts.roster import HarnessStatus
from hivetesting.broker import Broker
from hivetesting.commands import HiveCommand
from hivetesting.fixtures import Connect
from nats.aio.msg import Msg

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
ITEMS = OpenItemsReply(
    waiting=[
        WaitingMessage(
            id="m1", sender="bob", sent_at=NOON, first_line="\x1b[31mred alert", attempts=2
        )
    ],
    unread=7,
    parked=[
        ParkedMessage(
            number=3, id="m0", sender="eve", sent_at=NOON, first_line="<b>bold", reason="too much",
            parked_at=NOON,
        )
    ],
    questions=[],
    reminders=[],
    requests=[],
    incomplete="unavailable: nobody answers",
)  # fmt: skip
STATUS = HarnessReply(status=HarnessStatus(model="claude-opus-4-6", effort="high"))

Answer = Callable[[dict[str, Any]], Awaitable[None]]


@pytest.fixture
async def asked(broker: Broker, connect: Connect) -> list[tuple[str, dict[str, Any]]]:
    """Let an agent answer; return what it is asked."""
    asked: list[tuple[str, dict[str, Any]]] = []
    agent = await connect(await broker.register("host"))
    refusal = ErrorReply(error=ErrorDetail(code="not_parked", message="there is none"))
    answers: dict[str, Any] = {
        "compact": Done(), "new_session": Done(changed=False), "model": STATUS, "status": STATUS,
        "open_items": ITEMS, "resend": refusal,
    }  # fmt: skip

    async def answer(msg: Msg) -> None:
        verb = msg.subject.rpartition(".")[2]
        asked.append((verb, msgspec.json.decode(msg.data)))
        await msg.respond(msgspec.json.encode(answers[verb]))

    await agent.subscribe("agent.host.*", answer)
    await agent.client.flush()
    return asked


async def test_a_conversation_is_compacted_or_begun_anew(
    hive: HiveCommand, asked: list[tuple[str, dict[str, Any]]]
) -> None:
    said = await hive("compact", "host")
    assert said.out == "host saves its notes and sums up, once no turn runs\n"
    said = await hive("new-session", "host")
    assert said.out == "host's conversation is a new one already\n"
    assert [verb for verb, _ in asked] == ["compact", "new_session"]


async def test_model_and_effort_are_shown_chosen_and_reset(
    hive: HiveCommand, asked: list[tuple[str, dict[str, Any]]]
) -> None:
    said = await hive("model", "host")
    assert said.out == "model:   claude-opus-4-6\neffort:  high\n"
    said = await hive("model", "host", "claude-opus-4-6", "--effort", "high", "--json")
    assert said.json == {"ok": True, "model": "claude-opus-4-6", "effort": "high"}
    await hive("model", "host", "--effort", "low")
    await hive("model", "host", "--default")
    assert asked == [
        ("status", {}),
        ("model", {"model": "claude-opus-4-6", "effort": "high"}),
        ("model", {"model": None, "effort": "low"}),
        ("model", {"model": "", "effort": ""}),
    ]
    for wrong in (["--default", "--effort", "low"], ["a model"], ["--effort", "enormous"]):
        assert (await hive("model", "host", *wrong)).code == 2
    assert len(asked) == 4


async def test_what_waits_for_an_agent_is_listed_with_nothing_raw_in_it(
    hive: HiveCommand, asked: list[tuple[str, dict[str, Any]]]
) -> None:
    said = await hive("inbox", "host")
    assert "unread: 7" in said.out
    assert "red alert  (cut off 2 times)" in said.out
    assert "\x1b" not in said.out
    assert "3  2026-11-22" in said.out
    assert "eve  <b>bold  (too much)" in said.out
    assert "hive resend host NUMBER" in said.err
    assert "not known: unavailable" in said.err
    assert (await hive("inbox", "host", "--json")).json["unread"] == 7
    assert (await hive("inbox", "host", "-f")).code == 2


async def test_a_message_that_is_not_parked_cannot_be_sent_again(
    hive: HiveCommand, asked: list[tuple[str, dict[str, Any]]]
) -> None:
    said = await hive("resend", "host", "9")
    assert (said.code, asked) == (1, [("resend", {"number": 9})])
    assert "there is none" in said.err
    assert (await hive("resend", "host", "0")).code == 2


async def test_an_agent_that_is_away_is_named(hive: HiveCommand) -> None:
    for line in (["compact", "nobody"], ["model", "nobody"], ["resend", "nobody", "1"]):
        said = await hive(*line)
        assert said.code == 1
        assert "hive status nobody" in said.err
