"""Following a job to its end, also across a restart of lifecycle in the middle."""

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec
from hivecommon.bus import Bus
from hivecommon.contracts.base import fill
from hivecommon.contracts.events import HiveEvent, JobChanged
from hivecommon.contracts.jobs import GetJob, Job, JobAccepted, JobState, JobStep
from hivecommon.errors import HiveError, Unavailable
from nats.aio.msg import Msg

from hivectl.shell import Shell

POLL_S: Final = 1.0
"""Events tell at once; asking makes up for those that were lost in an outage."""
AWAY_S: Final = 60.0
"""How long lifecycle may be away before following is given up; the job goes on without us."""


class JobFollower:
    """Waits for one job and tells its steps, each once."""

    def __init__(self, bus: Bus, job: str, told: Callable[[JobStep], None]) -> None:
        self._bus = bus
        self._job = job
        self._told = told
        self._steps = 0
        self._latest: Job | None = None
        self._wake = asyncio.Event()

    async def to_its_end(self, *, away: Callable[[], None], away_s: float = AWAY_S) -> Job:
        """Return the job once it has ended.

        `away` is called once when nobody answers; after `away_s` of that raises `Unavailable`.
        """
        events = await self._bus.subscribe(
            fill(HiveEvent.subject, service="job", kind=self._job), self._heard
        )
        try:
            silent_since: float | None = None
            while True:
                try:
                    self._take((await self._bus.request(GetJob(job=self._job))).job)
                    silent_since = None
                except Unavailable:
                    now = asyncio.get_running_loop().time()
                    if silent_since is None:
                        silent_since = now
                        away()
                    if now - silent_since > away_s:
                        raise
                if self._latest is not None and self._latest.state.ended:
                    return self._latest
                await self._woken()
        finally:
            await events.unsubscribe()

    async def _woken(self) -> None:
        try:
            async with asyncio.timeout(POLL_S):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()

    async def _heard(self, msg: Msg) -> None:
        event = msgspec.json.decode(msg.data, type=HiveEvent)
        if isinstance(event.body, JobChanged):
            self._take(event.body.job)
            self._wake.set()

    def _take(self, job: Job) -> None:
        if self._latest is not None and self._latest.state.ended:
            return
        self._latest = job
        for step in job.steps[self._steps :]:
            self._told(step)
        self._steps = max(self._steps, len(job.steps))


def announce(shell: Shell, accepted: JobAccepted) -> None:
    """Tell which job was begun, for whoever does not wait for it."""
    if shell.terminal.as_json:
        shell.terminal.json(accepted)
    else:
        shell.terminal.line(
            f"{accepted.verb} {accepted.agent}: {accepted.state}, job {accepted.job}"
        )


async def follow(shell: Shell, bus: Bus, accepted: JobAccepted) -> None:
    """Tell a job's progress and its end; raise `job_failed` when it did not succeed."""
    terminal = shell.terminal

    def told(step: JobStep) -> None:
        terminal.note(f"  {step.text}")

    def away() -> None:
        terminal.note("  lifecycle does not answer; its jobs are kept, so this waits for it")

    job = await JobFollower(bus, accepted.job, told).to_its_end(away=away)
    if terminal.as_json:
        terminal.json({"ok": job.state is JobState.DONE, "job": job})
    report_end(shell, job)


def report_end(shell: Shell, job: Job) -> None:
    """Say in a line that a job is done; raise `job_failed` with its reason when it is not."""
    what = f"{job.verb} {job.agent}"
    if job.state is not JobState.DONE:
        reason = job.error.message if job.error else f"the job was {job.state}"
        hint = job.error.hint if job.error else ""
        raise HiveError(f"{what}: {reason}", code="job_failed", hint=hint)
    if not shell.terminal.as_json:
        shell.terminal.line(f"{what}: done", style="green")
