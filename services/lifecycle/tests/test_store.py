"""What is written down of agents and jobs, and read back by the next lifecycle."""

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from hive_lifecycle.agents import Agent, Wanted
from hive_lifecycle.orders import Order, Verb
from hive_lifecycle.store import Store
from hivecommon.contracts.jobs import Job, JobState
from hivecommon.contracts.lifecycle import AgentSettings
from hivecommon.errors import HiveError
from hivecommon.names import MANAGER, AgentName

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ALICE, BOB, CAROL = AgentName("alice"), AgentName("bob"), AgentName("carol")
START = Order(verb=Verb.START, agent="alice")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty database."""
    opened = Store(tmp_path / "home" / "lifecycle.sqlite")
    yield opened
    opened.close()


def agent(name: AgentName, **fields: object) -> Agent:
    return replace(Agent(name=name, created_at=NOW), **fields)  # type: ignore[arg-type]


def job(number: int, *, at: datetime = NOW, approval: int | None = None) -> Job:
    return Job(
        id=f"job-{number}", verb="start", agent="alice", state=JobState.ACCEPTED,
        requested_by="operator:anna", created_at=at, approval=approval,
    )  # fmt: skip


def test_an_agent_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    whole = agent(
        ALICE, settings=AgentSettings(persona="a poet", recipients=["bob"]),
        paused=True, paused_by="operator:anna",
        wanted=Wanted.STOPPED, origin="job-1", restarts=3, crashed_at=NOW,
    )  # fmt: skip
    first = Store(tmp_path / "db")
    first.put(whole)
    first.close()
    second = Store(tmp_path / "db")
    assert second.find(ALICE) == whole
    second.close()


def test_the_manager_comes_first(store: Store) -> None:
    for name in (BOB, MANAGER, ALICE):
        store.put(agent(name))
    assert [one.name for one in store.living()] == [MANAGER, ALICE, BOB]


def test_a_destroyed_agent_is_kept_until_it_is_purged_or_revived(store: Store) -> None:
    store.put(agent(ALICE))
    store.bury(ALICE, NOW, purged=False)
    assert (store.find(ALICE), store.kept(), store.ever_had(ALICE)) == (None, [ALICE], True)
    store.put(agent(ALICE))
    assert (store.find(ALICE), store.kept()) == (agent(ALICE), [])
    store.bury(ALICE, NOW, purged=True)
    assert (store.find(ALICE), store.kept(), store.ever_had(ALICE)) == (None, [], True)


def test_a_crash_is_new_once(store: Store) -> None:
    store.put(agent(ALICE))
    assert store.note_crash(ALICE, NOW)
    assert not store.note_crash(ALICE, NOW)
    assert store.note_crash(ALICE, NOW + timedelta(seconds=1))


def test_what_is_asked_for_begins_the_count_of_restarts_anew(store: Store) -> None:
    store.put(agent(ALICE, restarts=7))
    store.want(ALICE, Wanted.STOPPED)
    assert store.find(ALICE) == agent(ALICE, wanted=Wanted.STOPPED, restarts=0)


def test_a_rename_reaches_the_recipients_of_others(store: Store) -> None:
    store.put(agent(ALICE))
    store.put(agent(BOB, settings=AgentSettings(recipients=["alice", "bob"])))
    store.rename(ALICE, CAROL)
    assert [one.name for one in store.living()] == [BOB, CAROL]
    bob = store.find(BOB)
    assert bob is not None
    assert bob.settings.recipients == ["carol", "bob"]


def test_a_job_is_found_by_each_of_its_keys(store: Store) -> None:
    store.add_job(START, job(1), "request-1")
    store.add_key("request-2", "job-1")
    for key in ("request-1", "request-2"):
        found = store.find_key(key)
        assert found is not None
        assert (found.job, found.order) == (job(1), START)
    assert store.find_key("request-3") is None


def test_jobs_come_in_their_order_and_ended_ones_are_not_active(store: Store) -> None:
    for number in (1, 2, 3):
        store.add_job(START, job(number), f"key-{number}")
    store.save_job(msgspec.structs.replace(job(2), state=JobState.DONE))
    assert [one.job.id for one in store.active_jobs()] == ["job-1", "job-3"]
    assert [one.id for one in store.list_jobs("alice", 2, active=False)] == ["job-3", "job-2"]
    assert [one.id for one in store.list_jobs(None, 9, active=True)] == ["job-3", "job-1"]
    assert store.list_jobs("bob", 9, active=False) == []


def test_attempts_are_counted_unless_lifecycle_ended_in_good_order(store: Store) -> None:
    store.add_job(START, job(1), "key")
    assert [store.count_attempt("job-1"), store.count_attempt("job-1")] == [1, 2]
    store.uncount_attempt("job-1")
    assert store.count_attempt("job-1") == 2


def test_old_ended_jobs_are_forgotten_but_those_of_approvals_are_not(store: Store) -> None:
    old = NOW - timedelta(days=100)
    jobs = [job(1, at=old), job(2, at=old, approval=4), job(3), job(4, at=old)]
    for one in jobs:
        store.add_job(START, one, one.id)
    for one in jobs[:3]:
        store.save_job(msgspec.structs.replace(one, state=JobState.DONE))
    assert store.forget_jobs(NOW - timedelta(days=90)) == 1
    left = [one.id for one in store.list_jobs(None, 9, active=False)]
    assert left == ["job-4", "job-3", "job-2"]
    assert store.find_key("job-1") is None


def test_a_database_of_a_newer_version_is_not_touched(tmp_path: Path) -> None:
    file = tmp_path / "lifecycle.sqlite"
    with sqlite3.connect(file) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(HiveError, match=r"newer hyperhive.*99"):
        Store(file)
