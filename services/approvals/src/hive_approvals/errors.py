"""What this service refuses, in words that say what to do next."""

from hivecommon.contracts.approvals import Approval, ApprovalId
from hivecommon.errors import HiveError


def unknown_approval(number: ApprovalId) -> HiveError:
    """Return the refusal of a number that no approval has."""
    return HiveError(
        f"there is no approval {number}",
        code="unknown_approval",
        hint="`hive approvals` lists them",
    )


def already_decided(approval: Approval) -> HiveError:
    """Return the refusal of a second decision, with who made the first and what it was."""
    if approval.decided_by is None:
        what = f"is {approval.state} since {approval.ended_at:%Y-%m-%d %H:%M} UTC: {approval.note}"
    else:
        verb = (
            approval.state.value
            if approval.state in {"denied", "cancelled"}
            else f"approved and is {approval.state}"
        )
        what = f"was already decided by {approval.decided_by}: {verb}"
        if approval.decision_reason:
            what += f" ({approval.decision_reason})"
    return HiveError(
        f"approval {approval.id} {what}",
        code="already_decided",
        hint="nothing was changed",
    )


def already_pending(approval: Approval) -> HiveError:
    """Return the refusal of a wish that would contradict one that waits."""
    return HiveError(
        f"a {approval.kind} of {approval.agent} waits already: approval {approval.id},"
        f" asked for by {approval.requested_by}",
        code="already_pending",
        hint="cancel that one first, or wait for the decision",
    )


def too_many_pending(most: int) -> HiveError:
    """Return the refusal of a requester who has too much open."""
    return HiveError(
        f"{most} of your requests wait already",
        code="too_many_pending",
        hint="wait for decisions, or cancel some",
    )


def changed(approval: Approval, shown: str) -> HiveError:
    """Return the refusal of a decision on something else than what waits."""
    return HiveError(
        f"approval {approval.id} is not what was shown: {shown[:64]!r} was approved, but"
        f" {approval.digest} waits",
        code="changed",
        hint="look at it again, then decide",
    )


def base_moved(approval: Approval, shown: str) -> HiveError:
    """Return the refusal of a decision about a difference that is not the one there is now."""
    return HiveError(
        f"approval {approval.id} would not change what was shown: nothing that {approval.agent} can"
        f" be compared with gives {shown[:64]!r} any more",
        code="changed",
        hint=f"`hive diff {approval.id}` shows it as it is now; then decide",
    )


def not_yours(number: ApprovalId) -> HiveError:
    """Return the refusal of an agent that would take back what another asked for."""
    return HiveError(
        f"approval {number} was not asked for by you",
        code="refused",
        hint="whoever asked, or an operator, can cancel it",
    )


def manager_only(caller: str, what: str) -> HiveError:
    """Return the refusal of an agent that is not the manager."""
    return HiveError(
        f"{caller} may not ask for a {what}",
        code="refused",
        hint="ask the manager (hm1nd) or the operator to do it",
    )


def operators_only(caller: str) -> HiveError:
    """Return the refusal of a decision by somebody who is no operator."""
    return HiveError(f"{caller} is no operator", code="refused")
