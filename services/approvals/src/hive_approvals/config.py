"""What this service is told at its start."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

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
    local_zone: str = "UTC"
    """The time zone of schedules that name none."""
    tell_manager: bool = True
    """Whether there is a manager to be told of what happens to agents."""


def read_config(environment: HiveEnvironment, environ: Mapping[str, str]) -> Config:
    """Return the settings that follow from the hive's."""
    return Config(
        database=environment.home.approvals_db,
        local_zone=_local_zone(environ.get("TZ", "")),
        tell_manager=environment.manager,
    )


def _local_zone(named: str) -> str:
    """Return the host's zone: TZ, else what /etc/localtime points to (localtime(5)), else UTC."""
    try:
        target = str(Path("/etc/localtime").resolve(strict=True))
    except OSError:
        target = ""
    for name in (named.removeprefix(":"), target.partition("/zoneinfo/")[2]):
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            continue
        return name
    return "UTC"
