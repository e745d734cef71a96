"""Tags that lifecycle is to set: written in the transaction that they tell of, asked for until they are."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

import structlog
from hivecommon.contracts.approvals import Approval, ApprovalState
from hivecommon.contracts.changes import MarkCommit, Stage
from hivecommon.errors import HiveError
from sqlalchemy import Connection, Row, delete, select
from sqlalchemy.dialects.sqlite import insert

from hive_approvals.database import Database
from hive_approvals.lifecycle import Lifecycle
from hive_approvals.tables import marks

_PAGE: Final = 50
# What a state is called in the applied repo; lifecycle sets `building` and `deployed` itself.
_STAGES: Final = {
    ApprovalState.PENDING: Stage.PROPOSAL,
    ApprovalState.APPROVED: Stage.APPROVED,
    ApprovalState.DENIED: Stage.DENIED,
    ApprovalState.CANCELLED: Stage.CANCELLED,
    ApprovalState.FAILED: Stage.FAILED,
}
_log = structlog.get_logger()


def note(connection: Connection, approval: Approval) -> None:
    """Have the commit of `approval` tagged with the state that it is in, if it has one."""
    stage = _STAGES.get(approval.state)
    if approval.commit is None or stage is None:
        return
    connection.execute(
        insert(marks)
        .values(approval=approval.id, agent=approval.agent, commit=approval.commit, stage=stage)
        .on_conflict_do_nothing()
    )


class Marker:
    """Has tags set, in order."""

    def __init__(
        self, database: Database, lifecycle: Lifecycle, *, wake: asyncio.Event, retry_s: float
    ) -> None:
        self._database = database
        self._lifecycle = lifecycle
        self._wake = wake
        self._retry_s = retry_s

    async def run(self) -> None:
        """Set tags for ever."""
        while True:
            self._wake.clear()
            done = False
            try:
                done = await self._mark_all()
            except HiveError as error:
                _log.info("marks_wait", code=error.code, reason=error.message)
            with suppress(TimeoutError):
                async with asyncio.timeout(None if done else self._retry_s):
                    await self._wake.wait()

    async def _mark_all(self) -> bool:
        while rows := await self._database.read(_first):
            for row in rows:
                await self._lifecycle.mark(
                    MarkCommit(
                        agent=row.agent, approval=row.approval, commit=row.commit,
                        stage=Stage(row.stage),
                    )
                )  # fmt: skip
                await self._database.write(_remove(row.id))
        return True


def _first(connection: Connection) -> Sequence[Row[Any]]:
    return connection.execute(select(marks).order_by(marks.c.id).limit(_PAGE)).all()


def _remove(number: int) -> Callable[[Connection], object]:
    return lambda connection: connection.execute(delete(marks).where(marks.c.id == number))
