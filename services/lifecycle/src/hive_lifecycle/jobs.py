"""The queue of jobs: written down before they are answered, one at a time per agent."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from uuid import uuid4

import msgspec
import structlog
from hivecommon.contracts.base import ErrorDetail
from hivecommon.contracts.jobs import Job, JobState, JobStep
from hivecommon.errors import INTERNAL, HiveError
from hivecommon.names import AgentName

from hive_lifecycle.errors import BuildFailed
from hive_lifecycle.orders import Order, StoredJob, joinable, may_begin, same_command
from hive_lifecycle.runtime import Report
from hive_lifecycle.store import Store

_log = structlog.get_logger()

Work = Callable[[Job, Order, Report], Awaitable[None]]
"""Carries out a job's order; may be done again from the start."""
Announce = Callable[[Job], Awaitable[None]]
"""Tells everybody how a job now is; never raises."""


class JobQueue:
    """Takes orders, runs them, and knows how each went."""

    def __init__(
        self, store: Store, work: Work, announce: Announce, clock: Callable[[], datetime],
        group: asyncio.TaskGroup, *, give_up: Callable[[Order], Awaitable[None]] | None = None,
    ) -> None:  # fmt: skip
        self._give_up = give_up
        self._closing = False
        self._store = store
        self._work = work
        self._announce = announce
        self._clock = clock
        self._group = group
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._ended: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    def known(self, key: str, order: Order) -> Job | None:
        """Return the job that this very command was answered with; it may have ended."""
        stored = self._store.find_key(key)
        return same_command(order, stored).job if stored else None

    def join(self, key: str, order: Order) -> Job | None:
        """Return the active job that wants the same, which is from now on this command's too."""
        stored = joinable(order, self._store.active_jobs())
        if stored is not None:
            self._store.add_key(key, stored.job.id)
        return stored.job if stored else None

    def remember(self, key: str, job: Job) -> None:
        """Let a command be answered with this job from now on."""
        self._store.add_key(key, job.id)

    async def submit(
        self, key: str, order: Order, *, requested_by: str, approval: int | None = None
    ) -> Job:
        """Return the job that carries `order` out: a known one, a joined one, or a new one."""
        if job := self.known(key, order) or self.join(key, order):
            return job
        job = Job(
            id=uuid4().hex[:12], verb=order.verb, agent=order.agent, state=JobState.ACCEPTED,
            requested_by=requested_by, created_at=self._clock(), approval=approval,
        )  # fmt: skip
        stored = self._store.add_job(order, job, key)
        self._group.create_task(self._run_in_turn(stored))
        await self._announce(job)
        return job

    async def resume(self) -> None:
        """Go on with what an earlier lifecycle left: in order, or failed with the reason."""
        for stored in self._store.active_jobs():
            if may_begin(stored):
                _log.info("job_resumed", job=stored.job.id, state=stored.job.state)
                self._group.create_task(self._run_in_turn(stored))
                continue
            reason = ErrorDetail(
                code="interrupted",
                message=f"lifecycle ended in the middle of it {stored.attempts} times",
                hint=f"see `hive logs lifecycle`, then try again: `hive rebuild {stored.job.agent}`",
            )
            self._group.create_task(self._abandon(stored, reason))

    async def _abandon(self, stored: StoredJob, reason: ErrorDetail) -> None:
        async with self._turn(stored.order):
            if self._give_up is not None:
                try:
                    await self._give_up(stored.order)
                except HiveError as error:
                    _log.warning("job_not_undone", job=stored.job.id, reason=error.message)
            await self._end(stored.job, JobState.FAILED, reason)

    @asynccontextmanager
    async def exclusive(self, name: AgentName) -> AsyncIterator[None]:
        """Hold off the jobs of an agent."""
        async with self._locks[name]:
            yield

    @asynccontextmanager
    async def _turn(self, order: Order) -> AsyncIterator[None]:
        """Hold off whatever else works on the agents of an order: a rename has two.

        Begun again after a kill, it may find that the agent has its new name already, and who keeps
        agents running would start it meanwhile. In one order, so that no two wait for each other.
        """
        async with AsyncExitStack() as held:
            for name in sorted({order.agent, order.makes or order.agent}):
                await held.enter_async_context(self._locks[name])
            yield

    async def wait(self, job: str, timeout_s: float) -> Job:
        """Return the job once it has ended, or as it is after `timeout_s`; `unknown_job`."""
        if not (found := self.get(job)).state.ended and not self._closing:
            try:
                async with asyncio.timeout(timeout_s):
                    await self._ended[job].wait()
            except TimeoutError:
                pass
            found = self.get(job)
        return found

    def release(self) -> None:
        """Let all who wait for a job have it as it is: lifecycle ends."""
        self._closing = True
        for ended in self._ended.values():
            ended.set()

    def get(self, job: str) -> Job:
        """Return a job; raise `unknown_job`."""
        stored = self._store.find_job(job)
        if stored is None:
            raise HiveError(
                f"there is no job {job!r}", code="unknown_job", hint="`hive jobs` shows them"
            )
        return stored.job

    async def cancel(self, job: str) -> Job:
        """Cancel a job that waits; raise `too_late` for one that runs or has ended."""
        found = self.get(job)
        if found.state is not JobState.ACCEPTED:
            raise HiveError(
                f"job {job} is {found.state}",
                code="too_late",
                hint="only a job that waits for its turn can be cancelled",
            )
        return await self._end(found, JobState.CANCELLED, None)

    async def _run_in_turn(self, stored: StoredJob) -> None:
        # A lock wakes those who wait in the order in which they came: the jobs of one agent too.
        async with self._turn(stored.order):
            job = self.get(stored.job.id)
            if not job.state.ended:
                await self._run(job, stored.order)

    async def _run(self, job: Job, order: Order) -> None:
        attempt = self._store.count_attempt(job.id)
        progress = _Progress(job, self._save, self._clock)
        await progress.begin(attempt)
        error: ErrorDetail | None = None
        with structlog.contextvars.bound_contextvars(job=job.id, agent=job.agent, verb=job.verb):
            try:
                await self._work(job, order, progress.report)
            except asyncio.CancelledError:
                # lifecycle ends in good order: the job stays as it is and is resumed.
                self._store.uncount_attempt(job.id)
                raise
            except HiveError as failure:
                _log.warning("job_failed", code=failure.code, reason=failure.message)
                if isinstance(failure, BuildFailed):
                    self._store.keep_log(job.id, failure.log)
                error = ErrorDetail(code=failure.code, message=failure.message, hint=failure.hint)
            except Exception:  # noqa: BLE001 - logged with its traceback, told as `internal`
                _log.exception("job_crashed")
                error = ErrorDetail(
                    code=INTERNAL,
                    message="something went wrong inside lifecycle",
                    hint="see `hive logs lifecycle --level error`",
                )
            await self._end(progress.job, JobState.FAILED if error else JobState.DONE, error)

    async def _end(self, job: Job, state: JobState, error: ErrorDetail | None) -> Job:
        ended = msgspec.structs.replace(job, state=state, ended_at=self._clock(), error=error)
        self._store.save_job(ended)
        if (waiting := self._ended.pop(job.id, None)) is not None:
            waiting.set()
        await self._announce(ended)
        _log.info("job_ended", job=job.id, state=state)
        return ended

    async def _save(self, job: Job) -> None:
        self._store.save_job(job)
        await self._announce(job)


class _Progress:
    """One job's steps, written down one by one."""

    def __init__(
        self, job: Job, save: Callable[[Job], Awaitable[None]], clock: Callable[[], datetime]
    ) -> None:
        self.job = job
        self._save = save
        self._clock = clock

    async def begin(self, attempt: int) -> None:
        now = self._clock()
        self.job = msgspec.structs.replace(
            self.job, state=JobState.RUNNING, started_at=self.job.started_at or now
        )
        if attempt > 1:
            await self.report("begun again after lifecycle ended in the middle", changed=False)
        else:
            await self._save(self.job)

    async def report(self, text: str, *, changed: bool = True) -> None:
        """Add a step; see `Report`."""
        step = JobStep(at=self._clock(), text=text, changed=changed)
        self.job = msgspec.structs.replace(self.job, steps=[*self.job.steps, step])
        await self._save(self.job)
