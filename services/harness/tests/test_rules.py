"""Which tools an agent has, as its configuration says."""

import pytest
from hive_harness.rules import Rules, mcp_options, rules_of
from hivecommon.contracts.agent_toml import McpServer
from hivecommon.contracts.harness import HarnessConfig

KNOWN = ("Bash", "Read", "WebFetch")
GITHUB = McpServer(command="github-mcp", args=["--stdio"], env={"A": "b"})


@pytest.mark.parametrize(
    ("rules", "tools", "allowed"),
    [
        (Rules(), ["Bash", "Read", "WebFetch"], ["Bash", "Read", "WebFetch"]),
        (Rules(denied=("WebFetch",)), ["Bash", "Read"], ["Bash", "Read"]),
        (Rules(wanted=("Bash(git *)",)), ["Bash"], ["Bash(git *)"]),
        (Rules(wanted=()), [], []),
        (Rules(("Read",), (), {"github": GITHUB}), ["Read"], ["Read", "mcp__github"]),
        (Rules(("Read",), ("mcp__github",), {"github": GITHUB}), ["Read"], ["Read"]),
    ],
)
def test_what_is_there_and_what_may_be_used(
    rules: Rules, tools: list[str], allowed: list[str]
) -> None:
    assert rules.built_in(KNOWN) == tools
    assert rules.allowed(KNOWN) == allowed


def test_the_rules_and_servers_of_a_configuration() -> None:
    config = HarnessConfig(
        agent="alice", manager=False, bus_url="nats://127.0.0.1:1", port=8100,
        tools_allowed=["Bash"], tools_denied=["Read"],
        mcp_servers={"github": GITHUB, "docs": McpServer(url="https://x.example/mcp")},
    )  # fmt: skip
    rules = rules_of(config)
    assert (rules.wanted, rules.denied) == (("Bash",), ("Read",))
    assert mcp_options(rules.mcp_servers) == {
        "github": {"command": "github-mcp", "args": ["--stdio"], "env": {"A": "b"}},
        "docs": {"type": "http", "url": "https://x.example/mcp"},
    }
