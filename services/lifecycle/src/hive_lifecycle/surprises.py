"""What happened to an agent that nobody asked the hive for; pure decisions."""

from dataclasses import dataclass

from hivecommon.contracts.roster import ContainerState

from hive_lifecycle.agents import Wanted
from hive_lifecycle.runtime import Observation


@dataclass(frozen=True)
class Surprise:
    """One thing to tell of, in the words of `AgentChanged`."""

    what: str
    detail: str


def surprise(wanted: Wanted, before: Observation | None, seen: Observation) -> Surprise | None:
    """Compare what is seen with what was seen before, while no job is at work on the agent.

    Both are states that last, not steps on the way. A crash that the hive itself answers to
    (`failed`) is not told of here.
    """
    was = before.state if before is not None else None
    deaths = before.deaths if before is not None else 0
    if seen.state is ContainerState.RUNNING and seen.deaths > deaths:
        return Surprise("crashed", seen.note)
    if seen.state is ContainerState.RUNNING and wanted is Wanted.STOPPED and was is not seen.state:
        return Surprise("started", "by hand on the host; `hive stop` ends it")
    if seen.state is ContainerState.STOPPED and wanted is Wanted.RUNNING and was is not seen.state:
        return Surprise("stopped", "by hand on the host, or by itself; `hive start` brings it back")
    return None
