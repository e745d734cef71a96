"""A row of the roster: what is observed merged with what a harness, which may lie, says of itself."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hive_lifecycle.agents import Agent
from hive_lifecycle.roster import bounded, merge
from hive_lifecycle.runtime import Observation
from hivecommon.contracts.roster import Activity, ContainerState, HarnessStatus
from hivecommon.names import MANAGER, AgentName

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ALICE = Agent(name=AgentName("alice"), created_at=NOW)
RUNNING = Observation(ContainerState.RUNNING, NOW, sandboxed=True, pid=7)
WORKING = HarnessStatus(
    activity=Activity.WORKING, current_tool="Bash", model="opus", needs_login=True, since=NOW
)
EARLIER, LATER = NOW - timedelta(seconds=1), NOW + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("state", "said_at", "activity", "tool"),
    [
        (ContainerState.RUNNING, LATER, Activity.WORKING, "Bash"),
        (ContainerState.RUNNING, EARLIER, Activity.STARTING, ""),
        (ContainerState.RUNNING, None, Activity.STARTING, ""),
        (ContainerState.STARTING, LATER, Activity.AWAY, ""),
        (ContainerState.STOPPED, LATER, Activity.AWAY, ""),
        (ContainerState.FAILED, LATER, Activity.AWAY, ""),
    ],
)
def test_what_a_harness_said_counts_only_since_it_last_started(
    state: ContainerState, said_at: datetime | None, activity: Activity, tool: str
) -> None:
    row = merge(ALICE, replace(RUNNING, state=state), WORKING, said_at, "local")
    assert (row.harness.activity, row.harness.current_tool) == (activity, tool)
    assert (row.harness.model, row.harness.needs_login) == ("opus", True)


def test_paused_is_what_was_asked_for() -> None:
    lying = msgspec.structs.replace(WORKING, paused=True)
    assert not merge(ALICE, RUNNING, lying, LATER, "local").harness.paused
    paused = merge(replace(ALICE, paused=True), RUNNING, WORKING, LATER, "local")
    assert paused.harness.paused


def test_a_row_says_what_is_observed() -> None:
    manager = Agent(name=MANAGER, created_at=NOW, restarts=2)
    seen = Observation(
        ContainerState.FAILED, NOW, sandboxed=False, note="it died", deployed="abc",
        needs_update=True,
    )  # fmt: skip
    row = merge(manager, seen, HarnessStatus(), None, "nixos")
    assert (row.manager, row.port, row.runtime, row.wanted) == (True, 8000, "nixos", "running")
    assert (row.state, row.note, row.sandboxed, row.restarts) == ("failed", "it died", False, 2)
    assert (row.deployed, row.needs_update, row.since, row.pid) == ("abc", True, NOW, None)


def test_no_harness_can_make_the_roster_too_large_to_send() -> None:
    long = "x" * 100_000
    endless = HarnessStatus(
        status_text=long, trouble=long, trouble_text=long, model=long, session_id=long,
        current_tool=long, revision=long, turn=-5, unread=10**18,
    )  # fmt: skip
    status = bounded(endless)
    assert len(msgspec.json.encode(status)) < 2_000
    assert (status.turn, status.unread) == (0, 2**53)
    assert bounded(WORKING) == WORKING
