"""What is to be told reaches the bus: once, in order, however long it takes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import nats.js.errors
import pytest
from hive_approvals.database import Database
from hive_approvals.kinds.kind import NoDetails
from hive_approvals.outbox import Outbox
from hive_approvals.policy import Event
from hive_approvals.store import ApprovalStore, Ask, Decision, encode_details
from hivecommon.application import declare_streams
from hivecommon.broker import prepare_bus
from hivecommon.bus import Bus
from hivecommon.contracts.approvals import ApprovalKind
from hivecommon.contracts.streams import EVENTS, INBOX
from hivetesting.broker import OPERATOR, Broker
from hivetesting.fixtures import Connect
from hivetesting.stream_reader import read_stream
from hivetesting.watch import ApprovalWatch, inbox_of, inbox_with
from msgspec.structs import replace
from sqlalchemy import text

OpenStore = Callable[[], Awaitable[ApprovalStore]]


@pytest.fixture
async def store(open_store: OpenStore) -> ApprovalStore:
    return await open_store()


@pytest.fixture
async def database(tmp_path: Path, store: ApprovalStore) -> AsyncIterator[Database]:
    opened = await Database.open(tmp_path / "approvals.sqlite")
    yield opened
    await opened.close()


@pytest.fixture
async def bus(own_broker: Broker, connect: Connect) -> Bus:
    return await connect(own_broker.service_login("approvals"))


@asynccontextmanager
async def publishing(database: Database, bus: Bus, wake: asyncio.Event) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(Outbox(database, bus, wake=wake, resend_s=0.05).run())
        yield
        task.cancel()


async def deny(store: ApprovalStore, agent: str, requester: str = "hm1nd") -> int:
    ask = Ask(
        kind=ApprovalKind.DESTROY,
        agent=agent,
        details=encode_details(NoDetails()),
        reason="",
        requested_by=f"agent:{requester}",
        request_id=f"ask-{agent}",
    )
    number = (await store.ask(ask)).id
    await store.decide(number, Decision(Event.DENY, "operator:anna", f"deny-{agent}", "no"))
    return number


async def emptied(database: Database) -> None:
    """Return once nothing waits any more."""
    async with asyncio.timeout(10):
        while await database.read(lambda c: c.execute(text("SELECT 1 FROM outbox")).first()):
            pass


async def test_it_all_arrives_in_order_and_is_then_forgotten(
    store: ApprovalStore, database: Database, bus: Bus, watch: ApprovalWatch, operator: Bus
) -> None:
    await declare_streams(bus)
    for number in range(60):  # more than a page
        await deny(store, f"a{number}")
    async with publishing(database, bus, store.watch()):
        last = await deny(store, "last")
        await watch.state(last, (await store.get(last)).state)
        await emptied(database)
    assert [m.id for m in await inbox_of(operator, "hm1nd")] == [
        f"approval-{number}-denied" for number in range(1, 62)
    ]
    assert [e.id for e in watch.seen] == [
        f"approval-{n}-v{v}" for n in range(1, 62) for v in (1, 2)
    ]


async def test_what_was_published_before_a_kill_is_not_doubled(
    store: ApprovalStore, database: Database, bus: Bus, watch: ApprovalWatch, operator: Bus
) -> None:
    await declare_streams(bus)
    number = await deny(store, "alice")
    rows = await database.read(lambda c: c.execute(text("SELECT * FROM outbox")).all())
    for row in rows:  # and then it was killed, before it could forget them
        await bus.publish_acked(row.subject, row.payload, message_id=row.message_id)
    async with publishing(database, bus, store.watch()):
        later = await deny(store, "bob")
        await watch.state(later, (await store.get(later)).state)
        await emptied(database)
    ids = [message.id for message in await inbox_of(operator, "hm1nd")]
    assert ids == [f"approval-{number}-denied", f"approval-{later}-denied"]
    stored = [data async for _, data in read_stream(operator, EVENTS.name, "events.hive.>")]
    assert len(stored) == 4


async def test_a_full_inbox_keeps_its_own_messages_waiting_and_nobody_elses(
    store: ApprovalStore, database: Database, bus: Bus, watch: ApprovalWatch, operator: Bus,
    own_broker: Broker, connect: Connect,
) -> None:  # fmt: skip
    await declare_streams(bus)
    await bus.declare(replace(INBOX, max_msgs_per_subject=1))
    async with publishing(database, bus, store.watch()):
        for agent in ("a", "b"):
            await deny(store, agent, requester="hm1nd")
        last = await deny(store, "c", requester="other")
        await watch.state(last, (await store.get(last)).state)
        await inbox_with(operator, "other", 1)
        assert [m.id for m in await inbox_of(operator, "hm1nd")] == ["approval-1-denied"]
        lifecycle = await connect(own_broker.service_login("lifecycle"))
        await lifecycle.jetstream.purge_stream(INBOX.name, subject="inbox.hm1nd.hive")
        await emptied(database)
    assert [m.id for m in await inbox_of(operator, "hm1nd")] == ["approval-2-denied"]


async def test_it_waits_for_the_bus_and_for_its_streams(
    store: ApprovalStore, database: Database, bus: Bus, watch: ApprovalWatch, operator: Bus,
    own_broker: Broker,
) -> None:  # fmt: skip
    with pytest.raises(nats.js.errors.NotFoundError):
        await operator.jetstream.stream_info(INBOX.name)
    async with publishing(database, bus, store.watch()):
        number = await deny(store, "alice")
        own_broker.kill()
        prepare_bus(own_broker.home, own_broker.address, own_broker.monitor_port, OPERATOR)
        own_broker.start()
        await declare_streams(bus)
        await emptied(database)
    assert [m.id for m in await inbox_of(operator, "hm1nd")] == [f"approval-{number}-denied"]
