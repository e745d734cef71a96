"""Questions that several of their options may answer."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0004"
down_revision: Final = "0003"


def upgrade() -> None:
    # Not in batch mode: the table would be made anew, without its trigger.
    multiple = sa.Column("multiple", sa.Boolean(), nullable=False, server_default=sa.text("0"))
    choices = sa.Column("choices", sa.LargeBinary(), nullable=False, server_default=sa.text("'[]'"))
    for column in (multiple, choices):
        op.add_column("questions", column)


def downgrade() -> None:
    # What was chosen is said in words instead: nothing is lost.
    op.execute(
        "UPDATE questions SET answer = trim((SELECT group_concat(value, '; ')"
        " FROM json_each(CAST(choices AS TEXT))) || char(10) || answer, char(10))"
        " WHERE json_array_length(CAST(choices AS TEXT)) > 0"
    )
    for name in ("choices", "multiple"):
        op.execute(f"ALTER TABLE questions DROP COLUMN {name}")
