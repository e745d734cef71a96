"""When schedules are due: every odd night of Berlin, and what can never be."""

from datetime import UTC, datetime

import pytest
from hive_approvals.timing import check, following
from hivecommon.contracts.schedules import Timing
from hivecommon.errors import HiveError

BERLIN = "Europe/Berlin"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("timing", "after", "expected"),
    [
        # an ordinary winter's and summer's day
        (Timing(cron="0 9 * * *", zone=BERLIN), "2026-01-10T12:00", "2026-01-11T08:00"),
        (Timing(cron="0 9 * * *", zone=BERLIN), "2026-07-10T12:00", "2026-07-11T07:00"),
        # across both changes it stays 9 o'clock
        (Timing(cron="0 9 * * *", zone=BERLIN), "2026-03-28T12:00", "2026-03-29T07:00"),
        (Timing(cron="0 9 * * *", zone=BERLIN), "2026-10-24T12:00", "2026-10-25T08:00"),
        # 2:30 is left out on the 29th of March: right after the gap
        (Timing(cron="30 2 * * *", zone=BERLIN), "2026-03-28T12:00", "2026-03-29T01:00"),
        # 2:30 comes twice on the 25th of October: once
        (Timing(cron="30 2 * * *", zone=BERLIN), "2026-10-24T12:00", "2026-10-25T00:30"),
        (Timing(cron="30 2 * * *", zone=BERLIN), "2026-10-25T00:30", "2026-10-26T01:30"),
        (Timing(cron="0 9 * * 1-5", zone="UTC"), "2026-11-20T10:00", "2026-11-23T09:00"),
        (Timing(cron="0 0 29 2 *", zone="UTC"), "2026-01-01T00:00", "2028-02-29T00:00"),
        (Timing(once="2026-12-24T18:00", zone=BERLIN), "2026-01-01T00:00", "2026-12-24T17:00"),
        (Timing(once="2026-03-29T02:30", zone=BERLIN), "2026-01-01T00:00", "2026-03-29T01:30"),
    ],
)
def test_the_next_moment(timing: Timing, after: str, expected: str) -> None:
    assert following(timing, utc(after)) == utc(expected)


def test_what_is_over_has_no_next_moment() -> None:
    over = Timing(once="2026-01-01T00:00", zone="UTC")
    assert following(over, utc("2026-01-01T00:00")) is None


def test_the_hosts_zone_is_taken_where_none_is_named() -> None:
    assert check(Timing(cron="0 9 * * *"), BERLIN).zone == BERLIN


@pytest.mark.parametrize(
    ("timing", "word"),
    [
        (Timing(), "either"),
        (Timing(cron="0 9 * * *", once="2026-12-24T18:00"), "either"),
        (Timing(cron="0 25 * * *"), "Bad hour"),
        (Timing(cron="* * * * * *"), "five fields"),
        (Timing(cron="0 0 31 2 *"), "no cron"),
        (Timing(once="2026-02-30T10:00"), "no date"),
        (Timing(cron="0 9 * * *", zone="Mars/Olympus"), "no time zone"),
        (Timing(cron="0 9 * * *", zone="../../etc/passwd"), "no time zone"),
        (Timing(cron="0 9 * * *", zone="/etc/passwd"), "no time zone"),
    ],
)
def test_what_can_never_be_due_is_refused(timing: Timing, word: str) -> None:
    with pytest.raises(HiveError) as caught:
        check(timing, "UTC")
    assert caught.value.code == "bad_schedule"
    assert word in caught.value.message
