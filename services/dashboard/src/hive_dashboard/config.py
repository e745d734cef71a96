"""The dashboard's own settings, besides those that all parts of a hive share."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from hivecommon.environment import HiveEnvironment
from hivecommon.errors import HiveError
from hiveweb.hosts import LOOPBACK_HOSTS

TICKET_LIFETIME: Final = timedelta(hours=24)
TOKEN_LIFETIME: Final = timedelta(days=30)
PORT_OPTION: Final = "HIVE_DASHBOARD_PORT"

_WILDCARDS: Final = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - recognised, not bound
_NAME = re.compile(r"\A[A-Za-z0-9.-]{1,253}\Z")


@dataclass(frozen=True)
class DashboardConfig:
    """How browsers reach the dashboard."""

    host: str
    port: int
    hosts: frozenset[str]
    """Names that a browser may have in its address bar; others are refused (DNS rebinding)."""
    listen_pid: str = ""
    listen_fds: str = ""
    """What systemd says of the socket it holds for us (sd_listen_fds(3))."""
    passed_fd: str = ""
    """The socket that `hive up` holds for us, so that nobody takes the port while we restart."""

    def link(self, port: int, ticket: str) -> str:
        """Return the login link for `ticket`, with the port that is really listened on."""
        host = self.host
        if host in _WILDCARDS:
            host = min(self.hosts - LOOPBACK_HOSTS, default="127.0.0.1")
        return f"http://{_bracketed(host)}:{port}/#ticket={ticket}"


def read_config(environment: HiveEnvironment, environ: Mapping[str, str]) -> DashboardConfig:
    """Return the settings; raise `bad_environment` naming the variable that is wrong.

    `HIVE_DASHBOARD_NAMES` lists further host names, e.g. of a reverse proxy, separated by commas.
    """
    names = [one.strip().lower() for one in environ.get("HIVE_DASHBOARD_NAMES", "").split(",")]
    names = [one for one in names if one]
    if wrong := [one for one in names if not _NAME.match(one)]:
        raise HiveError(
            f"HIVE_DASHBOARD_NAMES: {wrong[0]!r} is no host name",
            code="bad_environment",
            hint="list host names without ports, separated by commas",
        )
    own = [] if environment.dashboard_host in _WILDCARDS else [environment.dashboard_host.lower()]
    return DashboardConfig(
        host=environment.dashboard_host,
        port=environment.dashboard_port,
        hosts=LOOPBACK_HOSTS.union(names, map(_bracketed, own)),
        listen_pid=environ.get("LISTEN_PID", ""),
        listen_fds=environ.get("LISTEN_FDS", ""),
        passed_fd=environ.get("HIVE_DASHBOARD_FD", ""),
    )


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
