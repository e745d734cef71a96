"""What an agent may use of the host's processor and memory, and how systemd is told."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from hivecommon.errors import HiveError

# systemd.resource-control(5): MemoryMax= and CPUQuota=
_MEMORY = re.compile(r"[1-9][0-9]{0,14}[KMGT]?")
_CPU = re.compile(r"[1-9][0-9]{0,5}%")
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
SMALLEST_MEMORY_BYTES = 256 << 20
"""Less does not even hold the harness and one Claude process."""


@dataclass(frozen=True)
class Limits:
    """Empty means no limit."""

    memory: str = ""
    cpu: str = ""

    def or_else(self, default: "Limits") -> "Limits":
        """Fill what is not set from `default`."""
        return Limits(self.memory or default.memory, self.cpu or default.cpu)


def parse_limits(values: Mapping[str, object], where: str) -> Limits:
    """Check `{memory = "2G", cpu = "150%"}`; raise `bad_limits` with the value and the form."""
    unknown = sorted(set(values) - {"memory", "cpu"})
    if unknown:
        raise _bad(where, unknown[0], "is unknown; there are memory and cpu")
    memory, cpu = values.get("memory", ""), values.get("cpu", "")
    if memory != "" and not (isinstance(memory, str) and _MEMORY.fullmatch(memory)):
        raise _bad(where, f"memory = {memory!r}", 'is no size like "2G" or "800M"')
    if cpu != "" and not (isinstance(cpu, str) and _CPU.fullmatch(cpu)):
        raise _bad(where, f"cpu = {cpu!r}", 'is no share of a processor like "150%"')
    if memory and int(str(memory).rstrip("KMGT")) * _UNITS[str(memory).lstrip("0123456789")] < (
        SMALLEST_MEMORY_BYTES
    ):
        raise _bad(where, f"memory = {memory!r}", "is less than an agent needs to start, 256M")
    return Limits(str(memory), str(cpu))


def read_limits(agent_toml: str) -> Limits:
    """Read the table `[limits]` of an agent.toml; raise `bad_limits` for what is none."""
    try:
        document = tomllib.loads(agent_toml)
    except tomllib.TOMLDecodeError as error:
        raise _bad("agent.toml", "it", f"is no TOML: {error}") from error
    table = document.get("limits", {})
    if not isinstance(table, dict):
        raise _bad("agent.toml", "limits", "is no table: write [limits]")
    return parse_limits(table, "[limits] in agent.toml")


def render_dropin(limits: Limits, start_timeout: timedelta) -> str:
    """Write the drop-in for one container's unit."""
    lines = [
        "# Written by hyperhive: changes made by hand are lost.",
        "[Service]",
        # nixos-container's own minute counts for starts and for reloads.
        f"TimeoutStartSec={start_timeout.total_seconds():.0f}",
    ]
    if limits.memory:
        lines += [f"MemoryMax={limits.memory}", "MemorySwapMax=0"]
    if limits.cpu:
        lines.append(f"CPUQuota={limits.cpu}")
    return "\n".join(lines) + "\n"


def _bad(where: str, what: str, why: str) -> HiveError:
    return HiveError(
        f"{where}: {what} {why}",
        code="bad_limits",
        hint='for example: [limits] memory = "2G", cpu = "150%"',
    )
