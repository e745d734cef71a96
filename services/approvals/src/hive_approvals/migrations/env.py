"""How alembic reaches the database: over the connection that it is given."""

from alembic import context
from hive_approvals.tables import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=True,
    # sqlite can; alembic is cautious because the driver by itself does not.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
