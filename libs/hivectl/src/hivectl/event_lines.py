"""Events as lines to read: hostile text inside, so that whoever prints them escapes."""

from typing import Any

import msgspec
from hivecommon.contracts import events as kinds
from hivecommon.contracts.events import AgentEvent, AgentEventBody, HiveEvent, HiveEventBody

from hivectl.tail import Entry
from hivectl.times import clock

_LONGEST = 400
"""Characters of one event's text; `--json` shows all of it."""
HIVE = "hive"


def source_and_kind(subject: str) -> tuple[str, str]:
    """Return who says so and what kind of event it is, as the bus vouches for them."""
    match subject.split("."):
        case ["events", "hive", "job", _]:
            return HIVE, "job"
        case ["events", source, *_, kind]:
            return source, kind
        case _:
            return subject, ""


def event_line(entry: Entry) -> str:
    """Return one event for a human."""
    source, kind = source_and_kind(entry.subject)
    try:
        if source == HIVE:
            hive_event = msgspec.json.decode(entry.data, type=HiveEvent)
            return f"{clock(hive_event.at)} {source:<9} {hive_words(hive_event.body)}"
        event = msgspec.json.decode(entry.data, type=AgentEvent)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        shown = entry.data[:_LONGEST].decode(errors="replace")
        return f"{clock(entry.at)} {source:<9} {kind} (not understood): {shown}"
    return f"{clock(event.at)} {source:<9} {_short(agent_words(event.body))}"


def event_json(entry: Entry) -> dict[str, Any]:
    """Return one event for a program: as it was published, with its source and its place."""
    source, kind = source_and_kind(entry.subject)
    place = {"source": source, "kind": kind, "stream_seq": entry.seq}
    try:
        event = msgspec.json.decode(entry.data, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return {**place, "at": entry.at, "not_understood": entry.data.decode(errors="replace")}
    return {**event, **place}


def agent_words(body: AgentEventBody) -> str:  # noqa: C901, PLR0911, PLR0912 - one case for each kind of event
    """Return what an agent's event says."""
    match body:
        case kinds.HarnessStarted():
            how = "resumed" if body.resumed else "new"
            return f"started, {how} session {body.session_id} on {body.model}"
        case kinds.HarnessStopped():
            return f"stopped: {body.reason}"
        case kinds.TurnStarted(own=""):
            again = " (again, it was cut off)" if body.redelivered else ""
            return f"turn from {body.sender}{again}: {body.body}"
        case kinds.TurnStarted():
            return f"turn of its own: {body.own}"
        case kinds.MessageTaken():
            return f"takes a message from {body.sender} into the turn: {body.body}"
        case kinds.Text():
            return f"says: {body.text}"
        case kinds.Thinking():
            return f"thinks: {body.text}"
        case kinds.ToolCall():
            return f"calls {body.tool} {msgspec.json.encode(body.input).decode()}"
        case kinds.ToolResult():
            return f"{'tool failed' if body.is_error else 'tool answered'}: {body.text}"
        case kinds.TurnEnded():
            why = f": {body.error}" if body.error else ""
            return f"turn {body.outcome} after {body.duration_s:.1f} s, ${body.cost_usd:.4f}{why}"
        case kinds.MessageSent():
            return f"writes to {body.to}: {body.body}"
        case kinds.MessageParked():
            return f"parked a message from {body.sender}, number {body.number}: {body.reason}"
        case kinds.LoggedIn():
            return f"was given {body.means}"
        case kinds.StatusChanged():
            said = f", {body.status.status_text}" if body.status.status_text else ""
            return f"is {body.status.activity}{said}"
        case kinds.Trouble():
            return f"trouble, {body.code}: {body.message}"
    raise AssertionError("unreachable: all kinds are told")


def hive_words(body: HiveEventBody) -> str:  # noqa: PLR0911 - one case for each kind of event
    """Return what a service's event says."""
    match body:
        case kinds.JobChanged():
            job = body.job
            last = f": {job.steps[-1].text}" if job.steps and not job.state.ended else ""
            why = f": {job.error.message}" if job.error else ""
            return f"job {job.id}, {job.verb} {job.agent}: {job.state}{last}{why}"
        case kinds.ApprovalChanged():
            one = body.approval
            by = one.decided_by or one.requested_by
            return f"approval {one.id}, {one.kind} {one.agent}: {one.state} ({by})"
        case kinds.AgentChanged():
            by = f" by {body.by}" if body.by else ""
            detail = f": {body.detail}" if body.detail else ""
            return f"{body.agent} {body.what}{by}{detail}"
        case kinds.OperatorChanged():
            return f"operator {body.name} {body.what} by {body.by}"
        case kinds.QuestionChanged():
            asked = body.question
            return f"question {asked.id}, {asked.asker} to {asked.answerer}: {asked.state}"
        case kinds.ScheduleChanged():
            plan = body.schedule
            return f"schedule {plan.id}, {plan.agent}: {plan.state}, sent {plan.fired} times"
        case kinds.ServiceChanged():
            return f"service {body.what} {body.version}".rstrip()
    raise AssertionError("unreachable: all kinds are told")


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
