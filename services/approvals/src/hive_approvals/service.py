"""What operators and requesters can do with approvals of any kind."""

from collections.abc import Mapping

from hivecommon.callers import CallerKind
from hivecommon.contracts.approvals import (
    ApprovalKind,
    ApprovalLog,
    ApprovalReply,
    ApprovalsReply,
    ApprovalState,
    Approve,
    CancelApproval,
    CancelOwnApproval,
    Deny,
    GetApproval,
    ListApprovals,
    ReadLog,
)
from hivecommon.errors import HiveError
from hivecommon.service import Call

from hive_approvals import errors
from hive_approvals.kinds.kind import Endpoints, Kind, Parts
from hive_approvals.policy import Event, check_reason
from hive_approvals.rows import Query
from hive_approvals.store import Decision
from hive_approvals.sweeper import Sweeper


class Desk:
    """Answers the verbs that all kinds share."""

    def __init__(self, parts: Parts, kinds: Mapping[ApprovalKind, Kind], sweeper: Sweeper) -> None:
        self._parts = parts
        self._store = parts.store
        self._kinds = kinds
        self._sweeper = sweeper

    def endpoints(self) -> Endpoints:
        """Return what is answered by what."""
        return {
            ListApprovals: self.list,
            GetApproval: self.get,
            ReadLog: self.log,
            Approve: self.approve,
            Deny: self.deny,
            CancelApproval: self.cancel,
            CancelOwnApproval: self.cancel_own,
        }

    async def list(self, _call: Call, request: ListApprovals) -> ApprovalsReply:
        """Sweep, then list."""
        await self._sweeper.sweep()
        page = await self._store.page(
            Query(
                limit=request.limit,
                state=request.state,
                agent=request.agent,
                before=request.before,
            )
        )
        return ApprovalsReply(approvals=page.approvals, pending=page.pending, more=page.more)

    async def get(self, _call: Call, request: GetApproval) -> ApprovalReply:
        """Show one approval."""
        return ApprovalReply(approval=await self._store.get(request.id))

    async def log(self, _call: Call, request: ReadLog) -> ApprovalLog:
        """Show what was done about it, and what a build said that failed."""
        approval = await self._store.get(request.id)
        try:
            return await self._parts.lifecycle.log(approval.id)
        except HiveError as error:
            if error.code != "unknown_job":
                raise
            return ApprovalLog(approval=approval.id, text="")

    async def approve(self, call: Call, request: Approve) -> ApprovalReply:
        """Approve what was shown; the executor goes on from there."""
        by, digest, base = _operator(call), request.digest, None
        approval = await self._store.get(request.id)
        bind = self._kinds[approval.kind].bind
        if bind is not None and approval.state is ApprovalState.PENDING:
            base, digest = await bind(self._parts, approval, digest), None
        elif bind is not None:
            digest = None
        decision = Decision(
            Event.APPROVE, by=by, request_id=call.request_id, digest=digest, base=base
        )
        return ApprovalReply(approval=await self._store.decide(request.id, decision))

    async def deny(self, call: Call, request: Deny) -> ApprovalReply:
        """Deny; the reason goes to whoever asked."""
        decision = Decision(
            Event.DENY,
            by=_operator(call),
            request_id=call.request_id,
            reason=check_reason(request.reason),
        )
        return ApprovalReply(approval=await self._store.decide(request.id, decision))

    async def cancel(self, call: Call, request: CancelApproval) -> ApprovalReply:
        """Take any pending request back."""
        decision = Decision(Event.CANCEL, by=_operator(call), request_id=call.request_id)
        return ApprovalReply(approval=await self._store.decide(request.id, decision))

    async def cancel_own(self, call: Call, request: CancelOwnApproval) -> ApprovalReply:
        """Take back what the caller asked for."""
        decision = Decision(
            Event.CANCEL, by=str(call.caller), request_id=call.request_id, own_only=True
        )
        return ApprovalReply(approval=await self._store.decide(request.id, decision))


def _operator(call: Call) -> str:
    if call.caller.kind is not CallerKind.OPERATOR:
        raise errors.operators_only(str(call.caller))
    return str(call.caller)
