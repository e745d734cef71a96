"""The queue: written down first, one at a time per agent, side by side for different ones."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hive_lifecycle.jobs import JobQueue
from hive_lifecycle.orders import Order, Verb
from hive_lifecycle.runtime import Report
from hive_lifecycle.store import Store
from hivecommon.contracts.jobs import Job, JobState
from hivecommon.errors import HiveError
from hivecommon.names import AgentName

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
START = Order(verb=Verb.START, agent="alice")
STOP = Order(verb=Verb.STOP, agent="alice")
OTHER = Order(verb=Verb.START, agent="bob")


class Work:
    """Carries orders out when it is let, and as it is told."""

    def __init__(self) -> None:
        self.begun: list[Order] = []
        self.may_end = asyncio.Event()
        self.failure: Exception | None = None

    async def __call__(self, _job: Job, order: Order, report: Report) -> None:
        self.begun.append(order)
        await report("half done")
        await self.may_end.wait()
        if self.failure is not None:
            raise self.failure


class Bench:
    def __init__(self, store: Store, work: Work, group: asyncio.TaskGroup) -> None:
        self.work = work
        self.told: list[Job] = []
        self.queue = JobQueue(store, work, self._tell, lambda: NOW, group)

    async def _tell(self, job: Job) -> None:
        self.told.append(job)

    async def submit(self, key: str, order: Order) -> Job:
        return await self.queue.submit(key, order, requested_by="operator:anna")

    async def ended(self, job: Job) -> Job:
        return await self.queue.wait(job.id, 5)


class _Leave(Exception):
    pass


@asynccontextmanager
async def lifecycle(file: Path) -> AsyncIterator[Bench]:
    """One life of the queue; its end cancels what runs."""
    store = Store(file)
    try:
        async with asyncio.TaskGroup() as group:
            yield Bench(store, Work(), group)
            raise _Leave  # noqa: TRY301 - ends the group
    except* _Leave:
        pass
    finally:
        store.close()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """A queue of its own."""
    async with lifecycle(tmp_path / "db") as made:
        yield made


async def test_a_job_goes_from_accepted_to_done_and_each_step_is_told(bench: Bench) -> None:
    bench.work.may_end.set()
    job = await bench.submit("one", START)
    done = await bench.ended(job)
    assert [told.state for told in bench.told] == ["accepted", "running", "running", "done"]
    assert [step.text for step in done.steps] == ["half done"]
    assert bench.told[-1] == done


async def test_one_agents_jobs_wait_for_one_another_and_anothers_do_not(bench: Bench) -> None:
    first, second = await bench.submit("one", START), await bench.submit("two", STOP)
    third = await bench.submit("three", OTHER)
    async with asyncio.timeout(5):
        while len(bench.work.begun) < 2:
            await asyncio.sleep(0)
    assert bench.work.begun == [START, OTHER]
    assert bench.queue.get(second.id).state is JobState.ACCEPTED
    bench.work.may_end.set()
    for job in (first, second, third):
        assert (await bench.ended(job)).state is JobState.DONE
    assert bench.work.begun == [START, OTHER, STOP]


async def test_an_identical_order_joins_and_keeps_its_own_key(bench: Bench) -> None:
    first, joined = await bench.submit("one", START), await bench.submit("two", START)
    assert joined.id == first.id
    bench.work.may_end.set()
    await bench.ended(first)
    known = bench.queue.known("two", START)
    assert known is not None
    assert (known.id, known.state) == (first.id, JobState.DONE)
    assert (await bench.submit("three", START)).id != first.id


async def test_a_refusal_and_a_surprise_fail_the_job_and_not_the_queue(bench: Bench) -> None:
    bench.work.may_end.set()
    bench.work.failure = HiveError("no room", code="full", hint="make some")
    refused = await bench.ended(await bench.submit("one", START))
    assert refused.error is not None
    assert (refused.error.code, refused.error.hint) == ("full", "make some")
    bench.work.failure = ZeroDivisionError("the secret is 42")
    crashed = await bench.ended(await bench.submit("two", START))
    assert crashed.error is not None
    assert crashed.error.code == "internal"
    assert "42" not in crashed.error.message
    bench.work.failure = None
    assert (await bench.ended(await bench.submit("three", START))).state is JobState.DONE


async def test_only_a_job_that_waits_can_be_cancelled(bench: Bench) -> None:
    first, second = await bench.submit("one", START), await bench.submit("two", STOP)
    async with asyncio.timeout(5):
        while not bench.work.begun:
            await asyncio.sleep(0)
    with pytest.raises(HiveError) as caught:
        await bench.queue.cancel(first.id)
    assert caught.value.code == "too_late"
    assert (await bench.queue.cancel(second.id)).state is JobState.CANCELLED
    bench.work.may_end.set()
    await bench.ended(first)
    assert bench.work.begun == [START]


async def test_what_holds_an_agent_holds_its_jobs_off(bench: Bench) -> None:
    bench.work.may_end.set()
    async with bench.queue.exclusive(START.name):
        job = await bench.submit("one", START)
        assert not (await bench.queue.wait(job.id, 0.01)).state.ended
        assert bench.work.begun == []
    assert (await bench.ended(job)).state is JobState.DONE


async def test_a_rename_holds_off_what_is_done_to_either_name(bench: Bench) -> None:
    rename = Order(verb=Verb.RENAME, agent="alice", to="carol")
    back = Order(verb=Verb.RENAME, agent="carol", to="alice")
    jobs = [await bench.submit("k1", rename), await bench.submit("k2", back)]
    begun: list[str] = []

    async def look(name: str) -> None:
        async with bench.queue.exclusive(AgentName(name)):
            begun.append(name)

    async with asyncio.TaskGroup() as group:
        for name in ("alice", "bob", "carol"):
            group.create_task(look(name))
        while "bob" not in begun:
            await asyncio.sleep(0)
        assert begun == ["bob"]
        assert bench.work.begun == [rename]
        bench.work.may_end.set()
    for job in jobs:
        assert (await bench.ended(job)).state is JobState.DONE


async def test_a_queue_that_ends_lets_go_of_all_who_wait(bench: Bench) -> None:
    job = await bench.submit("one", START)
    waiting = asyncio.ensure_future(bench.queue.wait(job.id, 1000))
    await asyncio.sleep(0)
    bench.queue.release()
    async with asyncio.timeout(5):
        assert not (await waiting).state.ended


async def test_the_next_life_goes_on_with_what_was_left_in_its_order(tmp_path: Path) -> None:
    async with lifecycle(tmp_path / "db") as first_life:
        cut_off = await first_life.submit("one", START)
        waiting = await first_life.submit("two", STOP)
        async with asyncio.timeout(5):
            while not first_life.work.begun:
                await asyncio.sleep(0)
    async with lifecycle(tmp_path / "db") as second_life:
        second_life.work.may_end.set()
        await second_life.queue.resume()
        for job in (cut_off, waiting):
            assert (await second_life.ended(job)).state is JobState.DONE
        assert second_life.work.begun == [START, STOP]


async def test_ends_in_good_order_do_not_count_against_a_job(tmp_path: Path) -> None:
    jobs: set[str] = set()
    for _ in range(5):
        async with lifecycle(tmp_path / "db") as life:
            await life.queue.resume()
            jobs.add((await life.submit("one", START)).id)
            async with asyncio.timeout(5):
                while not life.work.begun:
                    await asyncio.sleep(0)
    async with lifecycle(tmp_path / "db") as last_life:
        last_life.work.may_end.set()
        await last_life.queue.resume()
        (job,) = jobs
        assert (await last_life.queue.wait(job, 5)).state is JobState.DONE
