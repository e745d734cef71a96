"""What one agent's harness keeps on its disk: opened together, kept within bounds, closed together."""

import asyncio
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import structlog
from hivecommon.contracts.events import Trouble, TurnEnded, TurnStarted
from hivecommon.errors import HiveError

from hive_harness import eventlog, store
from hive_harness.database import Database
from hive_harness.eventlog import Clock, EventLog
from hive_harness.store import Store

_EVENTS_OF_A_TURN: Final = 10_000
_FORGET_EVERY_S: Final = 3600.0

_log = structlog.get_logger()


@dataclass(frozen=True)
class Disk:
    """The two files: what must not be forgotten, and the events."""

    store: Store
    log: EventLog

    @classmethod
    async def open(cls, directory: Path, clock: Clock) -> Self:
        """Open both; a damaged one is set aside and that told, a turn without an end gets one.

        Raises `disk_full` when the disk takes nothing.
        """
        disk = cls(
            Store(Database(directory / "hyperhive-harness.sqlite", store.MIGRATIONS)),
            EventLog(Database(directory / "hyperhive-events.sqlite", eventlog.MIGRATIONS), clock),
        )
        try:
            await disk._open(clock)
        except sqlite3.OperationalError as error:
            raise HiveError(
                f"the agent's files in {directory} cannot be written: {error}", code="disk_full",
                hint="make room on that disk; the agent is started again by itself",
            ) from error  # fmt: skip
        return disk

    async def _open(self, clock: Clock) -> None:
        aside = await self.store.open(clock())
        last_seq = await self.store.read("last_seq")
        # Noted at the end of each turn: more than this are not told in one. When that is lost too,
        # the time does: no agent tells an event a second for its whole life.
        floor = int(last_seq) + _EVENTS_OF_A_TURN if last_seq else int(clock().timestamp())
        await self.log.open(floor)
        if aside:
            text = f"the harness's own file was damaged; set aside: {aside}"
            self.log.record(Trouble(code="state_damaged", message=text))
        await self._end_the_last_turn()

    async def _end_the_last_turn(self) -> None:
        unfinished = await self.log.open_turn()
        if unfinished is not None and isinstance(unfinished.body, TurnStarted):
            message_id = unfinished.body.message_id
            known = await self.store.outcome_of(message_id)
            error = "" if known else "the harness ended in this turn"
            end = TurnEnded(message_id, known or "postponed", error=error)
            self.log.record(end, turn=unfinished.turn)

    async def forget_for_ever(self) -> None:
        """Forget once an hour what is too old: a harness may run for weeks."""
        while True:
            await asyncio.sleep(_FORGET_EVERY_S)
            try:
                await self.log.forget_old()
                await self.store.forget_old()
            except sqlite3.OperationalError as error:
                _log.warning("nothing_forgotten", reason=str(error))

    async def close(self) -> None:
        """Write what is pending and close both."""
        await self.log.close()
        await self.store.close()
