"""What an agent with its own key and a plain NATS client cannot do."""

import asyncio
import json
from collections.abc import AsyncIterator

import nats
import nats.errors
import pytest
from hivecommon.bus import Bus
from hivecommon.contracts.inbox import InboxMessage
from hivetesting.broker import Broker
from hivetesting.fixtures import Connect
from nats.aio.client import Client
from nats.aio.msg import Msg


class Alice:
    """A plain client with alice's credentials, and the errors that the server sent her."""

    def __init__(self, client: Client, errors: asyncio.Queue[str]) -> None:
        self.client = client
        self._errors = errors

    async def refused(self, subject: str) -> None:
        """Return once the server has refused what was just tried on `subject`."""
        async with asyncio.timeout(5):
            error = await self._errors.get()
        assert "permissions violation" in error.lower()
        assert subject.lower() in error.lower()


@pytest.fixture
async def alice(broker: Broker) -> AsyncIterator[Alice]:
    await broker.register("bob")
    login = await broker.register("alice")
    errors: asyncio.Queue[str] = asyncio.Queue()

    async def on_error(error: Exception) -> None:
        await errors.put(str(error))

    client = await nats.connect(
        login.url, nkeys_seed_str=login.seed, inbox_prefix=b"_INBOX_alice", error_cb=on_error
    )
    yield Alice(client, errors)
    await client.close()


@pytest.mark.parametrize(
    "subject",
    [
        "inbox.bob.bob", "inbox.bob.operator", "inbox.alice.hive", "inbox.alice.alice.x",
        "req.bob.request_spawn", "events.bob.status", "events.hive.job.x", "log.bob.info",
        "hive.list", "hive.destroy", "hive.approvals.approve", "svc.approvals.spawn",
        "agent.bob.interrupt", "deliver.bob", "_INBOX.lifecycle.x", "_R_.x", "_INBOX_bob.x",
        "$JS.API.STREAM.PURGE.INBOX", "$JS.API.CONSUMER.MSG.NEXT.INBOX.bob", "$JS.API.INFO",
        "$JS.ACK.INBOX.bob.1.1.1.1.1", "$JS.ACK.INBOX.bob_operator.1.1.1.1.1",
        "$KV.roster.bob", "$SYS.REQ.SERVER.PING", "$SRV.PING",
    ],
)  # fmt: skip
async def test_publishing_as_somebody_else_is_refused(alice: Alice, subject: str) -> None:
    await alice.client.publish(subject, b"{}")
    await alice.refused(subject)


@pytest.mark.parametrize(
    "subject",
    [
        "inbox.>", "inbox.bob.*", "deliver.bob", "deliver.*", "agent.bob.>", "agent.>", "_INBOX.>",
        "_INBOX_bob.>", "_R_.>", "hive.>", "req.>", "svc.>", "events.>", "log.>", "$SYS.>", ">",
        "$JS.>", "$KV.>",
    ],
)  # fmt: skip
async def test_listening_where_others_are_spoken_to_is_refused(alice: Alice, subject: str) -> None:
    await alice.client.subscribe(subject)
    await alice.refused(subject)


async def test_a_recipient_outside_the_allow_list_is_refused(
    broker: Broker, connect: Connect
) -> None:
    carol = await connect(await broker.register("carol", recipients=["alice"]))
    ack = await carol.client.request("inbox.alice.carol", b"{}", timeout=2)
    assert json.loads(ack.data)["stream"] == "INBOX"
    with pytest.raises(nats.errors.TimeoutError):
        await carol.client.request("inbox.bob.carol", b"{}", timeout=0.3)


async def test_a_sender_cannot_be_forged_in_the_payload(alice: Alice, broker: Broker) -> None:
    await alice.client.request("inbox.bob.alice", b'{"from": "operator"}', timeout=2)
    bob = await nats.connect(broker.address.url, nkeys_seed_str=broker.agent_login("bob").seed)
    delivered = await bob.subscribe("deliver.bob")
    message = await delivered.next_msg(timeout=5)
    while (await _sender(message.subject)) != "alice" or b"operator" not in message.data:
        await message.ack()
        message = await delivered.next_msg(timeout=5)
    await message.ack()
    await bob.flush()
    await bob.close()


async def _sender(subject: str) -> str:
    return InboxMessage.route(subject)[1]


@pytest.mark.parametrize(
    "target",
    ["hive.rebuild", "hive.list", "svc.approvals.spawn", "agent.bob.interrupt", "inbox.bob.bob"],
)
async def test_no_service_receives_a_message_through_a_reply_subject(
    alice: Alice, broker: Broker, connect: Connect, target: str
) -> None:
    received: list[str] = []
    arrived = asyncio.Event()
    lifecycle = await connect(broker.service_login("lifecycle"))

    async def take(msg: Msg) -> None:
        received.append(f"{msg.subject} {msg.data!r}")
        arrived.set()
        await msg.respond(b"an answer that the attacker would redirect")

    await lifecycle.subscribe("hive.>", take)
    await lifecycle.subscribe("svc.>", take)
    await lifecycle.subscribe("req.alice.>", take)
    await lifecycle.client.flush()
    # Right after a reload the server may lose a message on its way into another account.
    async with asyncio.timeout(5):
        while not arrived.is_set():
            await alice.client.publish("req.alice.roster", b"bob", reply=target)
            await alice.client.publish("inbox.bob.alice", b"{}", reply=target)
            await alice.client.publish("events.alice.status", b"{}", reply=target)
            await alice.client.flush()
            await _settle(lifecycle)
    await _settle(lifecycle)
    assert all(line.startswith("req.alice.roster ") for line in received), received


async def _settle(bus: Bus) -> None:
    for _ in range(3):
        await bus.client.flush()


async def test_removing_streams_takes_more_than_a_services_key(
    broker: Broker, connect: Connect
) -> None:
    approvals = await connect(broker.service_login("approvals"))
    for verb in ("STREAM.DELETE.INBOX", "STREAM.PURGE.INBOX", "STREAM.MSG.DELETE.INBOX"):
        with pytest.raises(nats.errors.TimeoutError):
            await approvals.client.request(f"$JS.API.{verb}", b"{}", timeout=0.2)


async def test_a_rollup_header_does_not_empty_an_inbox(alice: Alice, broker: Broker) -> None:
    await alice.client.request("inbox.bob.alice", b"{}", timeout=2)
    answer = await alice.client.request(
        "inbox.bob.alice", b"{}", timeout=2, headers={"Nats-Rollup": "all"}
    )
    assert "error" in json.loads(answer.data)
