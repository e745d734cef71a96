"""Which names and ports are free, and how patience with a crashing agent runs out."""

from datetime import UTC, datetime

import pytest
from hive_lifecycle.agents import (
    Agent,
    check_free,
    check_recipients,
    is_steady,
    restart_delay_s,
)
from hivecommon.contracts.lifecycle import AgentSettings
from hivecommon.errors import HiveError
from hivecommon.names import MANAGER, AgentName

ALICE, UMA, VICTOR = AgentName("alice"), AgentName("uma"), AgentName("victor")


def test_two_names_with_one_port_are_refused_with_both_names_and_the_way_out() -> None:
    with pytest.raises(HiveError) as caught:
        check_free(VICTOR, [ALICE, UMA], {})
    assert caught.value.code == "port_taken"
    assert "'victor'" in caught.value.message
    assert "'uma'" in caught.value.message
    assert "8214" in caught.value.message
    assert "hive rename uma" in caught.value.hint


def test_a_port_of_the_hives_own_is_taken_too() -> None:
    with pytest.raises(HiveError, match=r"8214, which is the dashboard's") as caught:
        check_free(VICTOR, [], {8214: "the dashboard's"})
    assert caught.value.code == "port_taken"


def test_a_name_is_given_once() -> None:
    with pytest.raises(HiveError) as caught:
        check_free(ALICE, [ALICE], {})
    assert caught.value.code == "agent_exists"


def test_a_free_name_is_free() -> None:
    check_free(ALICE, [UMA, MANAGER], {7000: "the dashboard's"})


@pytest.mark.parametrize("recipients", [None, [], ["uma"], ["operator", "not-yet"]])
def test_recipients_may_be_everybody_nobody_or_agents_that_are_still_to_come(
    recipients: list[str] | None,
) -> None:
    check_recipients(AgentSettings(recipients=recipients))


@pytest.mark.parametrize("recipient", ["*", ">", "uma.*", "", "all", "Uma"])
def test_a_recipient_that_is_no_name_is_refused(recipient: str) -> None:
    with pytest.raises(HiveError) as caught:
        check_recipients(AgentSettings(recipients=["uma", recipient]))
    assert caught.value.code in {"bad_name", "reserved_name"}


@pytest.mark.parametrize(
    ("tries", "delay_s"), [(0, 1.0), (1, 2.0), (2, 4.0), (5, 32.0), (6, 60.0), (10_000, 60.0)]
)
def test_each_try_comes_later_up_to_a_maximum(tries: int, delay_s: float) -> None:
    assert restart_delay_s(tries, 60.0) == delay_s


@pytest.mark.parametrize(("ran_s", "steady"), [(0.0, False), (59.9, False), (60.0, True)])
def test_a_minute_makes_an_agent_steady(ran_s: float, *, steady: bool) -> None:
    assert is_steady(ran_s) is steady


def test_the_manager_is_known_by_its_name() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert Agent(name=MANAGER, created_at=now).manager
    assert not Agent(name=ALICE, created_at=now).manager
