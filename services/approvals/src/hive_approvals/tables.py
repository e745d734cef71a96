"""The tables of approvals.sqlite as they are now; a test holds `migrations/` to the same.

They are Core tables, not ORM classes: rows become the contract's structs, and the ORM would cost
0.1 s at every start.
"""

from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    Boolean,
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
    text,
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
    # The commit that was deployed when this was approved.
    Column("base", String(40)),
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
    Index(None, "who", "id"),
    Index(None, "what", "id"),
    Index(None, "result", "id"),
    Index(None, "at"),
    sqlite_autoincrement=True,
)

marks: Final = Table(
    "marks",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("approval", Integer, nullable=False),
    Column("agent", String(16), nullable=False),
    Column("commit", String(40), nullable=False),
    Column("stage", String(16), nullable=False),
    UniqueConstraint("approval", "stage"),
    sqlite_autoincrement=True,
)

questions: Final = Table(
    "questions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("asker", String(16), nullable=False),
    Column("answerer", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("text", Text, nullable=False),
    # JSON list of strings.
    Column("options", LargeBinary, nullable=False),
    Column("asked_at", UtcTime, nullable=False),
    Column("request_id", String(80), nullable=False),
    Column("deadline", UtcTime),
    Column("answer", Text, nullable=False),
    Column("answered_by", String(64)),
    Column("answered_at", UtcTime),
    Column("answer_id", String(80)),
    Column("version", Integer, nullable=False),
    # Whether several options may be chosen, and which were: a JSON list of strings.
    Column("multiple", Boolean, nullable=False, server_default=text("0")),
    Column("choices", LargeBinary, nullable=False, server_default=text("'[]'")),
    UniqueConstraint("asker", "request_id"),
    Index(None, "state", "id"),
    sqlite_autoincrement=True,
)

schedules: Final = Table(
    "schedules",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("agent", String(16), nullable=False),
    Column("prompt", Text, nullable=False),
    Column("cron", String(100)),
    # As it was asked for, in local time of the zone.
    Column("once", String(32)),
    Column("zone", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("created_by", String(64), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("request_id", String(80), nullable=False),
    Column("next_at", UtcTime),
    Column("last_at", UtcTime),
    Column("fired", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    UniqueConstraint("created_by", "request_id"),
    Index(None, "state", "next_at"),
    sqlite_autoincrement=True,
)

cursors: Final = Table(
    "cursors",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("seq", Integer, nullable=False),
)

conditions: Final = Table(
    "conditions",
    metadata,
    Column("agent", String(16), primary_key=True),
    Column("needs_login", Integer, nullable=False),
    Column("needs_update", Integer, nullable=False),
)


TRIGGERS: Final = tuple(
    f"CREATE TRIGGER {name} BEFORE {act} ON {table} BEGIN SELECT RAISE(ABORT, '{reason}'); END"
    for name, act, table, reason in (
        ("approvals_are_kept", "DELETE", "approvals", "approvals are never deleted"),
        ("questions_are_kept", "DELETE", "questions", "questions are never deleted"),
        ("schedules_are_kept", "DELETE", "schedules", "schedules are never deleted"),
        ("audit_is_kept", "DELETE", "audit", "the audit is append-only"),
        ("audit_is_unaltered", "UPDATE", "audit", "the audit is append-only"),
    )
)
"""What SQLAlchemy's metadata has no words for."""
