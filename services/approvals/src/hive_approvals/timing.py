"""When a schedule is due, decided purely; daylight saving as cron(8) of Debian does it."""

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError
from hivecommon.contracts.schedules import Timing
from hivecommon.errors import HiveError

_FIELDS: Final = 5
LATE: Final = timedelta(minutes=5)
"""From then on a prompt says when it was due."""


def zone_of(name: str) -> ZoneInfo:
    """Return a time zone; raise `bad_schedule` for a name that is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise HiveError(
            f"{name!r} is no time zone", code="bad_schedule",
            hint="give a name like Europe/Berlin or UTC",
        ) from error  # fmt: skip


def check(timing: Timing, local_zone: str) -> Timing:
    """Return `timing` with its zone named; raise `bad_schedule` when it can never be due."""
    if (timing.cron is None) == (timing.once is None):
        raise HiveError(
            "a schedule needs either `cron` or `once`", code="bad_schedule",
            hint='for example cron "0 9 * * 1-5", or once "2026-12-24T18:00"',
        )  # fmt: skip
    named = Timing(cron=timing.cron, once=timing.once, zone=timing.zone or local_zone)
    zone_of(named.zone)
    if following(named, datetime(2000, 1, 1, tzinfo=UTC)) is None:
        raise HiveError(
            f"{timing.cron or timing.once!r} never comes", code="bad_schedule",
            hint="check day and month",
        )  # fmt: skip
    return named


def following(timing: Timing, after: datetime) -> datetime | None:
    """Return the first moment after `after` at which `timing` is due, in UTC.

    A local time that a change to summer time leaves out comes right after the gap; one that occurs
    twice counts once.
    """
    zone = zone_of(timing.zone)
    if timing.once is not None:
        try:
            local = datetime.fromisoformat(timing.once).replace(tzinfo=zone)
        except ValueError as error:
            raise HiveError(
                f"{timing.once!r} is no date and time: {error}", code="bad_schedule",
                hint="write it like 2026-12-24T18:00",
            ) from error  # fmt: skip
        moment = local.astimezone(UTC)
        return moment if moment > after else None
    expression = timing.cron or ""
    if len(expression.split()) != _FIELDS:
        raise _bad_cron(expression, "it has not five fields")
    try:
        return next(CronSim(expression, after.astimezone(zone))).astimezone(UTC)
    except StopIteration:
        return None
    except CronSimError as error:
        raise _bad_cron(expression, str(error)) from error


def _bad_cron(expression: str, why: str) -> HiveError:
    return HiveError(
        f"{expression!r} is no cron expression: {why}", code="bad_schedule",
        hint='minute hour day month weekday, for example "0 9 * * 1-5"; see crontab(5)',
    )  # fmt: skip
