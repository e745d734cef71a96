"""What an agent's turns may cost in a day: written down first, then told to its harness."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from hivecommon.bus import Bus
from hivecommon.callers import Caller
from hivecommon.contracts.events import AgentChanged
from hivecommon.contracts.harness import ApplyCap
from hivecommon.contracts.lifecycle import Cap, Done
from hivecommon.contracts.roster import ContainerState
from hivecommon.errors import HiveError, Unavailable
from hivecommon.names import AgentName

from hive_lifecycle.admission import Admission
from hive_lifecycle.agents import Agent
from hive_lifecycle.operations import Operations

_HARNESS_S: Final = 0.7


@dataclass(frozen=True)
class Capping:
    """Sets caps, for operators."""

    operations: Operations
    admission: Admission
    bus: Bus

    async def set_cap(self, name: AgentName, caller: Caller, cap: Cap) -> Done:
        """Bound what a day may cost from now on; return whether that changed anything."""
        self.admission.living(name)
        changed = self.operations.store.set_cap(name, cap)
        agent = self.admission.living(name)
        if await self.operations.observe(name) is ContainerState.RUNNING:
            # One that is starting is told when it says hello.
            with suppress(Unavailable):
                await self._apply(agent, _HARNESS_S)
        if changed:
            words = {"off": "none", "config": "what agent.toml says"}
            detail = words.get(str(cap), f"{cap} US dollars a day")
            await self.operations.tell(
                AgentChanged(agent=name, what="capped", by=str(caller), detail=detail)
            )
        return Done(changed=changed)

    async def remind(self, agent: Agent, *, timeout_s: float) -> None:
        """Tell a harness that has just started; one that does not answer has its configuration."""
        with suppress(HiveError):
            await self._apply(agent, timeout_s)

    async def _apply(self, agent: Agent, timeout_s: float) -> None:
        request = ApplyCap(usd_per_day=agent.spend_cap_usd)
        await self.bus.request(request, timeout_s=timeout_s, agent=agent.name)
