"""The removal of an agent, asked for by the manager; login and notes are kept."""

from typing import Final

from hivecommon.contracts.approvals import Approval, ApprovalKind, ApprovalReply, RequestDestroy
from hivecommon.contracts.lifecycle import ExecuteDestroy
from hivecommon.errors import HiveError, Unavailable
from hivecommon.names import MANAGER
from hivecommon.service import Call

from hive_approvals.kinds.kind import (
    Endpoints,
    Kind,
    NoDetails,
    Parts,
    ask_of,
    require_manager,
    take,
)


class _Destroys:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def request(self, call: Call, request: RequestDestroy) -> ApprovalReply:
        require_manager(call, ApprovalKind.DESTROY)
        if request.name == MANAGER:
            raise HiveError(
                "the manager cannot ask for its own removal", code="refused",
                hint="an operator can: `hive destroy hm1nd`",
            )  # fmt: skip
        ask = ask_of(
            call,
            ApprovalKind.DESTROY,
            agent=request.name,
            reason=request.reason,
            details=NoDetails(),
        )
        await self._check_there(request.name)
        return await take(self._parts, ask)

    async def _check_there(self, agent: str) -> None:
        try:
            present = await self._parts.lifecycle.state_dirs([agent])
        except Unavailable:
            return  # the sweeper looks again
        if agent not in present:
            raise HiveError(
                f"there is no agent {agent!r}", code="unknown_agent",
                hint="the roster lists them all",
            )  # fmt: skip


def _command(approval: Approval) -> ExecuteDestroy:
    return ExecuteDestroy(
        agent=approval.agent, approval=approval.id, requested_by=approval.requested_by
    )


def _endpoints(parts: Parts) -> Endpoints:
    return {RequestDestroy: _Destroys(parts).request}


DESTROY: Final = Kind(
    name=ApprovalKind.DESTROY,
    needs_state_dir=True,
    command=_command,
    endpoints=_endpoints,
)
