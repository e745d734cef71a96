"""agent.toml: what is read, and that whatever is wrong is named with its key and line."""

import pytest
from hivecommon.contracts.agent_toml import (
    MAX_BYTES,
    AgentToml,
    line_of,
    parse_agent_toml,
    render_agent_toml,
)
from hivecommon.contracts.lifecycle import AgentSettings
from hivecommon.errors import HiveError

WHOLE = b"""\
persona = "a poet"
model = "opus"
recipients = ["operator", "bob"]

[tools]
allow = ["Bash", "Read"]
deny = ["WebFetch"]

[mcp_servers.github]
command = "github-mcp"
args = ["--stdio"]
env = { GH_HOST = "example.org" }

[mcp_servers.docs]
url = "https://docs.example.org/mcp"

[limits]
memory = "2G"
cpu = "150%"

[inbox]
batch = 5

[spend]
usd_per_day = 12.5
"""


def test_a_whole_file_is_read() -> None:
    parsed = parse_agent_toml(WHOLE)
    assert parsed.settings == AgentSettings(
        persona="a poet", model="opus", recipients=["operator", "bob"]
    )
    assert parsed.tools.allow == ["Bash", "Read"]
    assert parsed.mcp_servers["github"].env == {"GH_HOST": "example.org"}
    assert parsed.mcp_servers["docs"].url == "https://docs.example.org/mcp"
    assert (parsed.limits.memory, parsed.inbox.batch, parsed.spend.usd_per_day) == ("2G", 5, 12.5)


def test_an_empty_file_is_one() -> None:
    assert parse_agent_toml(b"") == AgentToml()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"persona = 'a'\npersonna = 'b'\n", ["line 2", "'personna'", "no such key"]),
        (b"\n[limits]\nmemory = 7\n", ["line 3", "'limits.memory'", "str"]),
        (b"[limits]\nmemory = '1M'\n", ["line 2", "'limits.memory'", "256M"]),
        (b"[context]\ncli_memory = '1M'\n", ["line 2", "'context.cli_memory'", "256M"]),
        (b"[context]\ncompact_at = 2\n", ["line 2", "'context.compact_at'"]),
        (b"effort = 'huge'\n", ["line 1", "'effort'"]),
        (b"[limits]\ndisk = '1G'\n", ["line 2", "'limits.disk'"]),
        (b"recipients = ['bob', '*']\n", ["line 1", "'recipients[1]'", "'*'"]),
        (b"recipients = ['hive']\n", ["line 1", "reserved"]),
        (b"[mcp_servers.hive]\ncommand = 'x'\n", ["line 1", "hive's own"]),
        (b"[mcp_servers.a]\n", ["line 1", "either a command or a url"]),
        (b"[mcp_servers.a]\nurl = 'file:///etc/passwd'\n", ["'mcp_servers[...].url'"]),
        (b"[tools]\nallow = ['Bash', 'a b']\n", ["line 2", "'tools.allow[1]'"]),
        (b"[inbox]\nbatch = 0\n", ["line 2", "'inbox.batch'", ">= 1"]),
        (b"[spend]\nusd_per_day = nan\n", ["usd_per_day"]),
        (b"model = '--help'\n", ["line 1", "'model'"]),
        (b'persona = "a\\u0000"\n', ["line 1", "NUL"]),
        (b"persona = \n", ["no TOML", "line 1"]),
        (b"persona = '\xff'\n", ["byte 11", "UTF-8"]),
        (b"x = " + b"[" * 20_000, ["agent.toml"]),
        (b"#" * (MAX_BYTES + 1), [str(MAX_BYTES)]),
    ],
)
def test_what_is_wrong_is_named(content: bytes, words: list[str]) -> None:
    with pytest.raises(HiveError) as caught:
        parse_agent_toml(content)
    assert caught.value.code == "bad_agent_toml"
    for word in words:
        assert word in caught.value.message


@pytest.mark.parametrize(
    "settings",
    [
        AgentSettings(),
        AgentSettings(model="opus", recipients=[]),
        AgentSettings(persona='one\ntwo """ \\n \\ "x"\r\n\x7f\x1b é 😀', recipients=["bob"]),
    ],
)
def test_what_is_rendered_reads_as_what_it_was(settings: AgentSettings) -> None:
    assert parse_agent_toml(render_agent_toml(settings).encode()).settings == settings


def test_a_key_that_is_not_there_has_no_line() -> None:
    assert line_of("a = 1\n", "b") is None
