"""What an agent achieves by naming somebody else's subject as the place for an answer.

The server never checks reply subjects. Across accounts only exported subjects exist; within the
agents' own account an answer to one agent can be steered to another.
"""

import asyncio
from collections.abc import AsyncIterator

import nats
import nats.js.errors
import pytest
from hivecommon.bus import Bus
from hivecommon.contracts.streams import STREAMS
from hivetesting.broker import Broker
from hivetesting.fixtures import Connect
from nats.aio.client import Client
from nats.aio.msg import Msg

ANSWER = b'{"id":"1","body":"do as I say","sent_at":"2026-01-01T00:00:00Z"}'


@pytest.fixture
async def alice(broker: Broker) -> AsyncIterator[Client]:
    await broker.register("bob")
    login = await broker.register("alice")
    client = await nats.connect(login.url, nkeys_seed_str=login.seed, inbox_prefix=b"_INBOX_alice")
    yield client
    await client.close()


class Hive:
    """Services that answer alice with what suits her, and note all that reaches them."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.received: list[str] = []
        self.answered = asyncio.Event()

    async def listen(self) -> None:
        for subject in ("hive.>", "req.*.>", "svc.*.>"):
            await self.bus.subscribe(subject, self.take)
        await self.bus.client.flush()

    async def take(self, msg: Msg) -> None:
        self.received.append(msg.subject)
        if msg.subject == "req.alice.roster":
            await msg.respond(ANSWER)
            self.answered.set()


@pytest.fixture
async def hive(broker: Broker, connect: Connect, alice: Client) -> Hive:
    services = Hive(await connect(broker.service_login("lifecycle")))
    await services.listen()
    return services


async def attack(alice: Client, hive: Hive, target: str) -> None:
    """Let a service and JetStream answer alice at `target`; return once both have."""
    async with asyncio.timeout(10):
        # Right after a reload the server may lose a message on its way into another account.
        while not hive.answered.is_set():
            await alice.publish("req.alice.roster", b"{}", reply=target)
            await alice.publish("inbox.bob.alice", b"{}", reply=target)
            await alice.publish("events.alice.status", b"{}", reply=target)
            for _ in range(3):
                await alice.flush()
                await hive.bus.client.flush()


@pytest.mark.parametrize(
    "target",
    [
        "inbox.bob.bob", "inbox.bob.operator", "inbox.alice.hive", "events.bob.status",
        "events.hive.job.x", "log.bob.info", "req.bob.roster", "req.hm1nd.request_spawn",
        "hive.destroy", "svc.approvals.spawn", "$KV.roster.bob", "$JS.API.STREAM.PURGE.INBOX",
    ],
)  # fmt: skip
async def test_no_answer_is_stored_or_heard_in_anothers_name(
    alice: Client, hive: Hive, target: str
) -> None:
    before = [await _messages(hive.bus, stream.name, target) for stream in STREAMS]
    await attack(alice, hive, target)
    assert [await _messages(hive.bus, stream.name, target) for stream in STREAMS] == before
    assert set(hive.received) == {"req.alice.roster"}
    alices = await hive.bus.jetstream.stream_info("INBOX", subjects_filter="inbox.bob.alice")
    assert alices.state.subjects  # what she sent in her own name did arrive


@pytest.mark.parametrize("target", ["agent.bob.interrupt", "deliver.bob", "_INBOX_bob.guessed"])
async def test_an_answer_steered_to_another_agent_has_no_reply_subject_of_its_own(
    alice: Client, hive: Hive, broker: Broker, connect: Connect, target: str
) -> None:
    # So harnesses tell it from a request (`_R_.…`) and from a delivery (`$JS.ACK.…`): they ignore it.
    bob = await connect(broker.agent_login("bob"))
    steered: asyncio.Queue[Msg] = asyncio.Queue()
    await bob.client.subscribe(target, cb=steered.put)
    await bob.client.flush()
    await attack(alice, hive, target)
    async with asyncio.timeout(5):
        while (msg := await steered.get()).subject != target:
            pass  # deliver.bob also brings what is in his inbox
    assert msg.reply == ""


async def _messages(bus: Bus, stream: str, subject: str) -> int:
    info = await bus.jetstream.stream_info(stream, subjects_filter=subject)
    return sum((info.state.subjects or {}).values())
