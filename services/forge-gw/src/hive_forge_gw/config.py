"""What this service is told at its start: where the forge is, and what is ours there."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from hivecommon.environment import HiveEnvironment
from hivecommon.errors import HiveError
from hivecommon.home import HiveHome

T = TypeVar("T")

DEFAULT_ORG = "hive"
DEFAULT_REPO = "work"
DEFAULT_POLL_S = 15.0
MAX_PORT = 65535
CREDENTIAL = "forge-admin-token"

_NAME = re.compile(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,38}\Z")


@dataclass(frozen=True)
class Config:
    """The settings of forge-gw."""

    home: HiveHome
    database: Path
    url: str
    """The forge's address; empty: there is none, and the service says so."""
    token_file: Path | None
    organization: str
    shared_repo: str
    """Name of the repository, in the organisation, where all agents may write."""
    webhook_port: int
    """Port on loopback for the forge's webhooks; 0: notifications are polled for."""
    webhook_url: str
    """The same, as the forge reaches it."""
    poll_s: float
    git: str

    @property
    def default_repo(self) -> str:
        """`owner/name` where agents work when they name no repository."""
        return f"{self.organization}/{self.shared_repo}"


class _Variables:
    """Reads variables and collects every problem instead of stopping at the first."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[str] = []

    def read(self, name: str, default: str, parse: Callable[[str], T]) -> T:
        value = self._environ.get(name, "") or default
        try:
            return parse(value)
        except ValueError as error:
            self.problems.append(f"{name}={value!r} {error}")
            return parse(default)


def read_config(environment: HiveEnvironment, environ: Mapping[str, str]) -> Config:
    """Return the settings; raise `bad_environment` naming every variable that is wrong."""
    variables = _Variables(environ)
    port = variables.read("HIVE_FORGE_WEBHOOK_PORT", "0", _port)
    default_hook = f"http://127.0.0.1:{port}/webhook" if port else ""
    config = Config(
        home=environment.home,
        database=environment.home.root / "forge.sqlite",
        url=variables.read("HIVE_FORGE_URL", "", _url),
        token_file=_token_file(environ),
        organization=variables.read("HIVE_FORGE_ORG", DEFAULT_ORG, _name),
        shared_repo=variables.read("HIVE_FORGE_SHARED_REPO", DEFAULT_REPO, _name),
        webhook_port=port,
        webhook_url=variables.read("HIVE_FORGE_WEBHOOK_URL", default_hook, _url),
        poll_s=variables.read("HIVE_FORGE_POLL_S", str(DEFAULT_POLL_S), _seconds),
        git=environ.get("HYPERHIVE_GIT") or "git",
    )
    if variables.problems:
        raise HiveError(
            "; ".join(variables.problems), code="bad_environment", hint="correct or unset them"
        )
    return config


def _token_file(environ: Mapping[str, str]) -> Path | None:
    if chosen := environ.get("HIVE_FORGE_TOKEN_FILE"):
        return Path(chosen)
    # systemd.exec(5), LoadCredential=
    if folder := environ.get("CREDENTIALS_DIRECTORY"):
        return Path(folder) / CREDENTIAL
    return None


def _url(text: str) -> str:
    parts = urlsplit(text)
    if text and (parts.scheme not in {"http", "https"} or not parts.hostname):
        raise ValueError("is no http URL")
    if parts.username or parts.password:
        raise ValueError("holds a login: put the token into HIVE_FORGE_TOKEN_FILE")
    return text.rstrip("/")


def _name(text: str) -> str:
    if not _NAME.match(text):
        raise ValueError("is no name for a forge: up to 39 of letters, digits, '.', '_' and '-'")
    return text


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or int(text) > MAX_PORT:
        raise ValueError(f"is no port (0 to {MAX_PORT})")
    return int(text)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError("is no number of seconds") from None
    if not 0.05 <= value <= 3600:  # noqa: PLR2004 - an hour is as good as never
        raise ValueError("is not between 0.05 and 3600 seconds")
    return value
