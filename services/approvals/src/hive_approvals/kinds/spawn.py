"""A new agent: asked for by the manager or an operator, or recorded as an operator's own act."""

from typing import Final

import msgspec
from hivecommon.callers import Caller, CallerKind
from hivecommon.contracts.agent_toml import FILE as AGENT_TOML
from hivecommon.contracts.agent_toml import parse_agent_toml
from hivecommon.contracts.approvals import (
    Approval,
    ApprovalKind,
    ApprovalReply,
    ProposeSpawn,
    RecordSpawn,
    RequestSpawn,
)
from hivecommon.contracts.inbox import OPERATOR
from hivecommon.contracts.lifecycle import AgentSettings, ExecuteSpawn
from hivecommon.errors import HiveError
from hivecommon.names import AGENT_PORTS, parse_agent_name
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

MAX_RECIPIENTS: Final = AGENT_PORTS
"""A hive has no more agents than ports."""


class SpawnDetails(msgspec.Struct, frozen=True, omit_defaults=True):
    """What of an approval is special to a spawn."""

    settings: AgentSettings
    files: dict[str, str] = msgspec.field(default_factory=dict)


class _Spawns:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def request(self, call: Call, request: RequestSpawn) -> ApprovalReply:
        require_manager(call, ApprovalKind.SPAWN)
        return await self._ask(call, request)

    async def propose(self, call: Call, request: ProposeSpawn) -> ApprovalReply:
        return await self._ask(call, request)

    async def record(self, call: Call, request: RecordSpawn) -> ApprovalReply:
        operator = Caller(CallerKind.OPERATOR, check_operator(request.operator))
        ask = ask_of(
            Call(operator, call.request_id),
            ApprovalKind.SPAWN,
            agent=request.name,
            reason=request.reason,
            details=SpawnDetails(check_settings(request.settings)),
        )
        return ApprovalReply(approval=await self._parts.store.record_decided(ask))

    async def _ask(self, call: Call, request: RequestSpawn | ProposeSpawn) -> ApprovalReply:
        details = _details(request)
        ask = ask_of(
            call, ApprovalKind.SPAWN, agent=request.name, reason=request.reason, details=details
        )
        await self._parts.lifecycle.check_spawn(request.name, details.files)
        return await take(self._parts, ask)


def _details(request: RequestSpawn | ProposeSpawn) -> SpawnDetails:
    files = request.files if isinstance(request, RequestSpawn) else {}
    settings = request.settings
    if AGENT_TOML in files:
        if settings != AgentSettings():
            raise HiveError(
                f"persona, model and recipients are given, and {AGENT_TOML} too", code="bad_request",
                hint=f"say all of it in {AGENT_TOML}, or leave that out",
            )  # fmt: skip
        settings = parse_agent_toml(files[AGENT_TOML].encode(errors="replace")).settings
    return SpawnDetails(check_settings(settings), files)


def check_settings(settings: AgentSettings) -> AgentSettings:
    """Return `settings` if an agent could have them.

    Recipients become subjects on the bus: one like `*` would widen what the new agent may do.
    """
    recipients = settings.recipients or []
    if len(recipients) > MAX_RECIPIENTS:
        raise HiveError(
            f"{len(recipients)} recipients are asked for; at most {MAX_RECIPIENTS} are possible",
            code="bad_request",
            hint="leave recipients out to allow everybody",
        )
    for recipient in recipients:
        if recipient != OPERATOR:
            parse_agent_name(recipient)
    if "\0" in settings.persona:
        raise HiveError(
            f"the persona has a NUL character at position {settings.persona.index(chr(0))}",
            code="bad_request",
            hint="remove it",
        )
    return settings


def _command(approval: Approval) -> ExecuteSpawn:
    return ExecuteSpawn(
        agent=approval.agent,
        approval=approval.id,
        settings=approval.settings or AgentSettings(),
        files=approval.files or {},
        requested_by=approval.requested_by,
    )


def _endpoints(parts: Parts) -> Endpoints:
    spawns = _Spawns(parts)
    return {
        RequestSpawn: spawns.request,
        ProposeSpawn: spawns.propose,
        RecordSpawn: spawns.record,
    }


SPAWN: Final = Kind(
    name=ApprovalKind.SPAWN,
    # It has no directory yet.
    needs_state_dir=False,
    command=_command,
    endpoints=_endpoints,
)
