"""A commit that was deployed before: an operator's own act, recorded as decided by them."""

from typing import Final

import msgspec
from hivecommon.callers import Caller, CallerKind
from hivecommon.contracts.approvals import Approval, ApprovalKind, ApprovalReply
from hivecommon.contracts.changes import CommitHash, ExecuteApply, RecordRollback
from hivecommon.service import Call

from hive_approvals.kinds.kind import Endpoints, Kind, Parts, ask_of, check_operator


class RollbackDetails(msgspec.Struct, frozen=True):
    """What of an approval is special to a rollback."""

    commit: CommitHash
    rollback_to: int


class _Rollbacks:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def record(self, call: Call, request: RecordRollback) -> ApprovalReply:
        operator = Caller(CallerKind.OPERATOR, check_operator(request.operator))
        ask = ask_of(
            Call(operator, call.request_id),
            ApprovalKind.ROLLBACK,
            agent=request.name,
            reason=request.reason,
            details=RollbackDetails(request.commit, request.to),
        )
        return ApprovalReply(approval=await self._parts.store.record_decided(ask))


def _command(approval: Approval) -> ExecuteApply:
    return ExecuteApply(
        agent=approval.agent,
        approval=approval.id,
        commit=approval.commit or "",
        requested_by=approval.requested_by,
    )


def _endpoints(parts: Parts) -> Endpoints:
    return {RecordRollback: _Rollbacks(parts).record}


ROLLBACK: Final = Kind(
    name=ApprovalKind.ROLLBACK, needs_state_dir=True, command=_command, endpoints=_endpoints
)
