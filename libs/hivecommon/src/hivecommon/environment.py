"""Where this hive lives and how it is reached, read once from the environment by each `__main__`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from hivecommon.errors import HiveError
from hivecommon.home import HiveHome, HiveRun

DEFAULT_NATS_URL = "nats://127.0.0.1:4222"
# Outside of the range of the agents' pages, where NATS has its own default.
DEFAULT_MONITOR_PORT = 7222
DEFAULT_DASHBOARD_PORT = 7000
MAX_PORT = 65535

_HOST = re.compile(r"\A[A-Za-z0-9.:-]{1,253}\Z")


@dataclass(frozen=True)
class BusAddress:
    """Where the bus listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """Return the address as clients want it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"nats://{host}:{self.port}"


@dataclass(frozen=True)
class HiveEnvironment:
    """The settings that all parts of a hive share."""

    home: HiveHome
    run: HiveRun
    bus: BusAddress
    monitor_port: int
    """The server's own HTTP pages (`/connz`), on loopback; 0 switches them off."""
    runtime: str
    dashboard_host: str
    dashboard_port: int
    manager: bool
    forge_url: str = ""
    agent_environment: dict[str, str] = field(default_factory=dict, repr=False)
    """What of `hive up`'s environment reaches agents on the `local` runtime. Holds secrets."""


# On the `local` runtime these reach the agents of `hive up`.
AGENT_VARIABLES = (
    "ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN", "HIVE_CLAUDE_CLI",
)  # fmt: skip


class _Reader:
    """Collects every problem instead of stopping at the first."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[str] = []

    def text(self, name: str, default: str) -> str:
        return self._environ.get(name, "") or default

    def choice(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        value = self.text(name, default)
        if value not in choices:
            self.problems.append(f"{name}={value!r} is none of {', '.join(choices)}")
        return value

    def port(self, name: str, default: int) -> int:
        value = self.text(name, str(default))
        if not value.isdecimal() or int(value) > MAX_PORT:
            self.problems.append(f"{name}={value!r} is no port (0 to {MAX_PORT})")
            return default
        return int(value)

    def host(self, name: str, default: str) -> str:
        value = self.text(name, default)
        if not _HOST.match(value):
            self.problems.append(f"{name}={value!r} is no host name or address")
        return value

    def path(self, name: str, default: Path) -> Path:
        value = self._environ.get(name, "")
        if not value:
            return default
        if not Path(value).is_absolute():
            self.problems.append(f"{name}={value!r} is no absolute path")
        return Path(value)

    def bus(self, name: str) -> BusAddress:
        value = self.text(name, DEFAULT_NATS_URL)
        try:
            parts = urlsplit(value)
            if parts.scheme == "nats" and parts.hostname and not parts.username:
                return BusAddress(parts.hostname, parts.port or 4222)
        except ValueError:
            pass
        self.problems.append(f"{name}={value!r} is no address like {DEFAULT_NATS_URL}")
        return BusAddress("127.0.0.1", 4222)


def read_environment(environ: Mapping[str, str], *, uid: int) -> HiveEnvironment:
    """Return the hive's settings; raise `bad_environment` naming every variable that is wrong."""
    reader = _Reader(environ)
    home_dir = Path(environ.get("HOME") or "/")
    # systemd sets INVOCATION_ID for every unit; by hand root gets a hive of its own, like any user.
    system = uid == 0 and "INVOCATION_ID" in environ
    data_home = Path(environ.get("XDG_DATA_HOME") or home_dir / ".local/share")
    runtime_dir = environ.get("XDG_RUNTIME_DIR")
    # Directly in /tmp, where nobody but its owner can replace it; checked to be ours when made.
    own_run = Path(runtime_dir) / "hyperhive" if runtime_dir else Path(f"/tmp/hyperhive-{uid}")  # noqa: S108 - see above
    home = reader.path(
        "HIVE_HOME", Path("/var/lib/hyperhive") if system else data_home / "hyperhive"
    )
    run = reader.path("HIVE_RUN", Path("/run/hyperhive") if system else own_run)
    result = HiveEnvironment(
        home=HiveHome(home),
        run=HiveRun(run),
        bus=reader.bus("HIVE_NATS_URL"),
        monitor_port=reader.port("HIVE_NATS_MONITOR_PORT", DEFAULT_MONITOR_PORT),
        runtime=reader.choice("HIVE_RUNTIME", "local", ("local", "nixos")),
        dashboard_host=reader.host("HIVE_DASHBOARD_HOST", "127.0.0.1"),
        dashboard_port=reader.port("HIVE_DASHBOARD_PORT", DEFAULT_DASHBOARD_PORT),
        manager=reader.choice("HIVE_MANAGER", "on", ("on", "off")) == "on",
        forge_url=reader.text("HIVE_FORGE_URL", ""),
        agent_environment={name: environ[name] for name in AGENT_VARIABLES if environ.get(name)},
    )
    if reader.problems:
        raise HiveError(
            "; ".join(reader.problems), code="bad_environment", hint="correct or unset them"
        )
    return result
