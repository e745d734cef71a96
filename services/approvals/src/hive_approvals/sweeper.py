"""Finds pending approvals whose agent has lost its state directory, and fails them (S12)."""

import asyncio
from collections.abc import Awaitable, Callable, Collection

import structlog
from hivecommon.contracts.approvals import ApprovalKind
from hivecommon.errors import HiveError

from hive_approvals import policy
from hive_approvals.lifecycle import Lifecycle
from hive_approvals.store import ApprovalStore

_log = structlog.get_logger()


class Sweeper:
    """Looks for orphans of those kinds that need a state directory."""

    def __init__(
        self, store: ApprovalStore, lifecycle: Lifecycle, kinds: Collection[ApprovalKind], *,
        every_s: float, caught_up: Callable[[], Awaitable[None]],
    ) -> None:  # fmt: skip
        self._store = store
        self._lifecycle = lifecycle
        self._kinds = kinds
        self._every_s = every_s
        self._caught_up = caught_up
        self._lock = asyncio.Lock()
        self._begun = 0

    async def run(self) -> None:
        """Sweep for ever."""
        while True:
            try:
                await self.sweep()
            except HiveError as error:
                _log.error("sweep_failed", code=error.code, reason=error.message)
            await asyncio.sleep(self._every_s)

    async def sweep(self) -> None:
        """Fail what is orphaned at this moment; without lifecycle nothing can be said, so nothing is done.

        Callers at the same time share a sweep that began after they came.
        """
        begun = self._begun
        async with self._lock:
            if self._begun > begun:
                return
            self._begun += 1
            await self._sweep()

    async def _sweep(self) -> None:
        waiting = await self._store.pending_of(self._kinds)
        if not waiting:
            return
        try:
            present = await self._lifecycle.state_dirs([approval.agent for approval in waiting])
        except HiveError as error:
            _log.info("sweep_skipped", code=error.code, reason=error.message)
            return
        lost = {one.id: one.agent for one in waiting if one.agent not in present}
        if not lost:
            return
        try:
            # A directory may have gone because its agent was renamed: that is known then.
            await self._caught_up()
        except HiveError as error:
            _log.info("sweep_skipped", code=error.code, reason=error.message)
            return
        for approval in await self._store.pending_of(self._kinds):
            if lost.get(approval.id) != approval.agent:
                continue
            failed = await self._store.advance(approval, policy.Event.ORPHAN, note=policy.ORPHANED)
            if failed is not None:
                _log.warning("approval_orphaned", approval=approval.id, agent=approval.agent)
