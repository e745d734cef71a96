"""Refusals that several modules of lifecycle make in the same words."""

from hivecommon.errors import HiveError
from hivecommon.names import AgentName


def unknown_agent(name: str) -> HiveError:
    """Return the error for an agent that is not there."""
    return HiveError(
        f"there is no agent {name!r}",
        code="unknown_agent",
        hint="`hive ls` shows all agents; `hive spawn NAME` makes one",
    )


def agent_exists(name: AgentName) -> HiveError:
    """Return the error for a name that is in use."""
    return HiveError(
        f"there is an agent {name!r} already",
        code="agent_exists",
        hint=f"choose another name, or repair it with `hive rebuild {name}`",
    )
