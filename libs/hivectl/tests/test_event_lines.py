from datetime import UTC, datetime

import msgspec
import pytest
from hivecommon.contracts import events as kinds
from hivecommon.contracts.events import AgentEvent, AgentEventBody, HiveEvent, HiveEventBody
from hivecommon.contracts.jobs import Job, JobState
from hivecommon.contracts.roster import HarnessStatus
from hivectl.event_lines import event_json, event_line, source_and_kind
from hivectl.tail import Entry

AT = datetime(2026, 11, 22, 18, tzinfo=UTC)
JOB = Job(
    id="j1", verb="rebuild", agent="alice", state=JobState.DONE, requested_by="operator:anna",
    created_at=AT,
)  # fmt: skip


def entry(subject: str, event: object) -> Entry:
    return Entry(7, AT, subject, msgspec.json.encode(event))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (kinds.HarnessStarted("s1", resumed=True, model="m"), "started, resumed session s1 on m"),
        (kinds.HarnessStopped("asked"), "stopped: asked"),
        (kinds.TurnStarted("1", "bob", "hi", redelivered=True), "turn from bob (again, it was cut off): hi"),
        (kinds.Text("hello"), "says: hello"),
        (kinds.Thinking("hm"), "thinks: hm"),
        (kinds.ToolCall("c", "Bash", {"command": "ls"}), 'calls Bash {"command":"ls"}'),
        (kinds.ToolResult("c", "x", is_error=True), "tool failed: x"),
        (kinds.TurnEnded("1", "failed", 1.5, 0.02, error="no"), "turn failed after 1.5 s, $0.0200: no"),
        (kinds.MessageSent("bob", "2", "hi"), "writes to bob: hi"),
        (kinds.StatusChanged(HarnessStatus(status_text="busy")), "is idle, busy"),
        (kinds.Trouble("rate_limited", "wait"), "trouble, rate_limited: wait"),
    ],
)  # fmt: skip
def test_each_kind_of_an_agents_events_has_its_words(body: AgentEventBody, words: str) -> None:
    event = AgentEvent(seq=1, at=AT, body=body)
    assert event_line(entry(f"events.alice.{event.kind}", event)).endswith(f"alice     {words}")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (kinds.JobChanged(JOB), "job j1, rebuild alice: done"),
        (kinds.AgentChanged("alice", "crashed", detail="exit 1"), "alice crashed: exit 1"),
        (kinds.ServiceChanged("started", "0.1"), "service started 0.1"),
    ],
)
def test_each_kind_of_a_services_events_has_its_words(body: HiveEventBody, words: str) -> None:
    event = HiveEvent(id="x", at=AT, body=body)
    line = event_line(entry(event.subject_for("lifecycle"), event))
    assert line.endswith(f"hive      {words}")


def test_an_event_that_is_none_is_shown_as_such() -> None:
    hostile = Entry(7, AT, "events.alice.text", b'{"kind":"\x1b[2J')
    assert "text (not understood)" in event_line(hostile)
    assert event_json(hostile)["not_understood"]


def test_a_program_gets_the_event_with_its_source_and_place() -> None:
    event = AgentEvent(seq=3, at=AT, turn=2, body=kinds.Text("hi"))
    assert event_json(entry("events.alice.text", event)) == {
        "seq": 3, "at": "2026-11-22T18:00:00Z", "turn": 2, "body": {"kind": "text", "text": "hi"},
        "source": "alice", "kind": "text", "stream_seq": 7,
    }  # fmt: skip


def test_an_event_cannot_claim_another_source() -> None:
    forged = Entry(7, AT, "events.alice.text", b'{"source":"bob","kind":"agent"}')
    assert event_json(forged)["source"] == "alice"


def test_jobs_are_the_hives() -> None:
    assert source_and_kind("events.hive.job.j1") == ("hive", "job")
    assert source_and_kind("events.hive.lifecycle.agent") == ("hive", "agent")


def test_long_texts_are_cut_for_humans() -> None:
    event = AgentEvent(seq=1, at=AT, body=kinds.Text("x" * 10_000))
    assert len(event_line(entry("events.alice.text", event))) < 500
