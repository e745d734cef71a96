"""Newer flake inputs for all agents' systems: asked for by the manager, or an operator's own act."""

from typing import Final

import msgspec
from hivecommon.callers import Caller, CallerKind
from hivecommon.contracts.approvals import Approval, ApprovalKind, ApprovalReply, FlakeInput
from hivecommon.contracts.inputs import EVERY_AGENT, ExecuteUpdate, RecordUpdate, RequestUpdate
from hivecommon.service import Call

from hive_approvals.kinds.kind import (
    Endpoints,
    Kind,
    Parts,
    ask_of,
    check_operator,
    require_manager,
    take,
)


class UpdateDetails(msgspec.Struct, frozen=True):
    """What of an approval is special to an update: the inputs as they are locked now."""

    inputs: list[FlakeInput]


class _Updates:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def request(self, call: Call, request: RequestUpdate) -> ApprovalReply:
        require_manager(call, ApprovalKind.UPDATE)
        inputs = await self._parts.lifecycle.inputs(request.inputs)
        ask = ask_of(
            call,
            ApprovalKind.UPDATE,
            agent=EVERY_AGENT,
            reason=request.reason,
            details=UpdateDetails(inputs),
        )
        return await take(self._parts, ask)

    async def record(self, call: Call, request: RecordUpdate) -> ApprovalReply:
        operator = Caller(CallerKind.OPERATOR, check_operator(request.operator))
        ask = ask_of(
            Call(operator, call.request_id),
            ApprovalKind.UPDATE,
            agent=EVERY_AGENT,
            reason=request.reason,
            details=UpdateDetails(request.inputs),
        )
        return ApprovalReply(approval=await self._parts.store.record_decided(ask))


def _command(approval: Approval) -> ExecuteUpdate:
    return ExecuteUpdate(
        approval=approval.id,
        inputs=[one.name for one in approval.inputs or ()],
        requested_by=approval.requested_by,
    )


def _endpoints(parts: Parts) -> Endpoints:
    updates = _Updates(parts)
    return {RequestUpdate: updates.request, RecordUpdate: updates.record}


UPDATE: Final = Kind(
    name=ApprovalKind.UPDATE,
    # It is about all agents, and none of them has to be there.
    needs_state_dir=False,
    command=_command,
    endpoints=_endpoints,
)
