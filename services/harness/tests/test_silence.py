"""How long nothing has come, on a clock of the test's."""

from hive_harness.session import Called, Retrying, Returned, Said
from hive_harness.silence import Silence


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_every_sign_of_life_begins_it_anew() -> None:
    clock = Clock()
    silence = Silence(10, clock)
    clock.now_s += 9
    assert silence.left_s == 1
    silence.heard()
    silence.take(Said("x"))
    assert silence.left_s == 10
    clock.now_s += 11
    assert silence.left_s == 0


def test_it_does_not_count_while_a_tool_runs() -> None:
    clock = Clock()
    silence = Silence(10, clock)
    silence.take(Called("a", "Bash", {}))
    silence.take(Called("b", "Bash", {}))
    silence.take(Returned("a", "", is_error=False))
    clock.now_s += 1000
    assert silence.left_s == 10
    silence.heard()
    silence.take(Returned("b", "", is_error=False))
    clock.now_s += 4
    assert silence.left_s == 6


def test_it_does_not_count_while_the_cli_waits_to_ask_again() -> None:
    clock = Clock()
    silence = Silence(10, clock)
    silence.take(Retrying(429, "rate_limit", delay_s=60, attempt=1))
    clock.now_s += 30
    silence.heard()
    assert silence.left_s == 40
    clock.now_s += 40
    assert silence.left_s == 0
