"""From sending a message to an agent to the start of its turn, against the bus alone."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

import msgspec
from hivecommon.broker_admin import declare_inbox
from hivecommon.bus import Bus
from hivecommon.contracts.events import AgentEvent, TurnEnded, TurnStarted
from hivecommon.contracts.inbox import InboxMessage, delivery_subject
from hivecommon.contracts.lifecycle import GetStatus, Spawn
from hivecommon.contracts.roster import Activity
from hivecommon.names import AgentName
from hivetesting.messages_api.server import ScriptedMessagesApi
from nats.aio.msg import Msg

from bench.frame.figures import Pair, Result, Sample, figure, ratio
from bench.frame.swarm import Swarm, swarm
from bench.frame.turns import WALL, Act, in_turn

AIM_MS: Final = 20
AGENT: Final = "alice"
RAW_AGENT: Final = "raw"
_ROUNDS: Final = 60
_BUDGET_S: Final = 30
_READY_S: Final = 60
_TURN_S: Final = 20
_SOME_DAY: Final = datetime(2026, 1, 1, tzinfo=UTC)
_MS: Final = 1000


async def measure() -> Result:
    """Send messages to a real harness, and to a plain client that stands where a harness would."""
    with ScriptedMessagesApi() as api, swarm(api.base_url) as hive:
        hive.write_stopped_agents([RAW_AGENT])
        async with hive.operator() as operator:
            await hive.start_all(operator)
            watch = _Watch()
            for kind in ("turn_started", "turn_ended"):
                await operator.subscribe(f"events.*.{kind}", watch.take)
            await operator.request(Spawn(agent=AGENT))
            await _until_idle(operator, hive)
            async with hive.connected(hive.broker.service_login("lifecycle")) as lifecycle:
                await declare_inbox(lifecycle, AgentName(RAW_AGENT))
            async with hive.connected(hive.broker.agent_login(RAW_AGENT)) as plain:
                await plain.client.subscribe(delivery_subject(RAW_AGENT), cb=_turn(plain))
                await plain.client.flush()
                taken = await in_turn(
                    {
                        "turn started": _send(operator, watch, AGENT),
                        "raw": _send(operator, watch, RAW_AGENT),
                    },
                    rounds=_ROUNDS, budget_s=_BUDGET_S, warm_up=3,
                )  # fmt: skip
    asked = [exchange.received_s for exchange in api.exchanges][-len(watch.sent_s) :]
    to_api = Sample(
        "ms", tuple((at - sent) * _MS for at, sent in zip(asked, watch.sent_s, strict=True))
    )
    return Result(
        name="turn_start",
        title="a message sent to an agent until its turn has started, as an operator sees it",
        figures=[
            figure("sent to turn_started", taken["turn started"], at_most=AIM_MS),
            figure("raw: stored, delivered, an event published", taken["raw"]),
            ratio("  ratio", Pair(taken["turn started"], taken["raw"])),
            figure("sent to the model's API being asked", to_api),
        ],
        notes=[
            "the event is written to the agent's sqlite before it is published: the time is in there",
            "between the turn's start and the API lies the Claude CLI alone",
        ],
    )


class _Watch:
    """Hears the events, and wakes whoever waits for one."""

    def __init__(self) -> None:
        self.sent_s: list[float] = []
        self._waiting: dict[tuple[str, str], asyncio.Future[None]] = {}

    async def take(self, msg: Msg) -> None:
        """Take in an event."""
        event = msgspec.json.decode(msg.data, type=AgentEvent)
        if isinstance(event.body, TurnStarted | TurnEnded):
            found = self._waiting.pop((event.kind, event.body.message_id), None)
            if found is not None:
                found.set_result(None)

    def expect(self, kind: str, message_id: str) -> asyncio.Future[None]:
        """Return what is done when this event of this message comes."""
        expected = asyncio.get_running_loop().create_future()
        self._waiting[kind, message_id] = expected
        return expected


def _send(operator: Bus, watch: _Watch, to: str) -> Act:
    async def act() -> dict[str, float]:
        message = InboxMessage(id=uuid4().hex, body="hello", sent_at=_SOME_DAY)
        started = watch.expect("turn_started", message.id)
        ended = watch.expect("turn_ended", message.id)
        if to == AGENT:
            watch.sent_s.append(time.monotonic())
        began = time.perf_counter()
        await operator.send_message(to=to, sender="operator", message=message)
        try:
            async with asyncio.timeout(_TURN_S):
                await started
                took = time.perf_counter() - began
                await ended
        except TimeoutError as error:
            raise TimeoutError(f"no turn of {to} within {_TURN_S} s") from error
        return {WALL: took}

    return act


def _turn(plain: Bus) -> Callable[[Msg], Awaitable[None]]:
    """Return what stands for a turn without a harness: publish that it began and ended, acknowledge."""
    subject = {kind: f"events.{RAW_AGENT}.{kind}" for kind in ("turn_started", "turn_ended")}

    async def take(msg: Msg) -> None:
        message = InboxMessage.decode(msg.data)
        start = TurnStarted(message.id, "operator", message.body)
        end = TurnEnded(message.id, "answered")
        await plain.publish(subject["turn_started"], _event(start))
        await plain.publish(subject["turn_ended"], _event(end))
        await msg.ack()

    return take


def _event(body: TurnStarted | TurnEnded) -> bytes:
    return msgspec.json.encode(AgentEvent(seq=1, at=_SOME_DAY, body=body))


async def _until_idle(operator: Bus, hive: Swarm) -> None:
    try:
        async with asyncio.timeout(_READY_S):
            while True:
                row = (await operator.request(GetStatus(agent=AGENT))).agent
                if row.harness.activity is Activity.IDLE:
                    return
                await asyncio.sleep(0.1)
    except TimeoutError as error:
        raise TimeoutError(f"{AGENT} does not come up:\n{hive.output}") from error
