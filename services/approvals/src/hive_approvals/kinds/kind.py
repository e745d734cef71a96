"""What a kind of change consists of: one module each, listed in the registry."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from hivecommon.callers import CallerKind
from hivecommon.contracts.approvals import Approval, ApprovalKind, ApprovalReply
from hivecommon.contracts.base import Request
from hivecommon.contracts.jobs import JobAccepted
from hivecommon.contracts.operators import OperatorName
from hivecommon.errors import HiveError
from hivecommon.names import MANAGER
from hivecommon.service import Call, Handler
from sqlalchemy import Connection

from hive_approvals import errors, policy
from hive_approvals.lifecycle import Lifecycle
from hive_approvals.schedules import ScheduleStore
from hive_approvals.store import ApprovalStore, Ask, encode_details

Endpoints = Mapping[type[Request[Any]], Handler[Any]]


@dataclass(frozen=True)
class Parts:
    """What a kind's endpoints work with."""

    store: ApprovalStore
    lifecycle: Lifecycle
    schedules: ScheduleStore


@dataclass(frozen=True)
class Kind:
    """A kind of change."""

    name: ApprovalKind
    needs_state_dir: bool
    """Whether a pending one makes no sense once the agent's state directory is gone."""
    endpoints: Callable[[Parts], Endpoints]
    """Returns how this kind of change is asked for."""
    command: Callable[[Approval], Request[JobAccepted]] | None = None
    """Returns what lifecycle is asked to do; the approval's number makes it idempotent."""
    settle: Callable[[Parts, Connection, Approval], None] | None = None
    """Carries it out here instead, in the transaction that ends the approval."""
    bind: Callable[[Parts, Approval, str | None], Awaitable[str | None]] | None = None
    """Raises `changed` when what was shown is not what would happen now; returns the base for the row.

    None: the digest of the approval itself is what counts.
    """


class NoDetails(msgspec.Struct, frozen=True):
    """For kinds that kind and agent say everything of."""


def ask_of(
    call: Call, kind: ApprovalKind, *, agent: str, reason: str, details: msgspec.Struct
) -> Ask:
    """Return the wish that `call` stands for; raise `bad_request` for an unusable reason."""
    return Ask(
        kind=kind,
        agent=agent,
        details=encode_details(details),
        reason=policy.check_reason(reason),
        requested_by=str(call.caller),
        request_id=call.request_id,
    )


def require_manager(call: Call, kind: ApprovalKind) -> None:
    """Raise `refused` unless the manager asks."""
    if (call.caller.kind, call.caller.name) != (CallerKind.AGENT, MANAGER):
        raise errors.manager_only(str(call.caller), kind)


def check_operator(name: str) -> str:
    """Return `name` if an operator can have it; raise `bad_request`."""
    try:
        return msgspec.convert(name, OperatorName)
    except msgspec.ValidationError as error:
        raise HiveError(f"{name!r} is no operator's name", code="bad_request") from error


async def take(parts: Parts, ask: Ask) -> ApprovalReply:
    """Put a wish into the queue and return it as it then is."""
    return ApprovalReply(approval=await parts.store.ask(ask))
