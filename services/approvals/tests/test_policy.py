"""The life of an approval, as a table."""

from datetime import UTC, datetime
from itertools import product

import msgspec
import pytest
from hive_approvals import policy
from hive_approvals.policy import Event, Step
from hivecommon.contracts.approvals import Approval, ApprovalKind, ApprovalState
from hivecommon.errors import HiveError

S = ApprovalState
STEPS = {
    (S.PENDING, Event.APPROVE): Step(S.APPROVED),
    (S.PENDING, Event.DENY): Step(S.DENIED),
    (S.PENDING, Event.CANCEL): Step(S.CANCELLED),
    (S.PENDING, Event.ORPHAN): Step(S.FAILED),
    (S.APPROVED, Event.BEGIN): Step(S.EXECUTING, tell=False),
    (S.APPROVED, Event.FAIL): Step(S.FAILED),
    (S.APPROVED, Event.SETTLE): Step(S.DONE),
    (S.EXECUTING, Event.FINISH): Step(S.DONE),
    (S.EXECUTING, Event.FAIL): Step(S.FAILED),
}
APPROVAL = Approval(
    id=3,
    kind=ApprovalKind.SPAWN,
    agent="alice",
    state=S.PENDING,
    requested_by="agent:hm1nd",
    requested_at=datetime(2026, 11, 22, tzinfo=UTC),
)


@pytest.mark.parametrize(("state", "event"), list(product(ApprovalState, Event)))
def test_every_event_in_every_state_leads_where_the_table_says(
    state: ApprovalState, event: Event
) -> None:
    assert policy.advance(state, event) == STEPS.get((state, event))


def test_what_has_ended_never_moves_again_and_everything_else_can_end() -> None:
    moving = {state for state, _ in STEPS}
    assert moving.isdisjoint(policy.ENDED)
    assert moving | policy.ENDED == set(ApprovalState)
    assert moving - {S.PENDING} == policy.UNFINISHED


def test_nothing_but_an_operator_or_a_missing_directory_ends_the_waiting() -> None:
    ends = {event for state, event in STEPS if state is S.PENDING}
    assert ends == {Event.APPROVE, Event.DENY, Event.CANCEL, Event.ORPHAN}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"state": S.APPROVED, "decided_by": "operator:anna"},
            "Your request 3 (spawn alice) was approved by operator anna and is being carried out.",
        ),
        (
            {"state": S.DENIED, "decided_by": "operator:anna", "decision_reason": "too many"},
            "Your request 3 (spawn alice) was denied by operator anna. Reason: too many",
        ),
        (
            {"state": S.DENIED, "decided_by": "operator:anna"},
            "Your request 3 (spawn alice) was denied by operator anna. Reason: (none was given)",
        ),
        (
            {"state": S.CANCELLED, "decided_by": "operator:anna"},
            "Your request 3 (spawn alice) was cancelled by operator anna.",
        ),
        ({"state": S.DONE}, "Your request 3 (spawn alice) has been carried out."),
        (
            {"state": S.FAILED, "note": "agent state dir missing"},
            "Your request 3 (spawn alice) failed: agent state dir missing",
        ),
        ({"state": S.EXECUTING}, "Your request 3 (spawn alice) is executing."),
    ],
)
def test_the_requester_is_told_what_became_of_it(changes: dict[str, object], text: str) -> None:
    assert policy.outcome_message(msgspec.structs.replace(APPROVAL, **changes)) == text


@pytest.mark.parametrize(
    ("changes", "agent"),
    [
        ({"state": S.DENIED, "decided_by": "operator:anna"}, "hm1nd"),
        ({"state": S.CANCELLED, "decided_by": "operator:anna"}, "hm1nd"),
        ({"state": S.CANCELLED, "decided_by": "agent:hm1nd"}, None),
        ({"state": S.DONE, "requested_by": "operator:anna"}, None),
    ],
)
def test_agents_are_told_unless_they_did_it_themselves(
    changes: dict[str, object], agent: str | None
) -> None:
    assert policy.addressee(msgspec.structs.replace(APPROVAL, **changes)) == agent


def test_the_digest_differs_with_anything_that_is_asked_for() -> None:
    digests = {
        policy.digest_of(ApprovalKind.SPAWN, "alice", b"{}"),
        policy.digest_of(ApprovalKind.DESTROY, "alice", b"{}"),
        policy.digest_of(ApprovalKind.SPAWN, "alic", b"e{}"),
        policy.digest_of(ApprovalKind.SPAWN, "alice", b'{"settings":{}}'),
    }
    assert len(digests) == 4


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_no_reason_is_a_reason_of_no_words(reason: str) -> None:
    assert policy.check_reason(reason) == ""


def test_a_reason_that_no_message_can_carry_is_refused_with_the_place() -> None:
    with pytest.raises(HiveError, match=r"the reason has an unsendable character .* at position 2"):
        policy.check_reason("no\0")


def test_a_long_note_is_cut_visibly() -> None:
    assert policy.shorten("x" * 2000) == "x" * 2000
    assert policy.shorten("x" * 2001) == "x" * 1999 + "…"
