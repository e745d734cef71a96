"""What a harness is told at its start: by its environment, and by lifecycle's `harness.json`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

import msgspec
from hivecommon.contracts.harness import HarnessConfig
from hivecommon.errors import HiveError
from hivecommon.names import AgentName, parse_agent_name

# What of our environment the CLI authenticates with (facts: any one of them will do).
CREDENTIAL_VARIABLES: Final = (
    "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN",
)  # fmt: skip
# How the CLI reaches claude.com from a host behind a proxy; a login's own environment is made anew.
_NETWORK_VARIABLES: Final = (
    "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy",
    "NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE",
)  # fmt: skip
_LOGIN_S: Final = 900
DEFAULT_MODEL: Final = "claude-sonnet-4-5"


@dataclass(frozen=True)
class Settings:
    """Everything that is fixed for the life of the process."""

    run: Path
    state: Path
    claude: Path
    cli: Path | None
    """The Claude CLI to use; None means the one bundled in the SDK."""
    harness: HarnessConfig
    has_key: bool
    """Whether the environment holds a credential, so that no login is needed."""
    login_life: timedelta
    """How long a login may take from its start to its code."""
    environment: dict[str, str] = field(repr=False)
    network: dict[str, str] = field(repr=False)
    """Proxies and certificates; a proxy's address may hold a password."""

    @property
    def name(self) -> AgentName:
        """The agent's name, known to be well formed."""
        return AgentName(self.harness.agent)

    @property
    def model(self) -> str:
        """The model to ask for: always named, since the CLI's own default depends on the login."""
        return self.harness.model or DEFAULT_MODEL


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Return the settings; raise `bad_environment` or `bad_config` naming what is wrong."""
    problems: list[str] = []

    def path(name: str, default: str) -> Path:
        value = environ.get(name) or default
        if not Path(value).is_absolute():
            problems.append(f"{name}={value!r} is no absolute path")
        return Path(value)

    run = path("HIVE_AGENT_RUN", "/run/hive")
    state = path("HYPERHIVE_STATE_DIR", "/state")
    claude = path("CLAUDE_CONFIG_DIR", "/root/.claude")
    cli = path("HIVE_CLAUDE_CLI", "/") if environ.get("HIVE_CLAUDE_CLI") else None
    problems += [
        f"{name}={directory} is no directory"
        for name, directory in (("HIVE_AGENT_RUN", run), ("HYPERHIVE_STATE_DIR", state))
        if not directory.is_dir()
    ]
    login_s = environ.get("HIVE_LOGIN_S") or str(_LOGIN_S)
    if not login_s.isdecimal() or not 1 <= int(login_s) <= _LOGIN_S * 96:
        problems.append(f"HIVE_LOGIN_S={login_s!r} is no number of seconds up to a day")
        login_s = str(_LOGIN_S)
    if problems:
        raise HiveError(
            "; ".join(problems), code="bad_environment",
            hint="a harness is started by lifecycle: `hive start AGENT`",
        )  # fmt: skip
    return Settings(
        run=run,
        state=state,
        claude=claude,
        cli=cli,
        harness=read_harness_config(run / "harness.json"),
        has_key=any(environ.get(name) for name in CREDENTIAL_VARIABLES),
        login_life=timedelta(seconds=int(login_s)),
        network={name: environ[name] for name in _NETWORK_VARIABLES if environ.get(name)},
        environment={
            "CLAUDE_CONFIG_DIR": str(claude),
            "HYPERHIVE_STATE_DIR": str(state),
            "HIVE_AGENT_RUN": str(run),
        },
    )


def read_harness_config(file: Path) -> HarnessConfig:
    """Return what lifecycle wrote; raise `bad_config` saying what is wrong with it."""
    try:
        config = msgspec.json.decode(file.read_bytes(), type=HarnessConfig)
        parse_agent_name(config.agent)
    except (OSError, msgspec.MsgspecError) as error:
        raise HiveError(
            f"{file}: {error}", code="bad_config",
            hint="lifecycle writes it at every start: `hive rebuild AGENT`",
        ) from error  # fmt: skip
    return config
