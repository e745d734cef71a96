"""Commits to tag, questions, schedules, and what was read of the events; the audit can be filtered."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0003"
down_revision: Final = "0002"

# A later migration that rebuilds one of these tables (batch mode) has to make its trigger again.
_KEEP: Final = (
    "CREATE TRIGGER {table}_are_kept BEFORE DELETE ON {table} "
    "BEGIN SELECT RAISE(ABORT, '{table} are never deleted'); END"
)
_FILTERS: Final = (["who", "id"], ["what", "id"], ["result", "id"], ["at"])


def upgrade() -> None:
    op.add_column("approvals", sa.Column("base", sa.String(40)))
    for columns in _FILTERS:
        op.create_index(op.f(f"ix_audit_{'_'.join(columns)}"), "audit", columns)
    op.create_table(
        "marks",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("approval", sa.Integer(), nullable=False),
        sa.Column("agent", sa.String(16), nullable=False),
        sa.Column("commit", sa.String(40), nullable=False),
        sa.Column("stage", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_marks")),
        sa.UniqueConstraint("approval", "stage", name=op.f("uq_marks_approval_stage")),
        sqlite_autoincrement=True,
    )
    _questions()
    _schedules()
    op.create_table(
        "cursors",
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_cursors")),
    )
    op.create_table(
        "conditions",
        sa.Column("agent", sa.String(16), nullable=False),
        sa.Column("needs_login", sa.Integer(), nullable=False),
        sa.Column("needs_update", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("agent", name=op.f("pk_conditions")),
    )
    for table in ("questions", "schedules"):
        op.execute(_KEEP.format(table=table))


def _questions() -> None:
    op.create_table(
        "questions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("asker", sa.String(16), nullable=False),
        sa.Column("answerer", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("options", sa.LargeBinary(), nullable=False),
        sa.Column("asked_at", sa.String(32), nullable=False),
        sa.Column("request_id", sa.String(80), nullable=False),
        sa.Column("deadline", sa.String(32)),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("answered_by", sa.String(64)),
        sa.Column("answered_at", sa.String(32)),
        sa.Column("answer_id", sa.String(80)),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_questions")),
        sa.UniqueConstraint("asker", "request_id", name=op.f("uq_questions_asker_request_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_questions_state_id"), "questions", ["state", "id"])


def _schedules() -> None:
    op.create_table(
        "schedules",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("agent", sa.String(16), nullable=False),
        sa.Column("prompt", sa.Text(), nullable=False),
        sa.Column("cron", sa.String(100)),
        sa.Column("once", sa.String(32)),
        sa.Column("zone", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("created_by", sa.String(64), nullable=False),
        sa.Column("created_at", sa.String(32), nullable=False),
        sa.Column("request_id", sa.String(80), nullable=False),
        sa.Column("next_at", sa.String(32)),
        sa.Column("last_at", sa.String(32)),
        sa.Column("fired", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedules")),
        sa.UniqueConstraint(
            "created_by", "request_id", name=op.f("uq_schedules_created_by_request_id")
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_schedules_state_next_at"), "schedules", ["state", "next_at"])


def downgrade() -> None:
    for table in ("conditions", "cursors", "schedules", "questions", "marks"):
        op.drop_table(table)
    for columns in _FILTERS:
        op.drop_index(op.f(f"ix_audit_{'_'.join(columns)}"), "audit")
    op.execute("ALTER TABLE approvals DROP COLUMN base")
