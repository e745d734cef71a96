"""Which tools the model may use besides the hive's, as `agent.toml` says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hivecommon.contracts.agent_toml import McpServer
from hivecommon.contracts.harness import HarnessConfig


@dataclass(frozen=True)
class Rules:
    """Allowed and denied tools, and further MCP servers."""

    wanted: tuple[str, ...] | None = None
    """None: all."""
    denied: tuple[str, ...] = ()
    mcp_servers: Mapping[str, McpServer] = field(default_factory=dict)

    def built_in(self, known: Sequence[str]) -> list[str]:
        """Return which of the CLI's own tools there are; a rule like `Bash(git *)` needs the tool."""
        wanted = None if self.wanted is None else {rule.partition("(")[0] for rule in self.wanted}
        return [
            tool for tool in known
            if (wanted is None or tool in wanted) and tool not in self.denied
        ]  # fmt: skip

    def allowed(self, known: Sequence[str]) -> list[str]:
        """Return the CLI's rules for what may be used unasked; everything else is refused."""
        own = self.built_in(known) if self.wanted is None else list(self.wanted)
        servers = [f"mcp__{name}" for name in self.mcp_servers]
        return [rule for rule in (*own, *servers) if rule not in self.denied]


def rules_of(config: HarnessConfig) -> Rules:
    """Return the rules of `harness.json`."""
    wanted = None if config.tools_allowed is None else tuple(config.tools_allowed)
    return Rules(wanted, tuple(config.tools_denied), config.mcp_servers)


def mcp_options(servers: Mapping[str, McpServer]) -> dict[str, Any]:
    """Return the servers as the SDK's options have them."""
    return {
        name: {"type": "http", "url": server.url} if server.url
        else {"command": server.command, "args": server.args, "env": server.env}
        for name, server in servers.items()
    }  # fmt: skip
