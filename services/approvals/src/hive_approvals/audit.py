"""The audit: an append-only record of who did what, written with what it tells of."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec
from hivecommon.contracts.audit import AuditEntry, ListAudit
from sqlalchemy import Column, ColumnElement, Connection, insert, literal, select

from hive_approvals.tables import audit

# A bus message holds 1 MiB; half of it leaves room for the envelope.
_MAX_ANSWER_BYTES: Final = 512 * 1024


@dataclass(frozen=True)
class Entry:
    """One act and its result."""

    at: datetime
    who: str
    """`operator:anna`, `agent:hm1nd`, `service:lifecycle`."""
    what: str
    target: str
    """What it was done to, e.g. `approval:3`."""
    result: str
    """The new state, or the code of the refusal."""
    detail: str = ""


def record(connection: Connection, entry: Entry) -> None:
    """Append `entry` in the transaction of `connection`."""
    connection.execute(
        insert(audit).values(
            at=entry.at,
            who=entry.who,
            what=entry.what,
            target=entry.target,
            result=entry.result,
            detail=entry.detail,
        )
    )


def search(connection: Connection, request: ListAudit) -> tuple[list[AuditEntry], bool]:
    """Return entries, the newest first, as many as a message can hold, and whether there are more."""
    query = select(audit)
    for column, wanted in (
        (audit.c.who, request.who), (audit.c.what, request.what),
        (audit.c.target, request.target), (audit.c.result, request.result),
    ):  # fmt: skip
        if wanted is not None:
            query = query.where(_matches(column, wanted))
    if request.since is not None:
        query = query.where(audit.c.at >= request.since)
    if request.until is not None:
        query = query.where(audit.c.at < request.until)
    if request.before is not None:
        query = query.where(audit.c.id < request.before)
    rows = connection.execute(query.order_by(audit.c.id.desc()).limit(request.limit + 1)).all()
    size, entries = 0, list[AuditEntry]()
    for row in rows[: request.limit]:
        entry = AuditEntry(
            id=row.id, at=row.at, who=row.who, what=row.what, target=row.target,
            result=row.result, detail=row.detail,
        )  # fmt: skip
        size += len(msgspec.json.encode(entry))
        if entries and size > _MAX_ANSWER_BYTES:
            break
        entries.append(entry)
    return entries, len(entries) < len(rows)


def _matches(column: Column[str], wanted: str) -> ColumnElement[bool]:
    if not wanted.endswith((":", "*")):
        return column == wanted
    beginning = wanted.removesuffix("*")
    # No index: it would find and sort every match, where the newest hundred are wanted. An expression
    # keeps it away (sqlite.org/optoverview.html), and rows come in the order of their ids.
    text = column + literal("")
    return (text >= beginning) & (text < beginning + "\U0010ffff")
