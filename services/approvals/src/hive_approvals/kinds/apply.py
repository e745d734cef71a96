"""A commit of an agent's config repo: asked for by the manager, shown as a difference, deployed."""

from typing import Final

import msgspec
from hivecommon.contracts.approvals import Approval, ApprovalKind, ApprovalReply
from hivecommon.contracts.changes import (
    ChangesReply,
    CommitHash,
    DiffApproval,
    ExecuteApply,
    RequestApply,
)
from hivecommon.errors import HiveError
from hivecommon.service import Call

from hive_approvals import errors
from hive_approvals.kinds.kind import Endpoints, Kind, Parts, ask_of, require_manager, take


class ApplyDetails(msgspec.Struct, frozen=True):
    """What of an approval is special to a commit."""

    commit: CommitHash
    commit_subject: str


class _Applies:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def request(self, call: Call, request: RequestApply) -> ApprovalReply:
        require_manager(call, ApprovalKind.APPLY)
        # Asked first since it is answered at once or not at all: git may take its time.
        if request.name not in await self._parts.lifecycle.state_dirs([request.name]):
            raise HiveError(
                f"there is no agent {request.agent!r}", code="unknown_agent",
                hint="the roster lists them all",
            )  # fmt: skip
        pinned = await self._parts.lifecycle.pin(request.name, request.commit)
        if pinned.commit == pinned.running:
            raise HiveError(
                f"{pinned.commit[:10]} is what {request.name} runs already", code="no_change",
                hint="commit something new, then ask with its hash",
            )  # fmt: skip
        ask = ask_of(
            call,
            ApprovalKind.APPLY,
            agent=request.name,
            reason=request.reason,
            details=ApplyDetails(pinned.commit, pinned.subject),
        )
        return await take(self._parts, ask)

    async def diff(self, _call: Call, request: DiffApproval) -> ChangesReply:
        approval = await self._parts.store.get(request.id)
        if approval.commit is None:
            raise HiveError(
                f"approval {approval.id} ({approval.kind}) is about no commit", code="no_commit",
                hint="`hive approvals` shows what it asks for",
            )  # fmt: skip
        return await self._parts.lifecycle.compare(
            approval.agent, approval.id, approval.commit, request.base, request.path
        )


async def _bind(parts: Parts, approval: Approval, digest: str | None) -> str:
    """Return what is deployed, if `digest` stands for the change as it is now, from whatever base."""
    now = await parts.lifecycle.digests(approval.agent, approval.id, approval.commit or "")
    if digest is None:
        raise HiveError(
            f"approval {approval.id} is only given with the digest of the difference that was shown",
            code="changed",
            hint=f"`hive diff {approval.id}` shows it",
        )
    if digest not in now.digests.values():
        raise errors.base_moved(approval, digest)
    return now.running


def _command(approval: Approval) -> ExecuteApply:
    return ExecuteApply(
        agent=approval.agent,
        approval=approval.id,
        commit=approval.commit or "",
        base=approval.base,
        requested_by=approval.requested_by,
    )


def _endpoints(parts: Parts) -> Endpoints:
    applies = _Applies(parts)
    return {RequestApply: applies.request, DiffApproval: applies.diff}


APPLY: Final = Kind(
    name=ApprovalKind.APPLY,
    needs_state_dir=True,
    command=_command,
    endpoints=_endpoints,
    bind=_bind,
)
