"""The life of an approval, decided purely: which step follows on which event, and who is told."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from hivecommon.contracts.approvals import Approval, ApprovalKind, ApprovalState
from hivecommon.contracts.inbox import check_body
from hivecommon.errors import HiveError

MAX_NOTE: Final = 2000
ORPHANED: Final = "agent state dir missing"
"""The note of requirement S12; scripts look for it."""
_AGENT: Final = "agent:"


class Event(StrEnum):
    """What can happen to an approval."""

    APPROVE = "approve"
    DENY = "deny"
    CANCEL = "cancel"
    ORPHAN = "orphan"
    BEGIN = "begin"
    """lifecycle has taken the job."""
    FINISH = "finish"
    SETTLE = "settle"
    """It is carried out here, in one transaction."""
    FAIL = "fail"


@dataclass(frozen=True)
class Step:
    """Where an event leads."""

    state: ApprovalState
    tell: bool = True
    """Whether the agent that asked gets a message."""


_S = ApprovalState
_STEPS: Final[Mapping[tuple[ApprovalState, Event], Step]] = {
    (_S.PENDING, Event.APPROVE): Step(_S.APPROVED),
    (_S.PENDING, Event.DENY): Step(_S.DENIED),
    (_S.PENDING, Event.CANCEL): Step(_S.CANCELLED),
    (_S.PENDING, Event.ORPHAN): Step(_S.FAILED),
    (_S.APPROVED, Event.BEGIN): Step(_S.EXECUTING, tell=False),
    (_S.APPROVED, Event.SETTLE): Step(_S.DONE),
    (_S.APPROVED, Event.FAIL): Step(_S.FAILED),
    (_S.EXECUTING, Event.FINISH): Step(_S.DONE),
    (_S.EXECUTING, Event.FAIL): Step(_S.FAILED),
}
ENDED: Final = frozenset({_S.DONE, _S.DENIED, _S.FAILED, _S.CANCELLED})
UNFINISHED: Final = frozenset({_S.APPROVED, _S.EXECUTING})


def advance(state: ApprovalState, event: Event) -> Step | None:
    """Return the step that `event` makes from `state`; None when it makes none there."""
    return _STEPS.get((state, event))


def digest_of(kind: ApprovalKind, agent: str, details: bytes) -> str:
    """Return the SHA-256 of what is asked for, in hex; `details` as they are stored."""
    return hashlib.sha256(b"\0".join((kind.encode(), agent.encode(), details))).hexdigest()


def check_reason(text: str) -> str:
    """Return `text` if it can be kept and sent on; raise `bad_request` with what is wrong in it."""
    if not text.strip():
        return ""
    try:
        return check_body(text)
    except HiveError as error:
        raise HiveError(
            error.message.replace("the message", "the reason"), code="bad_request", hint=error.hint
        ) from error


def shorten(note: str) -> str:
    """Return `note` cut to what a list can show."""
    return note if len(note) <= MAX_NOTE else note[: MAX_NOTE - 1] + "…"


def addressee(approval: Approval) -> str | None:
    """Return the agent that is told of the outcome; operators see it on their pages.

    Nobody is told of what they did themselves.
    """
    if not approval.requested_by.startswith(_AGENT):
        return None
    if approval.state is _S.CANCELLED and approval.decided_by == approval.requested_by:
        return None
    return approval.requested_by.removeprefix(_AGENT)


def outcome_message(approval: Approval) -> str:
    """Return what the requester is told of the approval as it now is."""
    what = f"Your request {approval.id} ({approval.kind} {approval.agent})"
    by = (approval.decided_by or "").replace(":", " ")
    match approval.state:
        case _S.APPROVED:
            return f"{what} was approved by {by} and is being carried out."
        case _S.DENIED:
            reason = approval.decision_reason or "(none was given)"
            return f"{what} was denied by {by}. Reason: {reason}"
        case _S.CANCELLED:
            return f"{what} was cancelled by {by}."
        case _S.DONE:
            return f"{what} has been carried out."
        case _S.FAILED:
            return f"{what} failed: {approval.note or 'no reason is known'}"
        case _:
            return f"{what} is {approval.state}."
