from datetime import UTC, datetime, timedelta

import pytest
from hivecommon.errors import HiveError
from hivectl.times import age, parse_since

NOW = datetime(2026, 11, 22, 18, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("30s", timedelta(seconds=30)),
        ("10m", timedelta(minutes=10)),
        (" 2h ", timedelta(hours=2)),
        ("7d", timedelta(days=7)),
        ("1w", timedelta(weeks=1)),
    ],
)
def test_spans_count_back_from_now(text: str, ago: timedelta) -> None:
    assert parse_since(text, NOW) == NOW - ago


def test_a_date_with_a_zone_is_that_moment() -> None:
    assert parse_since("2026-11-22T18:30:00+02:00", NOW) == datetime(
        2026, 11, 22, 16, 30, tzinfo=UTC
    )


def test_a_span_before_all_time_is_the_beginning_of_time() -> None:
    assert parse_since("999999999w", NOW) == datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "10", "10 minutes", "yesterday", "-5m", "1y", "99:99"])
def test_what_is_no_time_is_refused_with_examples(text: str) -> None:
    with pytest.raises(HiveError, match="no time") as caught:
        parse_since(text, NOW)
    assert caught.value.code == "bad_argument"
    assert "10m" in caught.value.hint


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(-5, "0s"), (0, "0s"), (59, "59s"), (60, "1m"), (7199, "1h"), (90000, "1d")],
)
def test_an_age_has_one_unit(seconds: int, shown: str) -> None:
    assert age(NOW - timedelta(seconds=seconds), NOW) == shown
