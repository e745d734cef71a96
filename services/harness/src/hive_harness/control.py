"""What operators may have an agent do, whichever way they ask: over the bus or on its page."""

from dataclasses import dataclass
from datetime import timedelta

from hivecommon.contracts.harness import OpenItemsReply
from hivecommon.contracts.roster import HarnessStatus
from hivecommon.contracts.usage import UsageReply

from hive_harness.eventlog import Clock
from hive_harness.hindrance import Hindrance
from hive_harness.housekeeping import Housekeeping
from hive_harness.open_items import OpenItems
from hive_harness.status import StatusBoard
from hive_harness.store import Store
from hive_harness.trouble import Code
from hive_harness.worker import Worker


@dataclass(frozen=True)
class Control:
    """Each act returns whether it changed anything."""

    worker: Worker
    housekeeping: Housekeeping
    hindrance: Hindrance
    store: Store
    board: StatusBoard
    items: OpenItems
    clock: Clock

    @property
    def status(self) -> HarnessStatus:
        """How the agent is."""
        return self.board.status

    async def interrupt(self) -> bool:
        """Stop the turn that runs."""
        return await self.worker.interrupt()

    def set_paused(self, paused: bool) -> bool:  # noqa: FBT001 - the verb's only argument
        """Begin no new turn, or go on."""
        return self.worker.set_paused(paused)

    async def retry_now(self) -> bool:
        """Try again at once what waits."""
        return await self.worker.retry_now()

    def set_cap(self, usd_per_day: float | None) -> bool:
        """Bound what a day may cost from now on."""
        return self.hindrance.set_cap(usd_per_day)

    async def usage(self, *, days: int, turns: int) -> UsageReply:
        """Return what turns took: the sums of the last `days`, and the last `turns`."""
        today = self.clock().date()
        by_day, one_by_one = await self.store.usage(today - timedelta(days=days - 1), turns)
        return UsageReply(
            days=by_day, turns=one_by_one, today=today, cap_usd=self.hindrance.spend_cap_usd
        )

    async def compact(self) -> bool:
        """Let the agent save its notes and make its conversation shorter, once no turn runs."""
        changed = await self.housekeeping.ask_compaction()
        self.worker.wake()
        return changed

    async def new_session(self) -> bool:
        """Begin a new conversation with the next turn."""
        changed = await self.housekeeping.ask_new_session()
        self.worker.wake()
        return changed

    async def choose(self, *, model: str | None, effort: str | None) -> HarnessStatus:
        """Choose model and effort from the next turn on; None leaves one as it is."""
        await self.housekeeping.choose(model=model, effort=effort)
        obstacle = self.hindrance.obstacle
        if obstacle is not None and obstacle.code is Code.UNKNOWN_MODEL:
            self.hindrance.overcome()
        self.worker.wake()
        return self.board.status

    async def open_items(self) -> OpenItemsReply:
        """Return what the agent has still before it."""
        return await self.items.read()

    async def resend(self, number: int) -> bool:
        """Give a parked message another try; raises `not_parked`."""
        changed = await self.store.resend(number)
        self.worker.wake()
        return changed
