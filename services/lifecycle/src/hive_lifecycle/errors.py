"""Refusals that several modules of lifecycle make in the same words."""

from typing import Final

from hivecommon.errors import HiveError
from hivecommon.names import AgentName

_LOG_CHARACTERS: Final = 64 * 1024


class BuildFailed(HiveError):
    """A build that failed: the message has its last words, `log` all that it said of late."""

    def __init__(self, message: str, *, log: str, hint: str = "") -> None:
        super().__init__(message, code="build_failed", hint=hint)
        self.log = log[-_LOG_CHARACTERS:]


def unknown_agent(name: str) -> HiveError:
    """Return the error for an agent that is not there."""
    return HiveError(
        f"there is no agent {name!r}",
        code="unknown_agent",
        hint="`hive ls` shows all agents; `hive spawn NAME` makes one",
    )


def no_inputs() -> HiveError:
    """Return the error for an update where agents' systems are not built from a flake."""
    return HiveError(
        "agents are made from no flake on this host: there are no inputs to update",
        code="no_inputs",
        hint="only HIVE_RUNTIME=nixos builds systems; update hyperhive itself instead",
    )


def agent_exists(name: AgentName) -> HiveError:
    """Return the error for a name that is in use."""
    return HiveError(
        f"there is an agent {name!r} already",
        code="agent_exists",
        hint=f"choose another name, or repair it with `hive rebuild {name}`",
    )
