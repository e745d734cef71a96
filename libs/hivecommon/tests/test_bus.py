"""The connection: outages, acknowledgements, streams, a reload that disturbs nobody."""

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hivecommon.broker_admin import reload_server
from hivecommon.bus import Bus, Login
from hivecommon.contracts.inbox import InboxMessage
from hivecommon.contracts.streams import EVENTS, INBOX
from hivecommon.errors import HiveError, Unavailable
from hivecommon.keys import ensure_key, read_seed
from hivetesting.broker import Broker, free_port, running_broker
from hivetesting.fixtures import Connect

NOW = datetime(2026, 1, 2, tzinfo=UTC)


async def test_an_absent_bus_is_an_error_that_says_what_to_do(broker: Broker) -> None:
    login = broker.operator_login()
    absent = Login(
        url=f"nats://127.0.0.1:{free_port()}", name="x", inbox_prefix="_INBOX", seed=login.seed
    )
    with pytest.raises(Unavailable) as caught:
        await Bus.connect(absent, patience_s=0.3)
    assert "hive up" in caught.value.hint
    assert login.seed not in str(caught.value)
    assert login.seed not in repr(login)


async def test_a_repeated_message_is_stored_once(broker: Broker, connect: Connect) -> None:
    dave = await connect(await broker.register("dave"))
    message = InboxMessage(id=os.urandom(8).hex(), body="hi", sent_at=NOW)
    assert await dave.send_message(to="erin", sender="dave", message=message)
    assert not await dave.send_message(to="erin", sender="dave", message=message)


async def test_a_full_inbox_tells_the_sender(broker: Broker, connect: Connect) -> None:
    lifecycle = await connect(broker.service_login("lifecycle"))
    frank = await connect(await broker.register("frank"))
    small = msgspec.structs.replace(INBOX, max_msgs_per_subject=1)
    await lifecycle.declare(small)
    try:
        for number in (1, 2):
            message = InboxMessage(id=f"full-{number}", body="hi", sent_at=NOW)
            if number == 1:
                assert await frank.send_message(to="gina", sender="frank", message=message)
            else:
                with pytest.raises(HiveError) as caught:
                    await frank.send_message(to="gina", sender="frank", message=message)
                assert caught.value.code == "inbox_full"
    finally:
        await lifecycle.declare(INBOX)


async def test_declaring_twice_changes_nothing(broker: Broker, connect: Connect) -> None:
    lifecycle = await connect(broker.service_login("lifecycle"))
    await lifecycle.declare(EVENTS)
    before = await lifecycle.jetstream.stream_info("EVENTS")
    await lifecycle.declare(EVENTS)
    after = await lifecycle.jetstream.stream_info("EVENTS")
    assert before.config == after.config
    assert before.created == after.created


async def test_a_reload_leaves_every_connection_as_it_is(broker: Broker, connect: Connect) -> None:
    harry = await connect(await broker.register("harry"))
    before = harry.client.client_id
    await broker.register("iris")
    await harry.client.flush()
    assert harry.client.client_id == before
    assert harry.client.stats["reconnects"] == 0


async def test_a_broken_file_is_refused_in_the_servers_words_and_changes_nothing(
    tmp_path: Path,
) -> None:
    with running_broker(tmp_path) as broker:
        system = await Bus.connect(broker.system_login(), patience_s=5)
        agents = tmp_path / "bus/agents.conf"
        agents.write_text("users = [ { nkey: nonsense } ]")
        with pytest.raises(HiveError) as caught:
            await reload_server(system)
        assert caught.value.code == "bad_bus_config"
        assert "nonsense" in caught.value.message or "nkey" in caught.value.message.lower()
        agents.write_text("users = []")
        await reload_server(system)
        await system.drain()


async def test_everything_goes_on_after_kill_9_of_the_server(tmp_path: Path) -> None:
    with running_broker(tmp_path) as broker:
        login = await broker.register("jane")
        jane = await Bus.connect(login, patience_s=5)
        received: asyncio.Queue[bytes] = asyncio.Queue()

        async def take(msg: object) -> None:
            await received.put(b"one")

        await jane.subscribe("deliver.jane", take)
        await jane.client.flush()
        broker.kill()
        with pytest.raises(Unavailable):
            await jane.publish_acked("events.jane.text", b"{}", message_id="1", timeout_s=0.3)
        broker.start()
        async with asyncio.timeout(10):
            while not jane.connected:
                await asyncio.sleep(0.02)
            assert await jane.publish_acked("events.jane.text", b"{}", message_id="1")
            message = InboxMessage(id="after", body="hi", sent_at=NOW)
            await jane.send_message(to="jane", sender="jane", message=message)
            await received.get()
        await jane.drain()


def test_a_key_is_made_once_kept_and_private(tmp_path: Path) -> None:
    file = tmp_path / "keys/alice.nk"
    public = ensure_key(file)
    assert public.startswith("U")
    assert (ensure_key(file), file.stat().st_mode & 0o777) == (public, 0o600)
    file.write_text("nonsense")
    with pytest.raises(HiveError) as caught:
        read_seed(file)
    assert caught.value.code == "bad_key"
    assert str(file) in caught.value.message
