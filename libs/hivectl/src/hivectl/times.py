"""Points in time as operators write them, and as they read them."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from hivecommon.errors import HiveError

_SPAN: Final = re.compile(r"\A(\d{1,9})([smhdw])\Z")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def parse_since(text: str, now: datetime) -> datetime:
    """Return the moment that `10m`, `2h`, `3d` ago or an ISO date and time mean.

    A time without a zone is local. Raises `bad_argument`.
    """
    if found := _SPAN.match(text.strip()):
        seconds = int(found[1]) * _UNITS[found[2]]
        try:
            return now - timedelta(seconds=seconds)
        except OverflowError:
            return datetime(1970, 1, 1, tzinfo=UTC)
    try:
        return datetime.fromisoformat(text.strip()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise HiveError(
            f"{text!r} is no time",
            code="bad_argument",
            hint="write 30s, 10m, 2h, 7d, or a date and time like 2026-11-22T18:00",
        ) from error


def clock(moment: datetime) -> str:
    """Return the local time of day, to the millisecond."""
    return moment.astimezone().strftime("%H:%M:%S.%f")[:-3]


def date_and_time(moment: datetime) -> str:
    """Return the local date and time, to the second."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def age(moment: datetime, now: datetime) -> str:
    """Return how long ago `moment` was, in the largest unit that fits: `4m`."""
    seconds = max(0, int((now - moment).total_seconds()))
    for size, unit in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
