"""The audit: who did what, when, on what, with which result. Append-only."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0002"
down_revision: Final = "0001"

# A later migration that rebuilds this table (batch mode) has to make the triggers again.
_KEEP: Final = (
    "CREATE TRIGGER audit_is_kept BEFORE DELETE ON audit "
    "BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END"
)
_UNALTERED: Final = (
    "CREATE TRIGGER audit_is_unaltered BEFORE UPDATE ON audit "
    "BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END"
)


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("who", sa.String(64), nullable=False),
        sa.Column("what", sa.String(64), nullable=False),
        sa.Column("target", sa.String(64), nullable=False),
        sa.Column("result", sa.String(32), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_audit_target_id"), "audit", ["target", "id"])
    op.execute(_KEEP)
    op.execute(_UNALTERED)


def downgrade() -> None:
    op.drop_table("audit")
