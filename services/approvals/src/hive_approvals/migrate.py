"""Schema changes, run by alembic: imported only when one is due."""

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from hivecommon.errors import HiveError
from sqlalchemy import Connection, Engine

SCRIPTS: Final = Path(__file__).with_name("migrations")


def alembic_config(connection: Connection | None = None) -> Config:
    """Return alembic's settings for this package's scripts, working on `connection`."""
    config = Config()
    # The value is read with %-interpolation.
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Bring the database up to `revision`; a crash within leaves it as it was.

    Raises `newer_database` when the database's own revision is unknown here.
    """
    with engine.connect() as connection:
        try:
            command.upgrade(alembic_config(connection), revision)
        except CommandError as error:
            raise HiveError(
                f"{engine.url.database} has a schema that this version does not know: {error}",
                code="newer_database",
                hint="install the version that wrote it, or restore a backup",
            ) from error


def downgrade(engine: Engine, revision: str) -> None:
    """Take the database down to `revision`; what only later ones can hold is lost."""
    with engine.connect() as connection:
        command.downgrade(alembic_config(connection), revision)
