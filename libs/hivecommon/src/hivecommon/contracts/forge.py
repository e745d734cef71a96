"""What forge-gw answers: how the hive stands with its forge, and each agent's account there."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

import msgspec

from hivecommon.contracts.base import AgentRequest, Reply, Request


class ForgeState(StrEnum):
    """How the hive stands with its forge."""

    UNCONFIGURED = "unconfigured"
    """No address is set: the hive runs without a forge."""
    CONNECTING = "connecting"
    AWAY = "away"
    """It does not answer; work is taken up when it does."""
    REFUSED = "refused"
    """It does not take the administrator's token, or there is none."""
    UNSUPPORTED = "unsupported"
    """Its version is older than what this hive was made for."""
    READY = "ready"


class AccountState(StrEnum):
    """How an agent stands with the forge."""

    PENDING = "pending"
    READY = "ready"
    FAILED = "failed"
    """See `detail`; it is tried again."""


class ForgeAccount(msgspec.Struct, frozen=True, kw_only=True):
    """One agent's account. Never holds a token."""

    agent: str
    state: AccountState
    detail: str = ""
    token_last_eight: str = ""
    token_since: datetime | None = None
    mirror: str = ""
    """`owner/name` of its config's mirror; empty while there is none."""
    delivered: int = 0
    """Notifications that went into its inbox."""


class ForgeStatus(Reply, frozen=True, kw_only=True):
    """The forge and all accounts."""

    state: ForgeState
    detail: str = ""
    since: datetime
    url: str = ""
    product: str = ""
    """`Forgejo` or `Gitea`."""
    version: str = ""
    organization: str = ""
    repo: str = ""
    """Where agents work when they name no repository."""
    webhook: str = ""
    """Where the forge reports to; empty: notifications are polled for."""
    accounts: list[ForgeAccount] = msgspec.field(default_factory=list)


class ForgeAccountReply(Reply, frozen=True, kw_only=True):
    """One account."""

    account: ForgeAccount


class ForgeItem(msgspec.Struct, frozen=True, kw_only=True):
    """An open issue or pull request; title and repository are hostile text."""

    repo: str
    number: int
    title: str
    url: str
    pull: bool
    role: str
    """Why it is the agent's: `author`, `assignee` or `reviewer`."""
    updated_at: datetime


class ForgeWorkReply(Reply, frozen=True, kw_only=True):
    """What an agent has open on the forge, the latest first."""

    issues: int
    pulls: int
    items: list[ForgeItem]
    """At most 100."""


class ForgeNews(Reply, frozen=True, kw_only=True):
    """What a look at the notifications brought."""

    delivered: int


class ForgeRemoved(Reply, frozen=True, kw_only=True):
    """It is gone; `changed` is False when there was nothing."""

    changed: bool = True


class GetForgeStatus(Request[ForgeStatus], frozen=True, kw_only=True):
    """Show the forge's state and all accounts."""

    subject: ClassVar[str] = "hive.forge.status"


class ProvisionForge(AgentRequest[ForgeAccountReply], frozen=True, kw_only=True):
    """Check an agent's account, token, memberships and mirror now, and repair what is not right."""

    subject: ClassVar[str] = "hive.forge.provision"


class RotateForgeToken(AgentRequest[ForgeAccountReply], frozen=True, kw_only=True):
    """Delete an agent's token and give it a new one."""

    subject: ClassVar[str] = "hive.forge.rotate"


class CheckForgeNews(AgentRequest[ForgeNews], frozen=True, kw_only=True):
    """Look for an agent's notifications now."""

    subject: ClassVar[str] = "hive.forge.notifications"


class GetForgeWork(AgentRequest[ForgeWorkReply], frozen=True, kw_only=True):
    """List what an agent has open: issues and pull requests it wrote, has assigned, or shall review."""

    subject: ClassVar[str] = "hive.forge.work"


class RemoveForgeAccount(AgentRequest[ForgeRemoved], frozen=True, kw_only=True):
    """Delete the account and mirror of an agent that was purged; refused while its state is there."""

    subject: ClassVar[str] = "hive.forge.remove"
