"""Two agents that pass messages to and fro, and what must be true of them whatever happened meanwhile."""

import asyncio
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

import msgspec
from hivecommon.bus import Bus
from hivecommon.contracts.events import AgentEvent, TurnEnded, TurnStarted
from hivecommon.contracts.inbox import InboxMessage
from hivecommon.contracts.lifecycle import ListAgents

from hivetesting.messages_api.request import Request
from hivetesting.messages_api.rules import Rule, Rules
from hivetesting.messages_api.steps import Step, Text, ToolUse
from hivetesting.stream_reader import read_stream

AGENTS: Final = ("alice", "bob")
AGENT: Final = r"[Yy]ou are (?:the agent )?`?(?P<agent>alice|bob)"
PING: Final = r"ping (?P<chain>\d+) (?P<number>\d+)"
STANDSTILL_S: Final = 90
Sent = Counter[tuple[str, str]]
"""How often each message (its recipient and text) is in the inboxes."""


@dataclass(frozen=True)
class Exchange:
    """Chains of messages between alice and bob: whoever gets number n sends number n + 1."""

    chains: int
    per_chain: int
    script: Rules = field(init=False)

    def __post_init__(self) -> None:
        script = Rules(Rule(text=PING, answer=self._pass_on), otherwise=lambda _: (Text("noted"),))
        object.__setattr__(self, "script", script)

    @property
    def messages(self) -> int:
        """How many messages there will be."""
        return self.chains * self.per_chain

    @property
    def expected(self) -> set[tuple[str, str]]:
        """All of them."""
        return {
            ("alice" if number % 2 else "bob", f"ping {chain} {number}")
            for chain in range(self.chains)
            for number in range(1, self.per_chain + 1)
        }

    def _pass_on(self, request: Request, found: re.Match[str]) -> tuple[Step, ...]:
        number = int(found["number"])
        if number >= self.per_chain:
            return (Text("the end"),)
        other = "bob" if request.agent == "alice" else "alice"
        body = f"ping {found['chain']} {number + 1}"
        return (ToolUse("mcp__hive__send", {"to": other, "body": body}),)

    async def sent(self, operator: Bus) -> Sent:
        """Return what stands in the inboxes so far."""
        found: Sent = Counter()
        async for subject, payload in read_stream(operator, "INBOX", "inbox.>"):
            body = InboxMessage.decode(payload).body
            if re.fullmatch(PING, body):
                found[(InboxMessage.route(subject)[0], body)] += 1
        return found

    async def until(self, operator: Bus, count: int) -> None:
        """Wait until `count` messages were sent, as long as it goes on."""
        seen, since = 0, time.monotonic()
        while seen < count:
            now = len(await self.sent(operator))
            if now != seen:
                seen, since = now, time.monotonic()
            if time.monotonic() - since > STANDSTILL_S:
                raise TimeoutError(f"stuck after {seen} messages")
            await asyncio.sleep(0.2)

    async def until_quiet(self, operator: Bus) -> None:
        """Wait until nobody is at work and nothing is unread."""
        async with asyncio.timeout(60):
            while True:
                rows = (await operator.request(ListAgents())).agents
                if all(row.harness.activity == "idle" and not row.harness.unread for row in rows):
                    return
                await asyncio.sleep(0.2)

    async def faults(self, operator: Bus, *, twice: int = 0) -> list[str]:
        """Return what is wrong once all is done and quiet; at most `twice` messages may be doubled.

        All must be there and answered once each, and an agent's events without gap or double.
        """
        await self.until_quiet(operator)
        sent = await self.sent(operator)
        doubled = {ping: times for ping, times in sent.items() if times > 1}
        found = [f"lost: {ping}" for ping in self.expected - set(sent)]
        found += [f"not of ours: {ping}" for ping in set(sent) - self.expected]
        if sum(doubled.values()) - len(doubled) > twice:
            found.append(f"doubled: {doubled}")
        for agent in AGENTS:
            arrived = sum(times for (to, _), times in sent.items() if to == agent)
            found += [f"{agent}: {fault}" for fault in await _faults(operator, agent, arrived)]
        return found


async def _faults(operator: Bus, agent: str, arrived: int) -> list[str]:
    events = [
        msgspec.json.decode(payload, type=AgentEvent)
        async for _, payload in read_stream(operator, "EVENTS", f"events.{agent}.>")
    ]
    found = []
    numbers = [event.seq for event in events]
    if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        found.append(f"events with a gap or a double: {numbers}")
    answered = Counter(
        event.body.message_id
        for event in events
        if isinstance(event.body, TurnEnded) and event.body.outcome == "answered"
    )
    found += [f"{message} was answered {n} times" for message, n in answered.items() if n > 1]
    if len(answered) != arrived:
        found.append(f"{len(answered)} of {arrived} messages were answered")
    started = {event.body.message_id for event in events if isinstance(event.body, TurnStarted)}
    found += [f"{message} was begun and not answered" for message in started - set(answered)]
    return found
