"""Approvals, which are never deleted, and the outbox of what is to be told about them."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0001"
down_revision: Final = None

# A later migration that rebuilds this table (batch mode) has to make the trigger again.
_KEEP: Final = (
    "CREATE TRIGGER approvals_are_kept BEFORE DELETE ON approvals "
    "BEGIN SELECT RAISE(ABORT, 'approvals are never deleted'); END"
)


def upgrade() -> None:
    op.create_table(
        "approvals",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("agent", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("details", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.String(64), nullable=False),
        sa.Column("requested_at", sa.String(32), nullable=False),
        sa.Column("request_id", sa.String(80), nullable=False),
        sa.Column("decided_by", sa.String(64)),
        sa.Column("decided_at", sa.String(32)),
        sa.Column("decision_reason", sa.Text(), nullable=False),
        sa.Column("decision_id", sa.String(80)),
        sa.Column("job", sa.String(64)),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.String(32)),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals")),
        sa.UniqueConstraint(
            "requested_by", "request_id", name=op.f("uq_approvals_requested_by_request_id")
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_approvals_state_id"), "approvals", ["state", "id"])
    op.create_index(op.f("ix_approvals_agent_id"), "approvals", ["agent", "id"])
    op.execute(_KEEP)
    op.create_table(
        "outbox",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("message_id", sa.String(80), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("subject", "message_id", name=op.f("uq_outbox_subject_message_id")),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    op.drop_table("outbox")
    op.drop_table("approvals")
