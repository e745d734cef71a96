"""What this service is told at its start."""

from dataclasses import dataclass
from pathlib import Path

from hivecommon.environment import HiveEnvironment


@dataclass(frozen=True)
class Config:
    """The settings of the approvals service."""

    database: Path
    sweep_s: float = 30.0
    """How often orphans are looked for besides at every list (requirement S12)."""
    follow_s: float = 5.0
    """How often work in progress is asked for when no event tells of it."""
    resend_s: float = 1.0
    """How long the outbox waits before it offers again what the bus did not take."""


def read_config(environment: HiveEnvironment) -> Config:
    """Return the settings that follow from the hive's."""
    return Config(database=environment.home.approvals_db)
