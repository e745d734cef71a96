"""What happened to an agent that nobody asked the hive for."""

from datetime import UTC, datetime

import pytest
from hive_lifecycle.agents import Wanted
from hive_lifecycle.runtime import Observation
from hive_lifecycle.surprises import surprise
from hivecommon.contracts.roster import ContainerState

RUNNING, STOPPED = ContainerState.RUNNING, ContainerState.STOPPED
FAILED = ContainerState.FAILED


def seen(state: ContainerState, deaths: int = 0) -> Observation:
    at = datetime(2026, 11, 22, tzinfo=UTC)
    return Observation(state=state, since=at, sandboxed=True, deaths=deaths, note="it hung")


@pytest.mark.parametrize(
    ("wanted", "before", "after", "what"),
    [
        (Wanted.RUNNING, seen(RUNNING), seen(STOPPED), "stopped"),
        (Wanted.RUNNING, None, seen(STOPPED), "stopped"),
        (Wanted.RUNNING, seen(STOPPED), seen(STOPPED), None),
        (Wanted.STOPPED, seen(RUNNING), seen(STOPPED), None),
        (Wanted.STOPPED, seen(STOPPED), seen(RUNNING), "started"),
        (Wanted.STOPPED, None, seen(RUNNING), "started"),
        (Wanted.STOPPED, seen(RUNNING), seen(RUNNING), None),
        (Wanted.RUNNING, seen(STOPPED), seen(RUNNING), None),
        (Wanted.RUNNING, seen(RUNNING), seen(RUNNING, deaths=1), "crashed"),
        (Wanted.RUNNING, seen(RUNNING, deaths=1), seen(RUNNING, deaths=1), None),
        (Wanted.RUNNING, seen(RUNNING, deaths=3), seen(RUNNING, deaths=1), None),
        (Wanted.RUNNING, None, seen(RUNNING, deaths=2), "crashed"),
        (Wanted.RUNNING, seen(RUNNING), seen(FAILED, deaths=4), None),
        (Wanted.RUNNING, seen(FAILED, deaths=4), seen(RUNNING), None),
    ],
)
def test_only_what_nobody_asked_for_is_told(
    wanted: Wanted, before: Observation | None, after: Observation, what: str | None
) -> None:
    told = surprise(wanted, before, after)
    assert (told.what if told else None) == what
    if told and what == "crashed":
        assert told.detail == "it hung"
