"""Messages own their subjects, and take only what fits their schema."""

from datetime import UTC, datetime

import msgspec
import pytest
from hivecommon.contracts.base import decode_reply, fill, tokens_of, wildcard
from hivecommon.contracts.events import AgentEvent, HiveEvent, Text, ToolCall
from hivecommon.contracts.inbox import MAX_BODY_BYTES, InboxMessage, check_body
from hivecommon.contracts.jobs import JobAccepted, JobState, WaitJob
from hivecommon.contracts.lifecycle import Destroy, ListAgents, Rename, Spawn
from hivecommon.errors import HiveError

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize("token", ["", "a.b", "*", ">", "a b", "a\nb", "a\0"])
def test_nothing_but_one_token_gets_into_a_subject(token: str) -> None:
    with pytest.raises(HiveError):
        fill("inbox.{to}.{sender}", to=token, sender="alice")


def test_subjects_are_filled_matched_and_taken_apart() -> None:
    assert wildcard("req.{caller}.hello") == "req.*.hello"
    assert tokens_of("inbox.{to}.{sender}", "inbox.bob.alice") == {"to": "bob", "sender": "alice"}
    assert InboxMessage.subject_for(to="bob", sender="alice") == "inbox.bob.alice"
    assert InboxMessage.filter_for("bob") == "inbox.bob.*"


def test_a_bare_word_and_json_mean_the_same() -> None:
    assert Spawn.decode(b"alice") == Spawn.decode(b'{"agent": "alice"}') == Spawn(agent="alice")
    assert ListAgents.decode(b"") == ListAgents.decode(b"{}") == ListAgents()
    assert WaitJob.decode(b"x-1").timeout_s < 5


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        (b'{"agent": "alice", "purge": "yes"}', "purge"),
        (b'{"agent": "alice", "pruge": true}', "pruge"),
        (b'{"agent": 7}', "agent"),
        (b'{"agent": "alice"', "truncated"),
        (b"[]", "no agent name"),
    ],
)
def test_a_bad_payload_is_refused_by_the_name_of_the_field(payload: bytes, says: str) -> None:
    with pytest.raises(HiveError) as caught:
        Destroy.decode(payload)
    assert says in caught.value.message or says in str(caught.value.__cause__)
    assert caught.value.hint


def test_a_message_with_two_names_takes_no_bare_word() -> None:
    with pytest.raises(HiveError, match="no JSON object"):
        Rename.decode(b"victor")


def test_an_answer_is_decoded_or_raised() -> None:
    good = msgspec.json.encode(
        JobAccepted(job="j-1", state=JobState.ACCEPTED, agent="a", verb="start")
    )
    assert decode_reply(good, JobAccepted).job == "j-1"
    with pytest.raises(HiveError) as caught:
        decode_reply(b'{"ok":false,"error":{"code":"x","message":"m","hint":"h"}}', JobAccepted)
    assert (caught.value.code, caught.value.message, caught.value.hint) == ("x", "m", "h")
    for nonsense in (b"", b"[]", b'{"ok":true}', b"\xff"):
        with pytest.raises(HiveError) as caught:
            decode_reply(nonsense, JobAccepted)
        assert caught.value.code == "bad_reply"


@pytest.mark.parametrize(
    "body", ["", "  \n", "a\0b", "x" * (MAX_BODY_BYTES + 1), "é" * (MAX_BODY_BYTES // 2 + 1)]
)
def test_a_body_that_cannot_be_carried_is_refused(body: str) -> None:
    with pytest.raises(HiveError) as caught:
        check_body(body)
    assert caught.value.code == "bad_body"
    assert len(caught.value.message) < 200


def test_a_message_comes_back_as_it_went() -> None:
    body = "\x1b[31m<b>@/etc/passwd</b>\r\n/compact 🐝"
    message = InboxMessage(id="m1", body=body, sent_at=NOW)
    assert InboxMessage.decode(msgspec.json.encode(message)) == message


def test_events_name_their_kind_in_the_subject() -> None:
    event = AgentEvent(seq=7, at=NOW, body=ToolCall(call_id="c", tool="Bash", input={"x": [1]}))
    assert event.subject_for("alice") == "events.alice.tool_call"
    assert msgspec.json.decode(msgspec.json.encode(event), type=AgentEvent) == event
    assert AgentEvent(seq=1, at=NOW, body=Text("hi")).message_id("alice", "log") == "alice-log-1"
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"id":"1","at":"2026-01-01T00:00:00Z","body":{}}', type=HiveEvent)
