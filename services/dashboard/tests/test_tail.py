"""Following a stream through history, live messages and a server that is killed."""

import asyncio
from pathlib import Path

import pytest
from hive_dashboard.tail import Part, Stored, follow
from hivecommon.bus import Bus
from hivecommon.contracts.streams import EVENTS, ROSTER_BUCKET
from hivecommon.errors import Unavailable
from hivetesting.broker import Broker, running_broker
from hivetesting.fixtures import Connect


class Reader:
    """Collects what `follow` brings."""

    def __init__(self) -> None:
        self.taken: list[Stored] = []
        self.caught_up_after: list[int] = []
        self._more = asyncio.Event()

    async def take(self, stored: Stored) -> None:
        self.taken.append(stored)
        self._more.set()

    async def caught_up(self) -> None:
        self.caught_up_after.append(len(self.taken))
        self._more.set()

    @property
    def texts(self) -> list[str]:
        return [one.data.decode() for one in self.taken]

    async def until(self, number: int) -> None:
        async with asyncio.timeout(20):
            while len(self.taken) < number or not self.caught_up_after:
                self._more.clear()
                await self._more.wait()


async def publish(bus: Bus, subject: str, *texts: str) -> None:
    for text in texts:
        await bus.publish_acked(subject, text.encode(), message_id=f"{subject}-{text}")


async def test_the_last_ones_come_first_then_each_new_one(broker: Broker, connect: Connect) -> None:
    bus = await connect(broker.service_login("lifecycle"))
    await bus.declare(EVENTS)
    await publish(bus, "events.hive.lifecycle.tail1", *(f"{n}" for n in range(50)))
    await publish(bus, "events.hive.lifecycle.other", *(f"o{n}" for n in range(300)))
    reader = Reader()
    part = Part(EVENTS.name, ("events.hive.lifecycle.tail1",), history=5)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(follow(bus, part, reader.take, caught_up=reader.caught_up))
        await reader.until(5)
        await publish(bus, "events.hive.lifecycle.tail1", "new")
        await reader.until(6)
        task.cancel()

    assert reader.texts == ["45", "46", "47", "48", "49", "new"]
    assert reader.caught_up_after == [5]


async def test_it_resumes_behind_a_place(broker: Broker, connect: Connect) -> None:
    bus = await connect(broker.service_login("lifecycle"))
    await bus.declare(EVENTS)
    await publish(bus, "events.hive.lifecycle.tail2", "a", "b", "c")
    first, second = Reader(), Reader()
    part = Part(EVENTS.name, ("events.hive.lifecycle.tail2",), history=10)
    for reader, after in ((first, 0), (second, -1)):
        place = first.taken[0].seq if after else 0
        async with asyncio.TaskGroup() as group:
            task = group.create_task(
                follow(bus, part, reader.take, after=place, caught_up=reader.caught_up)
            )
            await reader.until(2)
            task.cancel()

    assert first.texts == ["a", "b", "c"]
    assert second.texts == ["b", "c"]


async def test_a_place_beyond_a_stream_that_was_made_anew_brings_the_history(
    broker: Broker, connect: Connect
) -> None:
    bus = await connect(broker.service_login("lifecycle"))
    await bus.declare(EVENTS)
    await publish(bus, "events.hive.lifecycle.tail3", "a")
    reader = Reader()
    part = Part(EVENTS.name, ("events.hive.lifecycle.tail3",), history=10)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(
            follow(bus, part, reader.take, after=10**9, caught_up=reader.caught_up)
        )
        await reader.until(1)
        task.cancel()

    assert reader.texts == ["a"]


async def test_an_empty_part_is_caught_up_at_once(broker: Broker, connect: Connect) -> None:
    bus = await connect(broker.service_login("lifecycle"))
    await bus.declare(EVENTS)
    reader = Reader()
    part = Part(EVENTS.name, ("events.hive.lifecycle.nobody",), history=10)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(follow(bus, part, reader.take, caught_up=reader.caught_up))
        await reader.until(0)
        task.cancel()

    assert reader.caught_up_after == [0]


