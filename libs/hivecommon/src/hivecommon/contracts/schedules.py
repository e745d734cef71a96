"""Prompts at set times, sent to an agent's inbox by `schedule`."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar

import msgspec

from hivecommon.contracts.base import AgentRequest, Reply, Request

ScheduleId = Annotated[int, msgspec.Meta(ge=1, le=2**53)]
Prompt = Annotated[str, msgspec.Meta(min_length=1, max_length=20_000)]
CronText = Annotated[str, msgspec.Meta(min_length=9, max_length=100)]
LocalTime = Annotated[
    str, msgspec.Meta(pattern=r"\A\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2})?\Z", max_length=19)
]
Zone = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9+_/-]{0,64}\Z")]


class ScheduleState(StrEnum):
    """Whether it fires."""

    ACTIVE = "active"
    PAUSED = "paused"
    ENDED = "ended"
    """It was for once, and it was sent."""
    DELETED = "deleted"


class Timing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When: either `cron` or `once`, as clocks in `zone` show it."""

    cron: CronText | None = None
    """Five fields: minute, hour, day, month, weekday; crontab(5)."""
    once: LocalTime | None = None
    """E.g. `2026-12-24T18:00`."""
    zone: Zone = ""
    """A name of the IANA time zone database; empty: that of the hive's host."""


class SchedulePlan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an agent asks to have scheduled."""

    prompt: Prompt
    timing: Timing


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """One schedule."""

    id: ScheduleId
    agent: str
    prompt: str
    cron: str | None = None
    once: str | None = None
    zone: str
    state: ScheduleState
    created_by: str
    created_at: datetime
    next_at: datetime | None = None
    last_at: datetime | None = None
    fired: int = 0


class ScheduleReply(Reply, frozen=True, kw_only=True):
    """One schedule."""

    schedule: Schedule


class SchedulesReply(Reply, frozen=True, kw_only=True):
    """Schedules that are not deleted, the next one first."""

    schedules: list[Schedule]


class Remind(Request[ScheduleReply], frozen=True, kw_only=True):
    """An agent has a prompt sent to itself at set times, or once `after_s` from now.

    That needs no approval: it changes nothing but when the agent works. What was missed while the
    hive was away is sent once.
    """

    subject: ClassVar[str] = "req.{caller}.remind"
    prompt: Prompt
    timing: Timing | None = None
    after_s: Annotated[float, msgspec.Meta(ge=1, le=366 * 86400)] | None = None


class CancelReminder(Request[ScheduleReply], frozen=True, kw_only=True):
    """An agent removes a reminder that it made itself."""

    subject: ClassVar[str] = "req.{caller}.cancel_reminder"
    id: ScheduleId


class ListSchedules(Request[SchedulesReply], frozen=True, kw_only=True):
    """List schedules, all or those of one agent."""

    subject: ClassVar[str] = "hive.schedules.list"
    bare: ClassVar[str | None] = "agent"
    agent: str | None = None


class CreateSchedule(AgentRequest[ScheduleReply], frozen=True, kw_only=True):
    """Send an agent a prompt at set times."""

    subject: ClassVar[str] = "hive.schedules.create"
    bare: ClassVar[str | None] = None
    prompt: Prompt
    timing: Timing


class EditSchedule(Request[ScheduleReply], frozen=True, kw_only=True):
    """Change a schedule; what is left out stays."""

    subject: ClassVar[str] = "hive.schedules.edit"
    id: ScheduleId
    prompt: Prompt | None = None
    timing: Timing | None = None


class PauseSchedule(Request[ScheduleReply], frozen=True, kw_only=True):
    """Let it rest: what falls due meanwhile is not sent later."""

    subject: ClassVar[str] = "hive.schedules.pause"
    bare: ClassVar[str | None] = "id"
    id: ScheduleId


class ResumeSchedule(Request[ScheduleReply], frozen=True, kw_only=True):
    """Let it go on, from now."""

    subject: ClassVar[str] = "hive.schedules.resume"
    bare: ClassVar[str | None] = "id"
    id: ScheduleId


class FireSchedule(Request[ScheduleReply], frozen=True, kw_only=True):
    """Send its prompt now, besides its times."""

    subject: ClassVar[str] = "hive.schedules.fire"
    bare: ClassVar[str | None] = "id"
    id: ScheduleId


class DeleteSchedule(Request[ScheduleReply], frozen=True, kw_only=True):
    """Remove it; it stays on record."""

    subject: ClassVar[str] = "hive.schedules.delete"
    bare: ClassVar[str | None] = "id"
    id: ScheduleId
