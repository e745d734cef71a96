"""The tables of approvals.sqlite as they are now; a test holds `migrations/` to the same.

They are Core tables, not ORM classes: rows become the contract's structs, and the ORM would cost
0.1 s at every start.
"""

from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.engine import Dialect
from typing_extensions import override


class UtcTime(TypeDecorator[datetime]):
    """A moment as ISO 8601 text in UTC with microseconds, which sorts by time and reads well."""

    impl = String(32)
    cache_ok = True

    @override
    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        return None if value is None else value.astimezone(UTC).isoformat(timespec="microseconds")

    @override
    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return None if value is None else datetime.fromisoformat(value)


metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

approvals: Final = Table(
    "approvals",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("agent", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    # JSON of those optional fields of contracts.approvals.Approval that the kind uses, and never
    # encoded again: `digest` is taken over these very bytes.
    Column("details", LargeBinary, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("reason", Text, nullable=False),
    Column("requested_by", String(64), nullable=False),
    Column("requested_at", UtcTime, nullable=False),
    Column("request_id", String(80), nullable=False),
    Column("decided_by", String(64)),
    Column("decided_at", UtcTime),
    Column("decision_reason", Text, nullable=False),
    Column("decision_id", String(80)),
    Column("job", String(64)),
    Column("note", Text, nullable=False),
    Column("ended_at", UtcTime),
    # Counts the changes: it names the event that tells of one, and guards against lost updates.
    Column("version", Integer, nullable=False),
    # A requester's id means one command; another's id is none of theirs.
    UniqueConstraint("requested_by", "request_id"),
    Index(None, "state", "id"),
    Index(None, "agent", "id"),
    # Numbers are never given twice, not even after a row was lost.
    sqlite_autoincrement=True,
)

outbox: Final = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("subject", String(255), nullable=False),
    Column("message_id", String(80), nullable=False),
    Column("payload", LargeBinary, nullable=False),
    UniqueConstraint("subject", "message_id"),
    sqlite_autoincrement=True,
)

audit: Final = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", UtcTime, nullable=False),
    Column("who", String(64), nullable=False),
    Column("what", String(64), nullable=False),
    Column("target", String(64), nullable=False),
    Column("result", String(32), nullable=False),
    Column("detail", Text, nullable=False),
    Index(None, "target", "id"),
    sqlite_autoincrement=True,
)


TRIGGERS: Final = tuple(
    f"CREATE TRIGGER {name} BEFORE {act} ON {table} BEGIN SELECT RAISE(ABORT, '{reason}'); END"
    for name, act, table, reason in (
        ("approvals_are_kept", "DELETE", "approvals", "approvals are never deleted"),
        ("audit_is_kept", "DELETE", "audit", "the audit is append-only"),
        ("audit_is_unaltered", "UPDATE", "audit", "the audit is append-only"),
    )
)
"""What SQLAlchemy's metadata has no words for."""
