"""What becomes of a message after its turn, as a table (the API errors of the CLI)."""

from datetime import UTC, datetime, timedelta

import pytest
from hive_harness.session import LimitSeen, Result
from hive_harness.trouble import (
    Again,
    Answered,
    Code,
    GivenUp,
    Heed,
    Interrupted,
    Obstacle,
    Verdict,
    backoff,
    crashed,
    heed,
    judge,
    spent,
    unix,
)
from hivecommon.contracts.streams import MAX_ATTEMPTS

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
RESET = NOW + timedelta(hours=3)
BEHIND = LimitSeen(rejected=True, resets_at=NOW - timedelta(hours=1), kind="five_hour")
LIMIT = LimitSeen(rejected=True, resets_at=RESET, kind="five_hour")
WARNING = LimitSeen(rejected=False, resets_at=RESET, kind="five_hour")


def after(result: Result, limit: LimitSeen | None = None, *, attempts: int = 1) -> Verdict:
    return judge(result, limit, attempts=attempts, failures=1, now=NOW)


def failed(error: str, status: int | None) -> Result:
    return Result(ok=False, error=error, status=status, words="the API's words")


def test_a_good_result_is_an_answer_and_an_aborted_one_an_interrupt() -> None:
    assert after(Result(ok=True)) == Answered()
    assert after(Result(ok=False, aborted=True)) == Interrupted()


@pytest.mark.parametrize(
    ("result", "limit", "code", "retry_at"),
    [
        (failed("rate_limit", 429), LIMIT, Code.RATE_LIMITED, RESET),
        (failed("rate_limit", 429), BEHIND, Code.RATE_LIMITED, NOW + timedelta(seconds=1)),
        (failed("rate_limit", 429), None, Code.RATE_LIMITED, NOW + backoff(1)),
        (failed("rate_limit", 429), WARNING, Code.RATE_LIMITED, NOW + backoff(1)),
        (failed("server_error", 529), None, Code.OVERLOADED, NOW + backoff(1)),
        (failed("server_error", 500), None, Code.API_ERROR, NOW + backoff(1)),
        (failed("unknown", None), None, Code.API_ERROR, NOW + backoff(1)),
        (failed("authentication_failed", 401), None, Code.NEEDS_LOGIN, None),
        (failed("authentication_failed", 403), None, Code.NEEDS_LOGIN, None),
        (failed("billing_error", 400), None, Code.CREDIT, NOW + timedelta(minutes=10)),
        (failed("model_not_found", 404), None, Code.UNKNOWN_MODEL, NOW + timedelta(minutes=10)),
    ],
)
def test_an_api_error_keeps_the_message(
    result: Result, limit: LimitSeen | None, code: Code, retry_at: datetime | None
) -> None:
    verdict = after(result, limit, attempts=MAX_ATTEMPTS - 1)
    assert isinstance(verdict, Again)
    assert (verdict.obstacle.code, verdict.obstacle.retry_at) == (code, retry_at)
    assert "the API's words" in verdict.obstacle.text


@pytest.mark.parametrize("error", ["rate_limit", "authentication_failed", "billing_error"])
def test_what_is_no_fault_of_the_message_never_gives_it_up(error: str) -> None:
    assert isinstance(after(failed(error, None), attempts=99), Again)


def test_a_message_that_the_api_refuses_or_that_keeps_failing_is_given_up() -> None:
    refused = after(failed("invalid_request", 400))
    assert isinstance(refused, Again)
    assert refused.in_new_conversation
    assert refused.obstacle.retry_at == NOW
    assert after(failed("invalid_request", 400), attempts=2) == GivenUp("the API's words")
    assert after(failed("server_error", 500), attempts=MAX_ATTEMPTS) == GivenUp("the API's words")


def test_a_crash_is_tried_again_at_once_then_slower_and_given_up_in_the_end() -> None:
    first, second = (crashed("x", attempts=n, failures=n, now=NOW) for n in (1, 2))
    assert isinstance(first, Again)
    assert isinstance(second, Again)
    assert first.obstacle.retry_at == NOW
    assert second.obstacle.retry_at == NOW + backoff(1)
    assert isinstance(crashed("x", attempts=MAX_ATTEMPTS, failures=1, now=NOW), GivenUp)


def test_waits_double_from_15_s_to_10_min() -> None:
    waits = [backoff(failures).total_seconds() for failures in (0, 1, 2, 3, 6, 7, 1000)]
    assert waits == [15, 15, 30, 60, 480, 600, 600]


def test_a_nonsensical_time_is_no_time() -> None:
    assert unix(None) is None
    assert unix(1e30) is None
    assert unix(0) == datetime(1970, 1, 1, tzinfo=UTC)


def test_a_cap_holds_until_the_next_day_begins() -> None:
    assert spent(99.0, None, NOW) is None
    assert spent(0.99, 1.0, NOW) is None
    reached = spent(1.0, 1.0, NOW)
    assert reached is not None
    assert (reached.code, reached.retry_at) == (Code.SPEND_CAP, datetime(2026, 11, 23, tzinfo=UTC))


CAPPED = Obstacle(Code.SPEND_CAP, "cost 1", datetime(2026, 11, 23, tzinfo=UTC))
HIGHER = Obstacle(Code.SPEND_CAP, "cost 2", datetime(2026, 11, 23, tzinfo=UTC))
LATER = Obstacle(Code.OVERLOADED, "busy", NOW + timedelta(minutes=1))
DUE = Obstacle(Code.OVERLOADED, "busy", NOW)
LOST = Obstacle(Code.NEEDS_LOGIN, "log in")


@pytest.mark.parametrize(
    ("obstacle", "reached", "follows"),
    [
        (None, None, Heed.NOTHING),
        (None, CAPPED, Heed.STOP),
        (CAPPED, CAPPED, Heed.NOTHING),
        (CAPPED, HIGHER, Heed.STOP),  # another cap, reached as well
        (CAPPED, None, Heed.GO_ON),  # another day, or a higher cap
        (LATER, CAPPED, Heed.NOTHING),
        (LATER, None, Heed.NOTHING),
        (DUE, CAPPED, Heed.STOP),  # its next try is one too many
        (LOST, CAPPED, Heed.NOTHING),
    ],
)
def test_a_cap_stops_an_agent_and_lets_it_go_on_by_itself(
    obstacle: Obstacle | None, reached: Obstacle | None, follows: Heed
) -> None:
    assert heed(obstacle, reached, NOW) is follows
