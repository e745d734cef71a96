"""History and what comes, read through one consumer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from hivecommon.bus import Bus
from hivecommon.contracts.streams import STREAMS
from hivecommon.errors import HiveError
from hivectl.tail import Entry, Start, follow, history
from hivetesting.broker import Broker, running_broker
from hivetesting.fixtures import Connect

LONG_AGO = Start(datetime(2000, 1, 1, tzinfo=UTC))


async def take(count: int, entries: AsyncIterator[Entry]) -> list[str]:
    async with asyncio.timeout(30):
        found: list[str] = []
        async for entry in entries:
            found.append(entry.data.decode())
            if len(found) == count:
                break
        return found


@pytest.fixture
async def writer(broker: Broker, connect: Connect, streams: None) -> Bus:
    return await connect(broker.service_login("lifecycle"))


@pytest.fixture
async def reader(broker: Broker, connect: Connect) -> Bus:
    return await connect(broker.operator_login())


@pytest.fixture
def subject() -> str:
    return f"log.lifecycle.{uuid4().hex}"


async def test_history_ends_where_the_stream_does(writer: Bus, reader: Bus, subject: str) -> None:
    for number in range(600):
        await writer.publish(subject, str(number).encode())
    await writer.client.flush()
    found = [entry.data.decode() async for entry in history(reader, "LOGS", [subject], LONG_AGO)]
    assert found == [str(number) for number in range(600)]


async def test_an_empty_history_is_no_wait(reader: Bus, streams: None, subject: str) -> None:
    async with asyncio.timeout(1):
        assert [entry async for entry in history(reader, "LOGS", [subject], LONG_AGO)] == []


async def test_history_begins_at_a_time(writer: Bus, reader: Bus, subject: str) -> None:
    await writer.publish(subject, b"old")
    await writer.client.flush()
    (old,) = [entry async for entry in history(reader, "LOGS", [subject], LONG_AGO)]
    await writer.publish(subject, b"new")
    await writer.client.flush()
    start = Start(old.at + timedelta(microseconds=1))
    assert [e.data async for e in history(reader, "LOGS", [subject], start)] == [b"new"]


async def test_following_has_no_gap_and_no_double_at_the_seam(
    writer: Bus, reader: Bus, subject: str
) -> None:
    async def write() -> None:
        for number in range(2000):
            await writer.publish(subject, str(number).encode())
            if number % 50 == 0:
                await writer.client.flush()
        await writer.client.flush()

    async with asyncio.TaskGroup() as group:
        group.create_task(write())
        async with aclosing(follow(reader, "LOGS", [subject], LONG_AGO)) as entries:
            found = await take(2000, entries)
    assert found == [str(number) for number in range(2000)]


async def test_following_from_now_leaves_the_past_out(
    writer: Bus, reader: Bus, subject: str
) -> None:
    await writer.publish_acked(subject, b"past", message_id=subject)  # stored, not only sent
    async with aclosing(follow(reader, "LOGS", [subject], Start())) as entries:
        first = asyncio.ensure_future(anext(entries))
        while not first.done():
            await writer.publish(subject, b"future")
            await writer.client.flush()
            await asyncio.wait((first,), timeout=0.05)
        assert first.result().data == b"future"


async def test_a_missing_stream_is_an_error_with_a_hint(tmp_path: Path, connect: Connect) -> None:
    with running_broker(tmp_path / "hive") as bare:
        reader = await connect(bare.operator_login())
        with pytest.raises(HiveError, match="no stream LOGS") as caught:
            await anext(history(reader, "LOGS", ["log.>"], LONG_AGO))
        assert "hive up" in caught.value.hint


async def test_a_killed_server_costs_a_follower_nothing(tmp_path: Path, connect: Connect) -> None:
    with running_broker(tmp_path / "hive") as own:
        writer = await connect(own.service_login("approvals"))
        for stream in STREAMS:
            await writer.declare(stream)
        reader = await connect(own.operator_login())
        async with aclosing(follow(reader, "EVENTS", ["events.>"], Start(seq=1))) as entries:
            await acked(writer, range(50))
            found = await take(20, entries)
            own.kill()
            own.start()
            await acked(writer, range(50, 100))
            found += await take(80, entries)
    assert found == [str(number) for number in range(100)]


async def acked(writer: Bus, numbers: range) -> None:
    for number in numbers:
        async with asyncio.timeout(10):
            while not await stored(writer, number):
                await writer.client.flush()


async def stored(writer: Bus, number: int) -> bool:
    try:
        await writer.publish_acked(
            "events.hive.approvals.x", str(number).encode(), message_id=f"m{number}", timeout_s=1
        )
    except HiveError:
        await asyncio.wait((asyncio.ensure_future(reconnected(writer)),), timeout=1)
        return False
    return True


async def reconnected(writer: Bus) -> None:
    while not writer.connected:
        await asyncio.sleep(0.05)
