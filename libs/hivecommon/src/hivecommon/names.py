"""Agents' names, and everything that follows from a name alone: container and port."""

import re
from typing import Final, NewType

from hivecommon.errors import HiveError

AgentName = NewType("AgentName", str)

# nixos-container allows 11 characters and the prefix `h-` takes two (nixos-container.pl, `create`).
MAX_NAME_LENGTH: Final = 9
NAME_PATTERN: Final = r"\A[a-z0-9]([a-z0-9-]{0,7}[a-z0-9])?\Z"
MANAGER: Final = AgentName("hm1nd")
# Senders, sources and destinations that are no agents share the subjects' name space with them.
RESERVED: Final = frozenset(
    {
        "hive", "operator", "all", "forge", "schedule", "bus", "manager",
        "lifecycle", "approvals", "dashboard", "harness", "forge-gw",
    }
)  # fmt: skip

MANAGER_PORT: Final = 8000
FIRST_AGENT_PORT: Final = 8100
AGENT_PORTS: Final = 900

# FNV-1a, 32 bit: http://www.isthe.com/chongo/tech/comp/fnv/
_FNV_OFFSET: Final = 0x811C9DC5
_FNV_PRIME: Final = 0x01000193

_NAME = re.compile(NAME_PATTERN)


def parse_agent_name(text: str) -> AgentName:
    """Return `text` as an agent's name; raise `bad_name` or `reserved_name` with the rule it breaks."""
    shown = repr(text if len(text) <= 40 else text[:40] + "…")  # noqa: PLR2004 - a readable line
    if len(text) > MAX_NAME_LENGTH:
        raise HiveError(
            f"the agent name {shown} has {len(text)} characters; at most {MAX_NAME_LENGTH} fit",
            code="bad_name",
            hint="containers are called h-<agent> and nixos-container allows 11 characters",
        )
    if not _NAME.match(text):
        raise HiveError(
            f"{shown} is no agent name",
            code="bad_name",
            hint="use 1 to 9 of a-z, 0-9 and '-', with a letter or digit at both ends",
        )
    if text in RESERVED:
        raise HiveError(
            f"the name {shown} is reserved",
            code="reserved_name",
            hint=f"choose another; reserved are: {', '.join(sorted(RESERVED))}",
        )
    return AgentName(text)


def container_name(agent: AgentName) -> str:
    """Return the nixos-container of an agent: `h-<agent>`, and `hm1nd` for the manager."""
    return agent if agent == MANAGER else f"h-{agent}"


def agent_port(agent: AgentName) -> int:
    """Return the port of the agent's own page, from the name alone: no state, no probing."""
    if agent == MANAGER:
        return MANAGER_PORT
    digest = _FNV_OFFSET
    for byte in agent.encode():
        digest = ((digest ^ byte) * _FNV_PRIME) & 0xFFFFFFFF
    return FIRST_AGENT_PORT + digest % AGENT_PORTS
