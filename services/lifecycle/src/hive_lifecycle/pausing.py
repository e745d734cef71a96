"""Parking an agent's turns: written down first, then told to its harness."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from hivecommon.bus import Bus
from hivecommon.callers import Caller, CallerKind
from hivecommon.contracts.events import AgentChanged
from hivecommon.contracts.harness import SetPaused
from hivecommon.contracts.lifecycle import Done
from hivecommon.contracts.roster import ContainerState
from hivecommon.errors import HiveError, Unavailable
from hivecommon.names import AgentName

from hive_lifecycle.admission import Admission
from hive_lifecycle.operations import Operations

_HARNESS_S: Final = 5.0


@dataclass(frozen=True)
class Pausing:
    """Pauses and resumes, for operators and for an agent's own page."""

    operations: Operations
    admission: Admission
    bus: Bus

    async def set_paused(self, name: AgentName, caller: Caller, *, paused: bool) -> Done:
        """Park the turns of `name` or let them go on; return whether that changed anything.

        What an operator paused, an operator alone resumes: the request of an agent, whose page's
        secret the agent could read, is `refused` then.
        """
        agent = self.admission.living(name)
        by_agent = caller.kind is CallerKind.AGENT
        if by_agent and not paused and agent.paused and agent.paused_by != str(caller):
            raise HiveError(
                f"{agent.paused_by or 'an operator'} paused {name}", code="refused",
                hint=f"resume it on the dashboard or with `hive resume {name}`",
            )  # fmt: skip
        by = str(caller)
        if by_agent and agent.paused:
            by = agent.paused_by  # an operator's pause stays one
        changed = self.operations.store.set_paused(name, paused=paused, by=by)
        if await self.operations.observe(name) is ContainerState.RUNNING:
            # One that is starting is told when it says hello.
            with suppress(Unavailable):
                await self.bus.request(SetPaused(paused=paused), timeout_s=_HARNESS_S, agent=name)
        if changed:
            what = "paused" if paused else "resumed"
            await self.operations.tell(AgentChanged(agent=name, what=what, by=str(caller)))
        return Done(changed=changed)
