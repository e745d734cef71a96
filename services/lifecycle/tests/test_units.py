"""What systemd says of container@ units, and what that means for an agent."""

from datetime import UTC, datetime

import pytest
from hive_lifecycle.units import (
    UnitState,
    changed,
    container_state,
    note,
    parse_show,
    unit_name,
)
from hivecommon.contracts.roster import ContainerState

# As systemd 252 prints it for `systemctl show --timestamp=us+utc --property … 'container@*'`.
SHOWN = """Id=container@h-alice.service
ActiveState=active
SubState=running
Result=success
NRestarts=2
InvocationID=0123456789abcdef0123456789abcdef
ExecMainStatus=0
StateChangeTimestamp=Sun 2026-11-22 20:41:11.648086 UTC
ActiveEnterTimestamp=Sun 2026-11-22 20:41:11.648086 UTC

Id=container@hm1nd.service
ActiveState=failed
SubState=failed
Result=start-limit-hit
NRestarts=0
InvocationID=
ExecMainStatus=1
StateChangeTimestamp=n/a
ActiveEnterTimestamp=

Id=nginx.service
ActiveState=active
"""


def test_units_are_read_from_what_systemctl_shows() -> None:
    moment = datetime(2026, 11, 22, 20, 41, 11, 648086, tzinfo=UTC)
    assert parse_show(SHOWN) == [
        UnitState(
            "h-alice", "active", "running", "success", 2, "0123456789abcdef0123456789abcdef", 0,
            moment, moment,
        ),
        UnitState("hm1nd", "failed", "failed", "start-limit-hit", exit_status=1),
    ]  # fmt: skip
    assert parse_show("") == []
    assert unit_name("h-alice") == "container@h-alice.service"


@pytest.mark.parametrize(
    ("active", "state"),
    [
        ("active", ContainerState.RUNNING),
        ("reloading", ContainerState.RUNNING),
        ("activating", ContainerState.STARTING),
        ("deactivating", ContainerState.STOPPING),
        ("inactive", ContainerState.STOPPED),
        ("failed", ContainerState.FAILED),
        ("maintenance", ContainerState.STOPPED),
    ],
)
def test_a_reloading_container_runs_whatever_nixos_container_says(
    active: str, state: ContainerState
) -> None:
    assert container_state(UnitState("h-alice", active)) is state


GAVE_UP = UnitState("x", "failed", result="start-limit-hit")
NOT_READY = UnitState("x", "failed", result="timeout")
TOO_LARGE = UnitState("x", "failed", result="oom-kill")
TRIED = UnitState("x", "failed", result="exit-code", restarts=5, exit_status=1)
ENDED = UnitState("x", "failed", result="exit-code", exit_status=133)
BETWEEN = UnitState("x", "activating", "auto-restart", "signal")


@pytest.mark.parametrize(
    ("unit", "words"),
    [
        (UnitState("x", "active"), ""),
        (UnitState("x"), ""),
        (UnitState("x", "active", restarts=1), "systemd started it again once after it had ended"),
        (
            UnitState("x", "active", restarts=3),
            "systemd started it again 3 times after it had ended",
        ),
        (GAVE_UP, "it failed five times in ten seconds, and systemd gave up"),
        (TRIED, "it ended with status 1; systemd tried 5 times and gave up"),
        (NOT_READY, "it did not get ready in time"),
        (TOO_LARGE, "it used more memory than it may, and the kernel killed it"),
        (ENDED, "it ended with status 133"),
        (BETWEEN, "its nspawn was killed; systemd tries again"),
    ],
)
def test_the_note_says_why(unit: UnitState, words: str) -> None:
    assert note(unit) == words


def test_what_is_not_listed_any_more_has_changed_too() -> None:
    alice, bob = UnitState("h-alice", "active"), UnitState("h-bob", "active")
    again = UnitState("h-alice", "active", invocation="other")
    assert changed([], [alice]) == {"h-alice"}
    assert changed([alice, bob], [alice]) == {"h-bob"}
    assert changed([alice, bob], [bob, again]) == {"h-alice"}
    assert changed([alice], [alice]) == set()
