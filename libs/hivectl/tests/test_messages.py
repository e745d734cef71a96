"""`hive send` and `hive inbox`, with an agent played by the test."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

import msgspec
import pytest
from hivecommon.bus import Bus
from hivecommon.contracts.events import (
    AgentEvent,
    AgentEventBody,
    MessageSent,
    Text,
    TurnEnded,
    TurnStarted,
)
from hivecommon.contracts.inbox import InboxMessage, delivery_subject
from hivecommon.contracts.roster import ContainerState, RosterRow
from hivecommon.contracts.streams import ROSTER_BUCKET
from hivetesting.broker import OPERATOR, Broker
from hivetesting.commands import HiveCommand
from hivetesting.fixtures import Connect
from nats.aio.msg import Msg

AT = datetime(2026, 11, 22, tzinfo=UTC)


@dataclass
class Agent:
    """An agent on the bus."""

    name: str
    bus: Bus
    seq: int = 0

    async def tell(self, body: AgentEventBody, turn: int) -> None:
        self.seq += 1
        event = AgentEvent(seq=self.seq, at=AT, turn=turn, body=body)
        await self.bus.publish_acked(
            event.subject_for(self.name), msgspec.json.encode(event), message_id=uuid4().hex
        )

    async def receive(self, handle: Callable[[InboxMessage], Awaitable[None]]) -> None:
        async def taken(msg: Msg) -> None:
            await msg.ack()
            await handle(InboxMessage.decode(msg.data))

        await self.bus.subscribe(delivery_subject(self.name), taken)
        await self.bus.client.flush()

    async def write_to_operator(self, body: str) -> None:
        message = InboxMessage(id=uuid4().hex, body=body, sent_at=AT)
        await self.bus.send_message(to="operator", sender=self.name, message=message)


Spawn = Callable[..., Awaitable[Agent]]


@pytest.fixture
async def spawn(broker: Broker, connect: Connect, streams: None) -> Spawn:
    lifecycle = await connect(broker.service_login("lifecycle"))
    bucket = await lifecycle.jetstream.create_key_value(bucket=ROSTER_BUCKET)

    async def make(name: str, state: ContainerState = ContainerState.RUNNING) -> Agent:
        bus = await connect(await broker.register(name))
        row = RosterRow(
            name=name, manager=False, port=8100, runtime="local", sandboxed=True, since=AT,
            wanted="running", state=state,
        )  # fmt: skip
        await bucket.put(name, msgspec.json.encode(row))
        return Agent(name, bus)

    return make


async def test_a_message_arrives_with_the_operators_name(hive: HiveCommand, spawn: Spawn) -> None:
    agent = await spawn("s1")
    arrived: asyncio.Queue[InboxMessage] = asyncio.Queue()
    await agent.receive(arrived.put)
    said = await hive("send", "s1", "two", "words", "--json")
    async with asyncio.timeout(5):
        message = await arrived.get()
    assert said.json == {"ok": True, "message_id": message.id}
    assert (message.body, message.by) == ("two words", OPERATOR)


async def test_a_message_can_come_from_stdin(hive: HiveCommand, spawn: Spawn) -> None:
    agent = await spawn("s2")
    arrived: asyncio.Queue[InboxMessage] = asyncio.Queue()
    await agent.receive(arrived.put)
    for arguments in (("send", "s2", "-"), ("send", "s2")):
        said = await asyncio.to_thread(hive.process, *arguments, stdin="über\nlines\n")
        assert said.code == 0, said.err
        async with asyncio.timeout(5):
            assert (await arrived.get()).body == "über\nlines\n"


async def test_nobody_gets_a_message_by_a_slip(hive: HiveCommand, spawn: Spawn) -> None:
    await spawn("s3")
    said = await hive("send", "s33", "hi")
    assert said.code == 1
    assert "there is no agent 's33'" in said.err


async def test_a_stopped_agent_gets_it_later_and_that_is_said(
    hive: HiveCommand, spawn: Spawn
) -> None:
    await spawn("s4", ContainerState.STOPPED)
    said = await hive("send", "s4", "hi")
    assert said.code == 0
    assert "s4 is stopped: the message waits for it" in said.err


@pytest.mark.parametrize(("outcome", "code"), [("answered", 0), ("failed", 1), ("interrupted", 1)])
async def test_waiting_shows_the_turn_that_answers(
    hive: HiveCommand, spawn: Spawn, outcome: str, code: int
) -> None:
    agent = await spawn(outcome[:9])

    async def work(message: InboxMessage) -> None:
        await agent.tell(TurnStarted("another", "bob", "x"), turn=1)
        await agent.tell(Text("not for you"), turn=1)
        await agent.tell(TurnEnded("another", "answered"), turn=1)
        await agent.tell(TurnStarted(message.id, "operator", message.body), turn=2)
        await agent.tell(Text("thinking \x1b[2Jaloud"), turn=2)
        await agent.tell(MessageSent("operator", "m", "the answer"), turn=2)
        await agent.tell(TurnEnded(message.id, outcome, 1.5, error="why"), turn=2)

    await agent.receive(work)
    said = await hive("send", agent.name, "go", "--wait")
    assert said.code == code
    assert said.out == f"thinking \\x1b[2Jaloud\n{agent.name} writes:\n  the answer\n"
    whole = await hive("send", agent.name, "go", "--wait", "--json")
    assert whole.code == code
    assert whole.json["outcome"] == outcome
    assert whole.json["ok"] is (code == 0)
    assert whole.json["texts"] == ["thinking \x1b[2Jaloud"]
    assert whole.json["replies"] == ["the answer"]


async def test_waiting_ends_and_says_that_the_message_is_kept(
    hive: HiveCommand, spawn: Spawn
) -> None:
    await spawn("s6")
    said = await hive("send", "s6", "hi", "--wait", "--timeout", "0.3")
    assert said.code == 1
    assert "within 0.3 s" in said.err
    assert "the message is kept" in said.err


async def test_the_inbox_marks_what_was_not_seen_before(hive: HiveCommand, spawn: Spawn) -> None:
    agent = await spawn("s7")
    await agent.write_to_operator("first\nerror: \x1b[2Jfake")
    first = await hive("inbox")
    assert "\n  first\n  error: \\x1b[2Jfake\n" in "\n" + first.out
    assert first.out.splitlines()[-3].startswith("* ")
    await agent.write_to_operator("second")
    second = await hive("inbox")
    heads = [line for line in second.out.splitlines() if " s7 " in line]
    assert [head[0] for head in heads] == [" ", "*"]
    whole = await hive("inbox", "--json")
    assert [message["body"] for message in whole.json["messages"]][-1] == "second"
    assert {message["sender"] for message in whole.json["messages"][-2:]} == {"s7"}
    assert not any(message["new"] for message in whole.json["messages"])


async def test_the_inbox_shows_the_newest_twenty_unless_all_are_asked_for(
    hive: HiveCommand, spawn: Spawn
) -> None:
    agent = await spawn("s8")
    for number in range(30):
        await agent.write_to_operator(f"number {number}")
    newest = (await hive("inbox", "--json")).json["messages"]
    everything = (await hive("inbox", "--all", "--json")).json["messages"]
    assert [message["body"] for message in newest] == [f"number {n}" for n in range(10, 30)]
    assert len(everything) >= 30


async def test_what_is_no_message_is_left_out(hive: HiveCommand, spawn: Spawn) -> None:
    agent = await spawn("s9")
    await agent.bus.publish_acked("inbox.operator.s9", b"not json", message_id=uuid4().hex)
    said = await hive("inbox", "--all", "--json")
    assert said.code == 0
    assert "s9" not in {message["sender"] for message in said.json["messages"]}


async def test_following_the_inbox_shows_what_comes(hive: HiveCommand, spawn: Spawn) -> None:
    agent = await spawn("s10")
    with hive.on_terminal("inbox", "-f") as screen:
        await agent.write_to_operator("live one")
        assert "live one" in await asyncio.to_thread(screen.until, "live one")
        await agent.write_to_operator("live two")
        await asyncio.to_thread(screen.until, "live two")
