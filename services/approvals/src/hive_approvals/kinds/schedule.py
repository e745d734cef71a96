"""A prompt at set times, asked for by the manager; it is carried out here, without lifecycle."""

from typing import Final

import msgspec
from hivecommon.contracts.approvals import ApprovalKind, ApprovalReply, RequestSchedule
from hivecommon.contracts.inbox import check_body
from hivecommon.contracts.schedules import SchedulePlan
from hivecommon.errors import HiveError, Unavailable
from hivecommon.service import Call

from hive_approvals import timing
from hive_approvals.kinds.kind import Endpoints, Kind, Parts, ask_of, require_manager, take


class ScheduleDetails(msgspec.Struct, frozen=True):
    """What of an approval is special to a schedule."""

    schedule: SchedulePlan


class _Schedules:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def request(self, call: Call, request: RequestSchedule) -> ApprovalReply:
        require_manager(call, ApprovalKind.SCHEDULE)
        when = timing.check(request.timing, self._parts.schedules.local_zone)
        check_body(request.prompt)
        await self._check_there(request.name)
        ask = ask_of(
            call,
            ApprovalKind.SCHEDULE,
            agent=request.name,
            reason=request.reason,
            details=ScheduleDetails(SchedulePlan(prompt=request.prompt, timing=when)),
        )
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


def _endpoints(parts: Parts) -> Endpoints:
    return {RequestSchedule: _Schedules(parts).request}


SCHEDULE: Final = Kind(
    name=ApprovalKind.SCHEDULE,
    needs_state_dir=True,
    endpoints=_endpoints,
    settle=lambda parts, connection, approval: parts.schedules.insert_approved(
        connection, approval
    ),
)
