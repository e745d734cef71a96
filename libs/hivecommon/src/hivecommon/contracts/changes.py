"""Changes to agents' configurations: commits that are pinned, diffs that are shown, what is deployed."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar

import msgspec

from hivecommon.contracts.approvals import ApprovalId, ApprovalLog, ApprovalReply
from hivecommon.contracts.base import AgentRequest, Reply, Request, ShortText
from hivecommon.contracts.jobs import JobAccepted
from hivecommon.contracts.lifecycle import Done

CommitText = Annotated[str, msgspec.Meta(pattern=r"\A([0-9a-f]{7,40})\Z")]
"""A full or shortened hash and nothing else: no ref, no range, no option."""
CommitHash = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{40}\Z")]


class Base(StrEnum):
    """What a change can be compared with."""

    RUNNING = "running"
    APPROVED = "approved"
    """The last one that was approved, deployed or not."""
    PREVIOUS = "previous"
    """The last one that was asked for."""


class Risk(StrEnum):
    """What an operator should look at twice."""

    PACKAGES = "packages"
    NETWORK = "network"
    MOUNTS = "mounts"
    SECRETS = "secrets"
    RECIPIENTS = "recipients"
    MCP_SERVERS = "mcp_servers"
    TOOLS = "tools"
    LIMITS = "limits"
    PRIVILEGES = "privileges"
    DOWNLOADS = "downloads"
    EXECUTABLE = "executable"
    HIDDEN_TEXT = "hidden_text"
    BINARY = "binary"


class RiskMark(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to look at: where it is and which words it was found by (hostile text)."""

    risk: Risk
    path: str
    text: str = ""


class Hunk(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of a file; each line begins with ` `, `+`, `-` or a backslash, as diff(1) writes it."""

    old_start: int
    new_start: int
    lines: list[str]


class ChangedFile(msgspec.Struct, frozen=True, kw_only=True):
    """How one file differs."""

    path: str
    status: str
    """`added`, `removed` or `changed`."""
    old_mode: str = ""
    new_mode: str = ""
    added: int = 0
    removed: int = 0
    binary: bool = False
    hunks: list[Hunk] = msgspec.field(default_factory=list)
    omitted: bool = False
    """The hunks would not fit into this answer: ask for this `path` alone."""


class ChangesReply(Reply, frozen=True, kw_only=True):
    """A change against one base."""

    approval: ApprovalId
    agent: str
    base: Base
    base_commit: str
    """Empty: there is nothing yet to compare with."""
    running: str
    """The commit that is deployed, whatever the base."""
    commit: str
    subject: str = ""
    """First line of the commit's message: hostile text."""
    author: str = ""
    digest: str
    """To be given with the approval: it stands for exactly this difference."""
    files: list[ChangedFile]
    marks: list[RiskMark]


class DiffApproval(Request[ChangesReply], frozen=True, kw_only=True):
    """Show what an approval would change."""

    subject: ClassVar[str] = "hive.approvals.diff"
    bare: ClassVar[str | None] = "id"
    id: ApprovalId
    base: Base = Base.RUNNING
    path: str | None = None
    """Only this file."""


class RequestApply(AgentRequest[ApprovalReply], frozen=True, kw_only=True):
    """The manager asks to deploy a commit of an agent's proposed repo; it waits for an operator."""

    subject: ClassVar[str] = "req.{caller}.request_apply"
    bare: ClassVar[str | None] = None
    commit: CommitText
    reason: ShortText = ""


class Pinned(Reply, frozen=True, kw_only=True):
    """A commit that nothing can change any more."""

    commit: CommitHash
    subject: str = ""
    running: str = ""


class PinCommit(AgentRequest[Pinned], frozen=True, kw_only=True):
    """approvals → lifecycle: take a commit of the proposed repo over, or refuse it with the reason."""

    subject: ClassVar[str] = "svc.approvals.pin"
    bare: ClassVar[str | None] = None
    commit: CommitText


class Stage(StrEnum):
    """The tags `<stage>/<approval>` of the applied repo."""

    PROPOSAL = "proposal"
    APPROVED = "approved"
    BUILDING = "building"
    DEPLOYED = "deployed"
    FAILED = "failed"
    DENIED = "denied"
    CANCELLED = "cancelled"


class MarkCommit(AgentRequest[Done], frozen=True, kw_only=True):
    """approvals → lifecycle: tag a pinned commit; repeating it changes nothing."""

    subject: ClassVar[str] = "svc.approvals.mark"
    bare: ClassVar[str | None] = None
    approval: ApprovalId
    commit: CommitHash
    stage: Stage


class CompareCommit(AgentRequest[ChangesReply], frozen=True, kw_only=True):
    """approvals → lifecycle: how a pinned commit differs from a base."""

    subject: ClassVar[str] = "svc.approvals.compare"
    bare: ClassVar[str | None] = None
    approval: ApprovalId
    commit: CommitHash
    base: Base
    path: str | None = None


class Digests(Reply, frozen=True, kw_only=True):
    """The digests that stand for a change at this moment, by base."""

    running: str
    """The commit that is deployed."""
    digests: dict[Base, str]


class DigestCommit(AgentRequest[Digests], frozen=True, kw_only=True):
    """approvals → lifecycle: which digests an approval of this commit may be bound to now."""

    subject: ClassVar[str] = "svc.approvals.digests"
    bare: ClassVar[str | None] = None
    approval: ApprovalId
    commit: CommitHash


class ExecuteApply(AgentRequest[JobAccepted], frozen=True, kw_only=True):
    """approvals → lifecycle: build and deploy an approved commit, once."""

    subject: ClassVar[str] = "svc.approvals.apply"
    bare: ClassVar[str | None] = None
    approval: ApprovalId
    commit: CommitHash
    base: str | None = None
    """What was deployed when it was approved: another one in between makes it fail."""
    requested_by: str


class JobLog(Request[ApprovalLog], frozen=True, kw_only=True):
    """approvals → lifecycle: the same; `unknown_job` when no job was begun."""

    subject: ClassVar[str] = "svc.approvals.job_log"
    approval: ApprovalId


class Rollback(AgentRequest[JobAccepted], frozen=True, kw_only=True):
    """Deploy again what approval `to` once deployed; an operator's own act, recorded as decided."""

    subject: ClassVar[str] = "hive.rollback"
    bare: ClassVar[str | None] = None
    to: Annotated[int, msgspec.Meta(ge=0, le=2**53)]
    """0 is what the agent was spawned with."""
    reason: ShortText = ""


class RecordRollback(AgentRequest[ApprovalReply], frozen=True, kw_only=True):
    """lifecycle → approvals: an operator's rollback, recorded as decided by them."""

    subject: ClassVar[str] = "svc.lifecycle.record_rollback"
    bare: ClassVar[str | None] = None
    commit: CommitHash
    to: int
    reason: ShortText = ""
    operator: str


class Revision(msgspec.Struct, frozen=True, kw_only=True):
    """A commit that was asked for or deployed."""

    approval: int
    commit: str
    stages: list[Stage]
    at: datetime
    """When the commit was made, as its author says."""
    subject: str = ""
    running: bool = False


class HistoryReply(Reply, frozen=True, kw_only=True):
    """What an agent's applied repo holds, the newest first."""

    agent: str
    revisions: list[Revision]


class ListHistory(AgentRequest[HistoryReply], frozen=True, kw_only=True):
    """Show which changes of an agent were asked for and deployed."""

    subject: ClassVar[str] = "hive.history"
