"""What an agent may use of the host's processor and memory."""

from datetime import timedelta

import pytest
from hive_lifecycle.limits import Limits, parse_limits, read_limits, render_dropin
from hivecommon.errors import HiveError


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("", Limits()),
        ('persona = "x"\n', Limits()),
        ('[limits]\nmemory = "2G"\n', Limits(memory="2G")),
        ('[limits]\ncpu = "150%"\nmemory = "268435456"\n', Limits("268435456", "150%")),
    ],
)
def test_limits_stand_in_a_table_of_agent_toml(text: str, limits: Limits) -> None:
    assert read_limits(text) == limits


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[limits\n", "is no TOML"),
        ("limits = 3\n", "is no table"),
        ('[limits]\nmem = "2G"\n', "mem is unknown"),
        ('[limits]\nmemory = "2 GB"\n', "'2 GB' is no size"),
        ("[limits]\nmemory = 2000\n", "2000 is no size"),
        ('[limits]\nmemory = "2G\\nExecStart=/bin/evil"\n', "is no size"),
        ('[limits]\nmemory = "64M"\n', "is less than an agent needs"),
        ('[limits]\ncpu = "2"\n', "'2' is no share"),
        ('[limits]\ncpu = "0%"\n', "'0%' is no share"),
    ],
)
def test_what_is_no_limit_is_refused_with_the_value_and_an_example(text: str, words: str) -> None:
    with pytest.raises(HiveError) as caught:
        read_limits(text)
    assert words in caught.value.message
    assert caught.value.code == "bad_limits"
    assert "[limits]" in caught.value.hint


def test_an_agents_own_limits_win_over_the_hives() -> None:
    hives = parse_limits({"memory": "4G", "cpu": "200%"}, "the environment")
    assert Limits(memory="1G").or_else(hives) == Limits("1G", "200%")


def test_the_drop_in_holds_limits_and_the_time_to_start() -> None:
    text = render_dropin(Limits("2G", "150%"), timedelta(minutes=5))
    assert text.splitlines()[1:] == [
        "[Service]", "TimeoutStartSec=300", "MemoryMax=2G", "MemorySwapMax=0", "CPUQuota=150%",
    ]  # fmt: skip
    assert "Memory" not in render_dropin(Limits(), timedelta(seconds=90))