async def test_a_bucket_gives_the_latest_of_each_key_and_removals(
    tmp_path: Path, connect: Connect
) -> None:
    with running_broker(tmp_path) as broker:
        bus = await connect(broker.service_login("lifecycle"))
        bucket = await bus.jetstream.create_key_value(bucket=ROSTER_BUCKET)
        for name, text in (("a", b"1"), ("b", b"1"), ("a", b"2")):
            await bucket.put(name, text)
        reader = Reader()
        part = Part(f"KV_{ROSTER_BUCKET}", (f"$KV.{ROSTER_BUCKET}.>",), latest=True)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(follow(bus, part, reader.take, caught_up=reader.caught_up))
            await reader.until(2)
            await bucket.delete("b")
            await reader.until(3)
            task.cancel()
        await bus.drain()

    assert [(one.subject[-1], one.data, one.removal) for one in reader.taken] == [
        ("b", b"1", False),
        ("a", b"2", False),
        ("b", b"", True),
    ]


async def test_nothing_is_lost_or_doubled_when_the_server_is_killed(
    tmp_path: Path, connect: Connect
) -> None:
    with running_broker(tmp_path) as broker:
        bus = await connect(broker.service_login("lifecycle"))
        await bus.declare(EVENTS)
        reader = Reader()
        part = Part(EVENTS.name, ("events.hive.lifecycle.x",), history=10)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(follow(bus, part, reader.take, caught_up=reader.caught_up))
            await publish(bus, "events.hive.lifecycle.x", "a", "b")
            await reader.until(2)
            broker.kill()
            broker.start()
            await _publish_when_back(bus, "events.hive.lifecycle.x", "c")
            await reader.until(3)
            task.cancel()
        await bus.drain()

    assert reader.texts == ["a", "b", "c"]


async def _publish_when_back(bus: Bus, subject: str, text: str) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                await publish(bus, subject, text)
            except Unavailable:
                await asyncio.sleep(0.05)
            else:
                return


async def test_a_stream_that_does_not_exist_yet_is_waited_for(
    tmp_path: Path, connect: Connect
) -> None:
    with running_broker(tmp_path) as broker:
        bus = await connect(broker.service_login("lifecycle"))
        reader = Reader()
        part = Part(EVENTS.name, ("events.hive.lifecycle.x",), history=10)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(follow(bus, part, reader.take, caught_up=reader.caught_up))
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await reader.until(0)
            await bus.declare(EVENTS)
            await publish(bus, "events.hive.lifecycle.x", "a")
            await reader.until(1)
            task.cancel()
        await bus.drain()

    assert reader.texts == ["a"]


@pytest.mark.parametrize("closed", [False, True], ids=["while it closes", "once it is closed"])
async def test_a_cancellation_counts_although_the_connection_ends(
    broker: Broker, connect: Connect, *, closed: bool
) -> None:
    bus = await connect(broker.service_login("lifecycle"))
    await bus.declare(EVENTS)
    reader = Reader()
    subject = f"events.hive.lifecycle.tail-{closed}".lower()
    await publish(bus, subject, "one")
    part = Part(EVENTS.name, (subject,), history=5)
    following = asyncio.ensure_future(follow(bus, part, reader.take, caught_up=reader.caught_up))
    await reader.until(1)
    if closed:
        await bus.client.close()
        following.cancel()
    else:
        ending = asyncio.ensure_future(bus.client.drain())
        while not bus.client.is_draining:
            await asyncio.sleep(0)
        following.cancel()
        await ending
    done, _ = await asyncio.wait([following], timeout=20)
    try:
        assert done
    finally:
        while not following.done():  # as often as it takes, where once did not do
            following.cancel()
            await asyncio.sleep(0.05)
