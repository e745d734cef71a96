"""Approvals: changes that wait for an operator, and the verbs on them."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar

import msgspec

from hivecommon.contracts.base import AgentRequest, Reply, Request, ShortText
from hivecommon.contracts.lifecycle import AgentSettings, ConfigFiles
from hivecommon.contracts.schedules import Prompt as PromptText
from hivecommon.contracts.schedules import SchedulePlan, Timing

ApprovalId = Annotated[int, msgspec.Meta(ge=1, le=2**53)]


class ApprovalState(StrEnum):
    """pending → approved → executing → done | failed; or pending → denied | cancelled | failed."""

    PENDING = "pending"
    APPROVED = "approved"
    EXECUTING = "executing"
    DONE = "done"
    DENIED = "denied"
    FAILED = "failed"
    CANCELLED = "cancelled"


class ApprovalKind(StrEnum):
    """What kind of change waits."""

    SPAWN = "spawn"
    DESTROY = "destroy"
    APPLY = "apply"
    ROLLBACK = "rollback"
    SCHEDULE = "schedule"
    UPDATE = "update"


InputName = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z_][A-Za-z0-9_-]{0,63}\Z")]
"""An input of the agents' flake, as Nix allows it."""


class FlakeInput(msgspec.Struct, frozen=True, kw_only=True):
    """One input of the agents' flake, as it is locked."""

    name: InputName
    source: str = ""
    """The reference that a newer one is taken from, e.g. `github:NixOS/nixpkgs/nixos-25.11`."""
    revision: str = ""
    """Commit or content hash; empty: it is not locked yet."""
    at: datetime | None = None
    """When that was last modified."""


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """One change that needs, or had, an operator's decision. Kept for ever."""

    id: ApprovalId
    kind: ApprovalKind
    agent: str
    state: ApprovalState
    requested_by: str
    """`operator:<name>` or `agent:<name>`, from the bus."""
    requested_at: datetime
    reason: str = ""
    """Why it was asked for: text of the requester, so hostile when an agent wrote it."""
    settings: AgentSettings | None = None
    files: dict[str, str] | None = None
    """Of a new agent's first commit, by name: hostile text (`spawn`)."""
    commit: str | None = None
    """Of the agent's config repo, pinned when it was asked for (`apply`, `rollback`)."""
    commit_subject: str = ""
    """First line of its message: hostile text."""
    rollback_to: int | None = None
    """The approval that first deployed it."""
    schedule: SchedulePlan | None = None
    inputs: list[FlakeInput] | None = None
    """As they were locked when newer ones were asked for (`update`)."""
    base: str | None = None
    """What was deployed when this was approved."""
    digest: str = ""
    """SHA-256 of what was asked for; an approval is bound to the digest that was shown.

    An `apply` is bound to the digest of the difference instead (`hive.approvals.diff`).
    """
    decided_by: str | None = None
    decided_at: datetime | None = None
    decision_reason: str = ""
    job: str | None = None
    note: str = ""
    ended_at: datetime | None = None


class ApprovalReply(Reply, frozen=True, kw_only=True):
    """One approval."""

    approval: Approval


class ApprovalsReply(Reply, frozen=True, kw_only=True):
    """Approvals, pending ones first, then the newest."""

    approvals: list[Approval]
    pending: int
    """How many are pending in all, whatever the filter and the limit."""
    more: bool = False
    """Whether others follow: ask again with `before` set to the last one's id."""


class ListApprovals(Request[ApprovalsReply], frozen=True, kw_only=True):
    """List approvals; without a state, all of them."""

    subject: ClassVar[str] = "hive.approvals.list"
    bare: ClassVar[str | None] = "state"
    state: ApprovalState | None = None
    agent: str | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100
    """The answer may hold fewer, when many long ones would not fit into a message."""
    before: ApprovalId | None = None
    """Go on after this one in the order of the answer."""


