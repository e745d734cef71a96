"""How a new command relates to the jobs that are there."""

from datetime import UTC, datetime

import pytest
from hive_lifecycle.orders import (
    MAX_ATTEMPTS,
    Order,
    StoredJob,
    Verb,
    being_made,
    joinable,
    may_begin,
    same_command,
)
from hivecommon.contracts.jobs import Job, JobState
from hivecommon.contracts.lifecycle import AgentSettings
from hivecommon.errors import HiveError

START = Order(verb=Verb.START, agent="alice")
STOP = Order(verb=Verb.STOP, agent="alice")
OTHER = Order(verb=Verb.STOP, agent="bob")
WIPE = Order(verb=Verb.DESTROY, agent="alice", purge=True)
KEEP = Order(verb=Verb.DESTROY, agent="alice")


def stored(order: Order, state: JobState = JobState.ACCEPTED, attempts: int = 0) -> StoredJob:
    job = Job(
        id=f"{order.verb}-{order.agent}", verb=order.verb, agent=order.agent, state=state,
        requested_by="operator:anna", created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    return StoredJob(order, job, attempts)


@pytest.mark.parametrize(
    ("order", "active", "joined"),
    [
        (START, [], None),
        (START, [START], START),
        (START, [START, OTHER], START),
        (START, [OTHER], None),
        (START, [START, STOP], None),
        (STOP, [START, STOP], STOP),
        (WIPE, [KEEP], None),
        (WIPE, [WIPE], WIPE),
    ],
)
def test_an_order_joins_the_last_one_of_its_agent_if_that_wants_the_same(
    order: Order, active: list[Order], joined: Order | None
) -> None:
    found = joinable(order, [stored(one) for one in active])
    assert (found.order if found else None) == joined


def test_spawns_with_different_settings_are_different_orders() -> None:
    plain = Order(verb=Verb.SPAWN, agent="alice", settings=AgentSettings())
    other = Order(verb=Verb.SPAWN, agent="alice", settings=AgentSettings(persona="a poet"))
    assert joinable(other, [stored(plain)]) is None


def test_a_request_id_means_one_command() -> None:
    assert same_command(START, stored(START)).order == START
    with pytest.raises(HiveError) as caught:
        same_command(START, stored(STOP))
    assert caught.value.code == "request_id_reused"


def test_agents_that_are_being_made_are_known() -> None:
    spawn = Order(verb=Verb.SPAWN, agent="uma")
    rename = Order(verb=Verb.RENAME, agent="alice", to="carol")
    assert being_made([stored(one) for one in (spawn, rename, STOP)]) == {"uma", "carol"}


@pytest.mark.parametrize(
    ("state", "attempts", "begins"),
    [
        (JobState.ACCEPTED, 0, True),
        (JobState.RUNNING, 1, True),
        (JobState.RUNNING, MAX_ATTEMPTS - 1, True),
        (JobState.RUNNING, MAX_ATTEMPTS, False),
    ],
)
def test_a_job_that_was_cut_off_too_often_is_given_up(
    state: JobState, attempts: int, *, begins: bool
) -> None:
    assert may_begin(stored(START, state, attempts)) is begins
