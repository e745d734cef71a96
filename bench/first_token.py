"""From the model's first token to a subscriber on the bus, against the bare SDK."""

import asyncio
import time
from collections.abc import Mapping
from typing import Final

from claude_agent_sdk import AssistantMessage, ClaudeSDKClient
from hivetesting.messages_api.journal import Exchange
from hivetesting.messages_api.request import Request
from hivetesting.messages_api.server import ScriptedMessagesApi
from hivetesting.messages_api.steps import Hang, Step, Text

from bench.frame.figures import Pair, Result, Sample, figure, ratio
from bench.frame.lone import Lone, lone_agent
from bench.frame.turns import WALL, Act, in_turn

AIM_MS: Final = 10
_ROUNDS: Final = 60
_BUDGET_S: Final = 40


async def measure() -> Result:
    """Hold the model's answer back at a gate, open it, and wait for the word to arrive."""
    gate = _Gate()
    with ScriptedMessagesApi(gate.script) as api:
        async with lone_agent(api) as lone, lone.bare_client() as client:
            taken = await in_turn(
                {"hive": _to_a_subscriber(lone, gate), "sdk": _to_the_client(client, api, gate)},
                rounds=_ROUNDS, budget_s=_BUDGET_S, warm_up=3,
            )  # fmt: skip
    ours, raw = taken["hive"], taken["sdk"]
    more = Sample("ms", tuple(a - b for a, b in zip(ours.values, raw.values, strict=True)))
    return Result(
        name="first_token",
        title="the model's first (and only) token until a subscriber on the bus has it",
        figures=[
            figure("to a subscriber", ours, at_most=AIM_MS),
            figure("raw: to a client of the bare SDK", raw),
            ratio("  ratio", Pair(ours, raw)),
            figure("  the harness's and the bus's part", more),
        ],
        notes=["the raw side is the Claude CLI: what it takes is in ours too"],
    )


class _Gate:
    """A gate of its own for each request, so that no answer passes before its time."""

    def __init__(self) -> None:
        self._asked = 0

    def script(self, _request: Request) -> tuple[Step, ...]:
        self._asked += 1
        return (Hang(gate=self.name), Text("yes"))

    @property
    def name(self) -> str:
        """The gate at which the newest answer waits."""
        return f"gate {self._asked}"

    async def open(self, api: ScriptedMessagesApi, before: int) -> float:
        """Let the answer to the next request after `before` go; return when."""

        def asked(exchange: Exchange) -> bool:
            return exchange.number > before

        await api.wait_for(asked, deadline_s=30)
        api.release(self.name)
        return time.perf_counter()


def _to_a_subscriber(lone: Lone, gate: _Gate) -> Act:
    async def act() -> Mapping[str, float]:
        before = lone.api.count()
        heard = lone.ears.next("text")
        turn = asyncio.ensure_future(lone.turn())
        began = await gate.open(lone.api, before)
        await heard
        took = time.perf_counter() - began
        await turn
        return {WALL: took}

    return act


def _to_the_client(client: ClaudeSDKClient, api: ScriptedMessagesApi, gate: _Gate) -> Act:
    async def act() -> Mapping[str, float]:
        before, took = api.count(), 0.0
        await client.query("hello")
        began = await gate.open(api, before)
        async for message in client.receive_response():
            if isinstance(message, AssistantMessage):
                took = time.perf_counter() - began
        return {WALL: took}

    return act