class GetApproval(Request[ApprovalReply], frozen=True, kw_only=True):
    """Show one approval."""

    subject: ClassVar[str] = "hive.approvals.get"
    bare: ClassVar[str | None] = "id"
    id: ApprovalId


class ApprovalLog(Reply, frozen=True, kw_only=True):
    """The steps of an approval's job, and what a build said that failed: hostile text."""

    approval: ApprovalId
    text: str
    """The last 64 KiB; empty while nothing was begun."""


class ReadLog(Request[ApprovalLog], frozen=True, kw_only=True):
    """Read the log of what an approval led to."""

    subject: ClassVar[str] = "hive.approvals.log"
    bare: ClassVar[str | None] = "id"
    id: ApprovalId


class Approve(Request[ApprovalReply], frozen=True, kw_only=True):
    """Approve what was shown. With a `digest` that is not the approval's: `changed`, show it again."""

    subject: ClassVar[str] = "hive.approvals.approve"
    bare: ClassVar[str | None] = "id"
    id: ApprovalId
    digest: str | None = None


class Deny(Request[ApprovalReply], frozen=True, kw_only=True):
    """Deny, with a reason that reaches the requester's inbox."""

    subject: ClassVar[str] = "hive.approvals.deny"
    bare: ClassVar[str | None] = "id"
    id: ApprovalId
    reason: ShortText = ""


class CancelApproval(Request[ApprovalReply], frozen=True, kw_only=True):
    """Take a pending request back."""

    subject: ClassVar[str] = "hive.approvals.cancel"
    bare: ClassVar[str | None] = "id"
    id: ApprovalId


class RequestSpawn(AgentRequest[ApprovalReply], frozen=True, kw_only=True):
    """The manager asks for a new agent; it waits for an operator."""

    subject: ClassVar[str] = "req.{caller}.request_spawn"
    bare: ClassVar[str | None] = None
    settings: AgentSettings = msgspec.field(default_factory=AgentSettings)
    files: ConfigFiles = msgspec.field(default_factory=dict)
    """Of its first commit. With `agent.toml` among them there are no `settings` besides."""
    reason: ShortText = ""


class RequestDestroy(AgentRequest[ApprovalReply], frozen=True, kw_only=True):
    """The manager asks to remove an agent, whose login and notes are kept; it waits for an operator."""

    subject: ClassVar[str] = "req.{caller}.request_destroy"
    bare: ClassVar[str | None] = None
    reason: ShortText = ""


class RequestSchedule(AgentRequest[ApprovalReply], frozen=True, kw_only=True):
    """The manager asks that an agent is sent a prompt at set times; it waits for an operator."""

    subject: ClassVar[str] = "req.{caller}.request_schedule"
    bare: ClassVar[str | None] = None
    prompt: PromptText
    timing: Timing
    reason: ShortText = ""


class ProposeSpawn(AgentRequest[ApprovalReply], frozen=True, kw_only=True):
    """An operator asks for a new agent and leaves the decision to another (`hive spawn --request`)."""

    subject: ClassVar[str] = "hive.approvals.request_spawn"
    settings: AgentSettings = msgspec.field(default_factory=AgentSettings)
    reason: ShortText = ""


class CancelOwnApproval(Request[ApprovalReply], frozen=True, kw_only=True):
    """An agent takes its own pending request back."""

    subject: ClassVar[str] = "req.{caller}.cancel_approval"
    id: ApprovalId


class RecordSpawn(AgentRequest[ApprovalReply], frozen=True, kw_only=True):
    """lifecycle → approvals: an operator's own spawn, recorded as decided by them.

    The request id makes a repeated call return the first record.
    """

    subject: ClassVar[str] = "svc.lifecycle.record_spawn"
    bare: ClassVar[str | None] = None
    settings: AgentSettings
    reason: ShortText = ""
    operator: str
    """The operator's name alone, without `operator:`."""
