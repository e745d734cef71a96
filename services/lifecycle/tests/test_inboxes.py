"""INBOX looked after: what is read goes after its time, what is parked is told of, unread stays."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hive_lifecycle.inboxes import KEEP_READ, Inboxes
from hivecommon.bus import Bus
from hivecommon.contracts.inbox import InboxMessage
from hivecommon.names import parse_agent_name
from hivetesting.broker import Broker, running_broker
from hivetesting.fixtures import Connect
from nats.aio.msg import Msg

NOW = datetime.now(UTC)  # noqa: TID251 - the server stamps messages with the real time


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """A bus of its own: what others wrote to the operator is not looked at here."""
    with running_broker(tmp_path) as running:
        yield running


def message(name: str) -> InboxMessage:
    return InboxMessage(id=name, body="hello", sent_at=NOW)


async def ids(bus: Bus, name: str) -> list[str]:
    info = await bus.jetstream.stream_info("INBOX", subjects_filter=InboxMessage.filter_for(name))
    found: list[str] = []
    after = 0
    for _ in range(sum((info.state.subjects or {}).values())):
        raw = await bus.jetstream.get_msg(
            "INBOX", seq=after + 1, subject=InboxMessage.filter_for(name), next=True
        )
        assert raw.seq is not None
        after = raw.seq
        found.append(InboxMessage.decode(raw.data or b"").id)
    return found


async def test_read_messages_go_after_30_days_and_unread_ones_never(
    broker: Broker, connect: Connect
) -> None:
    prudence = await connect(await broker.register("prudence"))
    lifecycle = await connect(broker.service_login("lifecycle"))
    for number in range(4):
        await lifecycle.send_message(to="prudence", sender="hive", message=message(f"m{number}"))
    both_read = asyncio.Event()

    async def read_two(msg: Msg) -> None:
        if msg.metadata.sequence.consumer <= 2:
            await msg.ack_sync()
        if msg.metadata.sequence.consumer == 3:
            both_read.set()

    await prudence.subscribe("deliver.prudence", read_two)
    async with asyncio.timeout(10):
        await both_read.wait()
    soon = Inboxes(lifecycle, lambda: NOW + KEEP_READ - timedelta(hours=1))
    await soon.prune()
    assert await ids(lifecycle, "prudence") == ["m0", "m1", "m2", "m3"]
    later = Inboxes(lifecycle, lambda: NOW + KEEP_READ + timedelta(hours=1))
    await later.prune()
    await later.prune()
    assert await ids(lifecycle, "prudence") == ["m2", "m3"]


async def test_a_message_that_could_not_be_handled_is_told_of_to_the_operator(
    broker: Broker, connect: Connect
) -> None:
    parker = await connect(await broker.register("parker"))
    lifecycle = await connect(broker.service_login("lifecycle"))
    operator = await connect(broker.operator_login())
    told: asyncio.Queue[bytes] = asyncio.Queue()

    async def take(msg: Msg) -> None:
        told.put_nowait(msg.data)

    await operator.subscribe("events.hive.lifecycle.agent", take)
    await operator.client.flush()
    await Inboxes(lifecycle, lambda: NOW).watch_parked()

    async def refuse(msg: Msg) -> None:
        await parker.publish(msg.reply, b"+TERM")

    await parker.subscribe("deliver.parker", refuse)
    await operator.send_message(to="parker", sender="operator", message=message("parked-one"))
    async with asyncio.timeout(15):
        event = await told.get()
    assert b"message parked-one from operator to parker is parked" in event
    (notice,) = [one for one in await ids(lifecycle, "operator") if one.startswith("parked-parker")]
    raw = await lifecycle.jetstream.get_last_msg("INBOX", "inbox.operator.hive")
    assert InboxMessage.decode(raw.data or b"").id == notice
    assert await ids(lifecycle, "parker") == ["parked-one"]


async def test_a_rename_moves_what_is_unread_and_nothing_that_overtook_it(
    broker: Broker, connect: Connect
) -> None:
    old = await connect(await broker.register("oldie"))
    await broker.register("newbie")
    lifecycle = await connect(broker.service_login("lifecycle"))
    for name, sender in [("a1", "hive"), ("o1", "operator"), ("a2", "hive"), ("o2", "operator")]:
        await lifecycle.send_message(to="oldie", sender=sender, message=message(name))
    read: list[str] = []
    overtaken = asyncio.Event()

    async def read_one_of_the_operator(msg: Msg) -> None:
        # As a harness does it: the operator's message is handled first, and acknowledged to both.
        if InboxMessage.decode(msg.data).id == "o1":
            await msg.ack_sync()
            read.append(msg.reply.split(".")[3])
        if len(read) == 2:
            overtaken.set()

    await old.subscribe("deliver.oldie", read_one_of_the_operator)
    async with asyncio.timeout(10):
        await overtaken.wait()
    assert set(read) == {"oldie", "oldie_operator"}
    inboxes = Inboxes(lifecycle, lambda: NOW)
    before, after = parse_agent_name("oldie"), parse_agent_name("newbie")
    assert await inboxes.readdress(before, after, "j1") == 3
    assert await ids(lifecycle, "newbie") == ["a1", "a2", "o2"]
    assert await inboxes.readdress(before, after, "j1") == 0
    assert await ids(lifecycle, "newbie") == ["a1", "a2", "o2"]
