"""The audit: who did what, when, on what, with which result."""

from datetime import datetime
from typing import Annotated, ClassVar

import msgspec

from hivecommon.contracts.base import Reply, Request

Filter = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One act and its result; `detail` may be hostile text."""

    id: int
    at: datetime
    who: str
    """`operator:anna`, `agent:hm1nd`, `service:lifecycle`."""
    what: str
    target: str
    """E.g. `approval:3`, `agent:alice`, `schedule:2`."""
    result: str
    detail: str = ""


class AuditReply(Reply, frozen=True, kw_only=True):
    """Entries, the newest first."""

    entries: list[AuditEntry]
    more: bool = False
    """Whether others follow: ask again with `before` set to the last one's id."""


class ListAudit(Request[AuditReply], frozen=True, kw_only=True):
    """Search the audit. A filter that ends with `:` or `*` matches every beginning like it."""

    subject: ClassVar[str] = "hive.audit.list"
    who: Filter | None = None
    what: Filter | None = None
    target: Filter | None = None
    result: Filter | None = None
    since: datetime | None = None
    until: datetime | None = None
    before: int | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100
