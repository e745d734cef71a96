"""Jobs: lifecycle's long operations, answered at once and followed by id."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar

import msgspec

from hivecommon.contracts.base import ErrorDetail, Reply, Request

JobId = Annotated[str, msgspec.Meta(pattern=r"\A[a-z0-9-]{1,64}\Z")]


class JobState(StrEnum):
    """A job goes from accepted to running to one of the three ends."""

    ACCEPTED = "accepted"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more."""
        return self in {JobState.DONE, JobState.FAILED, JobState.CANCELLED}


class JobStep(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a job, as progress for a human."""

    at: datetime
    text: str
    changed: bool = False
    """Whether the step altered something, or found it as it should be."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A long operation on one agent."""

    id: JobId
    verb: str
    agent: str
    state: JobState
    requested_by: str
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    steps: list[JobStep] = msgspec.field(default_factory=list)
    error: ErrorDetail | None = None
    approval: int | None = None


class JobAccepted(Reply, frozen=True, kw_only=True):
    """The answer of every slow verb: the job to follow, which may be one that already ran."""

    job: JobId
    state: JobState
    agent: str
    verb: str


class JobReply(Reply, frozen=True, kw_only=True):
    """One job."""

    job: Job


class JobsReply(Reply, frozen=True, kw_only=True):
    """Jobs, the newest first."""

    jobs: list[Job]


class GetJob(Request[JobReply], frozen=True, kw_only=True):
    """Ask for a job."""

    subject: ClassVar[str] = "hive.job.get"
    bare: ClassVar[str | None] = "job"
    job: JobId


class WaitJob(Request[JobReply], frozen=True, kw_only=True):
    """Wait until a job ends, at most `timeout_s`; the answer is the job as it then is."""

    subject: ClassVar[str] = "hive.job.wait"
    bare: ClassVar[str | None] = "job"
    job: JobId
    # natscli gives up after 5 s, so that a bare `nats req hive.job.wait ID` still gets its answer.
    timeout_s: Annotated[float, msgspec.Meta(ge=0, le=60)] = 4.0


class ListJobs(Request[JobsReply], frozen=True, kw_only=True):
    """List jobs, the newest first."""

    subject: ClassVar[str] = "hive.job.list"
    bare: ClassVar[str | None] = "agent"
    agent: str | None = None
    active: bool = False
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 50


class CancelJob(Request[JobReply], frozen=True, kw_only=True):
    """Cancel a job that has not started; a running one is refused with `too_late`."""

    subject: ClassVar[str] = "hive.job.cancel"
    bare: ClassVar[str | None] = "job"
    job: JobId
