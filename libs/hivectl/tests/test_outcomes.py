import pytest
from hivecommon.errors import HiveError, Unavailable
from hivectl.outcomes import Outcome, exit_status


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("bad_name", Outcome.MISUSED),
        ("reserved_name", Outcome.MISUSED),
        ("bad_request", Outcome.MISUSED),
        ("already_decided", Outcome.REFUSED),
        ("refused", Outcome.REFUSED),
        ("denied", Outcome.REFUSED),
        ("changed", Outcome.REFUSED),
        ("port_taken", Outcome.REFUSED),
        ("unknown_agent", Outcome.FAILED),
        ("job_failed", Outcome.FAILED),
        ("internal", Outcome.FAILED),
        ("a_code_of_tomorrow", Outcome.FAILED),
    ],
)
def test_codes_have_exit_statuses(code: str, outcome: Outcome) -> None:
    assert exit_status(HiveError("x", code=code)) is outcome


def test_an_absent_service_is_a_failure() -> None:
    assert exit_status(Unavailable("x")) == 1
