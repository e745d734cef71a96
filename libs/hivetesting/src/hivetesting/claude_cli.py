"""The real Claude CLI for tests: the one bundled in claude-agent-sdk, pointed at a scripted API."""

import importlib.util
from pathlib import Path


class ClaudeCliMissingError(Exception):
    """claude-agent-sdk is not installed, or its wheel came without the CLI (as the sdist does)."""


def bundled_cli() -> Path:
    """Find the CLI in the installed SDK, found without importing it (that takes 0.8 s)."""
    return _bundle() / "claude"


def bundled_cli_version() -> str:
    """Read the bundled CLI's version, for example `2.1.330`."""
    return (_bundle() / "claude.version").read_text().split()[0]


def scripted_environment(
    base_url: str, config_dir: Path, api_key: str = "scripted-key"
) -> dict[str, str]:
    """Give the variables by which the CLI uses the API at `base_url` and keeps to `config_dir`.

    They add to, and do not replace, an environment; `ANTHROPIC_AUTH_TOKEN` and
    `CLAUDE_CODE_OAUTH_TOKEN` are emptied, since they would win over the key.
    """
    return {
        "ANTHROPIC_BASE_URL": base_url,
        "ANTHROPIC_API_KEY": api_key,
        "ANTHROPIC_AUTH_TOKEN": "",
        "CLAUDE_CODE_OAUTH_TOKEN": "",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "CLAUDE_CONFIG_DIR": str(config_dir),
    }


def _bundle() -> Path:
    spec = importlib.util.find_spec("claude_agent_sdk")
    for folder in (spec and spec.submodule_search_locations) or ():
        bundle = Path(folder) / "_bundled"
        if (bundle / "claude").is_file():
            return bundle
    raise ClaudeCliMissingError(
        "no Claude CLI in claude-agent-sdk: install its wheel (`uv sync` does) for this platform"
    )
