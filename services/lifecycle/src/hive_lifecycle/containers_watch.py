"""Watches the host's containers: whatever changes one, it is seen within seconds."""

import asyncio
from collections.abc import AsyncIterator

import structlog
from hivecommon.errors import HiveError
from hivecommon.names import MANAGER, AgentName, parse_agent_name

from hive_lifecycle.containers import Containers
from hive_lifecycle.units import UnitState, changed

_log = structlog.get_logger()
_PREFIX = "h-"


class ContainersWatch:
    """Compares what systemd and nixos-container say now with what they said before."""

    def __init__(self, containers: Containers, poll_s: float) -> None:
        self._containers = containers
        self._poll_s = poll_s

    async def changes(self) -> AsyncIterator[AgentName]:
        """Yield, for ever, the agent of each container that is not what it was.

        Containers named like an agent's that no agent has are told of as well; all that exist are
        told of at the start.
        """
        units: list[UnitState] = []
        names: set[str] = set()
        while True:
            try:
                units_now = await self._containers.show_all()
                names_now = set(self._containers.names())
            except HiveError as error:
                _log.warning("containers_not_seen", reason=error.message)
            else:
                for container in sorted(changed(units, units_now) | (names ^ names_now)):
                    agent = agent_of(container)
                    if agent is not None:
                        yield agent
                units, names = units_now, names_now
            await asyncio.sleep(self._poll_s)


def agent_of(container: str) -> AgentName | None:
    """Return the agent a container is named after; None for containers of others."""
    if container == MANAGER:
        return MANAGER
    if not container.startswith(_PREFIX):
        return None
    try:
        return parse_agent_name(container.removeprefix(_PREFIX))
    except HiveError:
        return None
