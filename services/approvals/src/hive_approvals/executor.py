"""Carries out what is approved, exactly once, whoever is killed meanwhile.

The truth is the row and lifecycle's job with the approval's number as its key: whatever was lost
between the two is asked for again, and asking again joins the same job.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

import structlog
from hivecommon.contracts.approvals import Approval, ApprovalKind, ApprovalState
from hivecommon.contracts.jobs import Job, JobState
from hivecommon.errors import INTERNAL, HiveError, Unavailable
from sqlalchemy import Connection

from hive_approvals.kinds.kind import Kind, Parts
from hive_approvals.policy import Event

# Refusals that say nothing about the change itself: ask again later.
_PASSING: Final = frozenset({"unavailable", "busy", "expired", "bad_reply", INTERNAL})
_WAITS: Final = "waits for lifecycle: "

_log = structlog.get_logger()


class Executor:
    """Takes each approved change to its end."""

    def __init__(
        self, parts: Parts, kinds: Mapping[ApprovalKind, Kind], *,
        wake: asyncio.Event, follow_s: float,
    ) -> None:  # fmt: skip
        self._parts = parts
        self._store = parts.store
        self._lifecycle = parts.lifecycle
        self._kinds = kinds
        self._wake = wake
        self._follow_s = follow_s

    async def run(self) -> None:
        """Carry out what is approved, for ever."""
        while True:
            self._wake.clear()
            try:
                unfinished = await self._pass()
            except HiveError as error:
                unfinished = True
                _log.error("executor_failed", code=error.code, reason=error.message)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._follow_s if unfinished else None):
                    await self._wake.wait()

    async def _pass(self) -> bool:
        """Take every unfinished approval one step on; return whether any was there."""
        unfinished = await self._store.unfinished()
        away: HiveError | None = None
        for approval in unfinished:
            if away is None:
                away = await self._step(approval)
            else:
                await self._store.annotate(approval, _WAITS + away.message)
        return bool(unfinished)

    async def _step(self, approval: Approval) -> HiveError | None:
        """Take `approval` on; return the error when lifecycle is away, so that others need not wait."""
        try:
            if approval.state is ApprovalState.APPROVED:
                await self._begin(approval)
            else:
                await self._follow(approval)
        except HiveError as error:
            if error.code in _PASSING:
                await self._store.annotate(approval, _WAITS + error.message)
                return error if isinstance(error, Unavailable) else None
            await self._fail(approval, error)
        return None

    async def _begin(self, approval: Approval) -> None:
        kind = self._kinds[approval.kind]
        if kind.command is None:
            await self._settle(approval, kind)
            return
        job = await self._lifecycle.execute(kind.command(approval))
        begun = await self._store.advance(approval, Event.BEGIN, job=job)
        if begun is not None:
            _log.info("approval_executing", approval=approval.id, job=job)
            await self._step(begun)

    async def _settle(self, approval: Approval, kind: Kind) -> None:
        def settle(connection: Connection, moved: Approval) -> None:
            if kind.settle is not None:
                kind.settle(self._parts, connection, moved)

        await self._store.advance(approval, Event.SETTLE, settle=settle)
        _log.info("approval_done", approval=approval.id)

    async def _follow(self, approval: Approval) -> None:
        try:
            job = await self._lifecycle.job(approval.id)
        except HiveError as error:
            if error.code != "unknown_job":
                raise
            # Begun once already: beginning again could do it twice.
            await self._fail(approval, _lost(approval))
            return
        if job.state is JobState.DONE:
            await self._store.advance(approval, Event.FINISH)
            _log.info("approval_done", approval=approval.id, job=job.id)
        elif job.state.ended:
            await self._fail(approval, _failure(job))
        else:
            await self._store.annotate(approval, "")

    async def _fail(self, approval: Approval, error: HiveError) -> None:
        note = f"{error.message} ({error.hint})" if error.hint else error.message
        await self._store.advance(approval, Event.FAIL, note=note)
        _log.warning("approval_failed", approval=approval.id, code=error.code)


def _failure(job: Job) -> HiveError:
    if job.error is not None:
        return HiveError(job.error.message, code=job.error.code, hint=job.error.hint)
    return HiveError(f"job {job.id} was {job.state}", code=f"job_{job.state}")


def _lost(approval: Approval) -> HiveError:
    return HiveError(
        f"lifecycle knows nothing of job {approval.job} any more",
        code="unknown_job",
        hint=f"see how {approval.agent} is, then ask again",
    )
