"""Two agents exchange 500 messages while everything around them is restarted and killed."""

import asyncio
import re
import socket
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hivecommon.bus import Bus
from hivecommon.contracts.events import AgentEvent, TurnEnded, TurnStarted
from hivecommon.contracts.inbox import InboxMessage
from hivecommon.contracts.lifecycle import ListAgents
from hivetesting.hive import SERVICES, RunningHive, running_hive
from hivetesting.messages_api.request import Request
from hivetesting.messages_api.rules import Rule, Rules
from hivetesting.messages_api.server import ScriptedMessagesApi
from hivetesting.messages_api.steps import Step, Text, ToolUse
from hivetesting.stream_reader import read_stream

CHAINS = 4
MESSAGES = 500
PER_CHAIN = MESSAGES // CHAINS
AGENT = r"[Yy]ou are (?:the agent )?`?(?P<agent>alice|bob)"
PING = r"ping (?P<chain>\d+) (?P<number>\d+)"

pytestmark = pytest.mark.timeout(900)


def pass_on(request: Request, found: re.Match[str]) -> tuple[Step, ...]:
    number = int(found["number"])
    if number >= PER_CHAIN:
        return (Text("the end"),)
    other = "bob" if request.agent == "alice" else "alice"
    body = f"ping {found['chain']} {number + 1}"
    return (ToolUse("mcp__hive__send", {"to": other, "body": body}),)


SCRIPT = Rules(Rule(text=PING, answer=pass_on), otherwise=lambda _: (Text("noted"),))


@pytest.fixture
def hive(tmp_path: Path) -> Iterator[RunningHive]:
    with (
        ScriptedMessagesApi(SCRIPT, agent_pattern=AGENT) as api,
        running_hive(tmp_path, api.base_url) as running,
    ):
        for name in ("alice", "bob"):
            said = running.hive("spawn", name)
            assert said.code == 0, said.err
            running.until_running(name)
        yield running


async def test_500_messages_survive_the_restart_of_everything(hive: RunningHive) -> None:
    operator = await hive.connect()
    before = agents_connections(hive)
    for chain in range(CHAINS):
        said = await asyncio.to_thread(hive.hive, "send", "alice", f"ping {chain} 1")
        assert said.code == 0, said.err

    for service in SERVICES:
        for force in (False, True):
            await restart(hive, service, force=force)
    assert agents_connections(hive) == before, "a harness lost its connection"

    assert dashboards_port_is_held(hive)
    await restart(hive, "nats-server", force=True)
    await until_exchanged(operator, MESSAGES)
    await exchanged_exactly_once(operator)
    await operator.client.close()


def dashboards_port_is_held(hive: RunningHive) -> bool:
    """Kill the dashboard and try to take its port before it is back."""
    hive.kill("hive_dashboard")
    with socket.socket() as thief:
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            thief.bind(("127.0.0.1", hive.dashboard_port))
            thief.listen()
        except OSError:
            return True
    return False


def agents_connections(hive: RunningHive) -> dict[str, int]:
    return {name: cid for name, cid in hive.connections().items() if name in {"alice", "bob"}}


async def restart(hive: RunningHive, service: str, *, force: bool) -> None:
    old = await asyncio.to_thread(hive.kill, service, force=force)
    async with asyncio.timeout(30):
        while True:
            now = {process.pid for process in await asyncio.to_thread(hive.processes, service)}
            if now - {old}:
                ready = await asyncio.to_thread(hive.ready)
                if ready:
                    return
            await asyncio.sleep(0.05)


async def pings(operator: Bus) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    async for subject, payload in read_stream(operator, "INBOX", "inbox.>"):
        body = InboxMessage.decode(payload).body
        if re.fullmatch(PING, body):
            found[(InboxMessage.route(subject)[0], body)] += 1
    return found


async def until_exchanged(operator: Bus, count: int) -> None:
    """Wait as long as it goes on: half a minute without a new message is a standstill."""
    seen, since = 0, time.monotonic()
    while seen < count:
        now = len(await pings(operator))
        if now != seen:
            seen, since = now, time.monotonic()
        assert time.monotonic() - since < 90, f"stuck after {seen} messages"
        await asyncio.sleep(0.5)


async def exchanged_exactly_once(operator: Bus) -> None:
    sent = await pings(operator)
    expected = {
        ("alice" if number % 2 else "bob", f"ping {chain} {number}")
        for chain in range(CHAINS)
        for number in range(1, PER_CHAIN + 1)
    }
    assert set(sent) == expected
    assert {ping: times for ping, times in sent.items() if times > 1} == {}

    await until_quiet(operator)
    for agent in ("alice", "bob"):
        events = [
            msgspec.json.decode(payload, type=AgentEvent)
            async for _, payload in read_stream(operator, "EVENTS", f"events.{agent}.>")
        ]
        numbers = [event.seq for event in events]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), "gap or double"
        answered = Counter(
            event.body.message_id
            for event in events
            if isinstance(event.body, TurnEnded) and event.body.outcome == "answered"
        )
        assert all(times == 1 for times in answered.values())
        assert len(answered) == len([to for to, _ in expected if to == agent])
        first = {e.body.message_id for e in events if isinstance(e.body, TurnStarted)}
        assert set(answered) == first


async def until_quiet(operator: Bus) -> None:
    async with asyncio.timeout(60):
        while any(
            row.harness.activity != "idle" or row.harness.unread
            for row in (await operator.request(ListAgents())).agents
        ):
            await asyncio.sleep(0.2)
