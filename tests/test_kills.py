"""Two agents talk while their harnesses, the CLIs and the bus are killed at random moments.

`--kills 50` tries all fifty points of the promise, `--kill-seed N` repeats a run that failed,
`--outage-s 600` is an outage of ten minutes.
"""

import asyncio
import os
import random
import re
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hivecommon.contracts.harness import AskHarness
from hivecommon.home import HiveHome
from hivetesting.agents import Agents
from hivetesting.broker import Broker
from hivetesting.conversation import BALL, Game, Record, script, unmarked_prompts
from hivetesting.fixtures import Connect
from hivetesting.harness import AGENT_PATTERN, HarnessProcess, tell
from hivetesting.messages_api.journal import Exchange
from hivetesting.messages_api.server import ScriptedMessagesApi

PLAYERS = ("alice", "bob")
BALLS = 20
KILLS_PER_GAME = 10
# A turn takes half a second on an idle machine: the points lie within turns and between them.
SPREAD_S = 1.0
GAME_S = 180
PROGRAMS = {"claude": "claude", "keeper": "python"}

pytestmark = pytest.mark.timeout(1500)


@pytest.fixture
def api() -> Iterator[ScriptedMessagesApi]:
    rules = script(PLAYERS, BALLS)
    with ScriptedMessagesApi(rules, agent_pattern=AGENT_PATTERN, capacity=10_000) as running:
        yield running
        assert not running.invalid


@pytest.fixture
async def agents(
    api: ScriptedMessagesApi, connect: Connect, tmp_path: Path
) -> AsyncIterator[Agents]:
    broker = Broker(HiveHome(tmp_path / "hive")).start()
    operator = await connect(broker.operator_login())
    lifecycle = await connect(broker.service_login("lifecycle"))
    agents = Agents(broker, operator, lifecycle, api, tmp_path)
    try:
        for player in PLAYERS:
            (await agents.register(player)).start()
        yield agents
    finally:
        agents.kill_all()
        broker.kill()


async def test_a_conversation_survives_kills_at_random_points(
    agents: Agents, request: pytest.FixtureRequest
) -> None:
    kills: int = request.config.getoption("--kills")
    seed = request.config.getoption("--kill-seed")
    seed = random.SystemRandom().randrange(1 << 32) if seed is None else int(seed)
    print(f"{kills} kills, --kill-seed {seed}")  # noqa: T201 - shown when it fails
    chance = random.Random(seed)  # noqa: S311 - moments, not secrets
    for number, begin in enumerate(range(0, kills, KILLS_PER_GAME), start=1):
        game = Game(PLAYERS, number, BALLS)
        await play(agents, game, min(KILLS_PER_GAME, kills - begin), chance)
    assert unmarked_prompts(agents.api.requests) == []
    for agent in agents.made:
        await agents.operator.request(AskHarness(), agent=agent.name, timeout_s=60)  # it is up
        assert await agent.stop() == 0
        assert not agent.programs(), "nothing is left running"


async def test_a_conversation_survives_a_long_outage_of_the_bus(
    agents: Agents, request: pytest.FixtureRequest
) -> None:
    game = Game(PLAYERS, 1, BALLS)
    await tell(agents.operator, game.receiver(1), game.ball(1))
    await asked(agents, game, 3)
    agents.broker.kill()
    await asyncio.sleep(request.config.getoption("--outage-s"))  # the outage itself
    await asyncio.to_thread(agents.broker.start)
    record = await until_over(agents, game)
    assert record.violations(game) == []


async def play(agents: Agents, game: Game, kills: int, chance: random.Random) -> None:
    await tell(agents.operator, game.receiver(1), game.ball(1))
    for ball in sorted(chance.sample(range(1, game.last + 1), kills)):
        await asked(agents, game, ball)
        await asyncio.sleep(chance.uniform(0, SPREAD_S))
        victim = chance.choice(["harness", "harness", "claude", "claude", "keeper", "bus"])
        agent = chance.choice(agents.made)
        pause_s = chance.uniform(0, 0.5)
        print(f"game {game.number}, ball {ball}: {victim} of {agent.name}, {pause_s:.2f} s")  # noqa: T201
        await kill(agents, agent, victim, pause_s)
    record = await until_over(agents, game)
    assert record.violations(game) == []


async def asked(agents: Agents, game: Game, ball: int) -> None:
    """Return once the model of its receiver has been given the ball, also while the bus is away."""

    def given(exchange: Exchange) -> bool:
        found = re.search(BALL, exchange.request.last_user_text)
        return found is not None and found[0] == game.ball(ball)

    try:
        await agents.api.wait_for(given, deadline_s=GAME_S)
    except TimeoutError as error:
        raise AssertionError(f"{game.ball(ball)} never came\n{last_words(agents)}") from error


async def kill(agents: Agents, agent: HarnessProcess, victim: str, pause_s: float) -> None:
    """Kill one part; what a supervisor restarts is back after `pause_s`."""
    if victim == "bus":
        agents.broker.kill()
        await asyncio.sleep(pause_s)
        await asyncio.to_thread(agents.broker.start)
    elif victim in PROGRAMS:
        # While it is just being started again there is none, and it is not needed to wait for one.
        for pid, program in agent.programs().items():
            if program.startswith(PROGRAMS[victim]):
                os.kill(pid, signal.SIGKILL)
    else:
        agent.kill()
        async with asyncio.timeout(30):
            while agent.programs():
                await asyncio.sleep(0.02)
        await asyncio.sleep(pause_s)
        agent.start()


async def until_over(agents: Agents, game: Game) -> Record:
    record = Record()
    try:
        async with asyncio.timeout(GAME_S):
            while True:
                record = await Record.read(agents.operator, game.players)
                if record.over(game):
                    return record
                await asyncio.sleep(0.2)
    except TimeoutError as error:
        raise AssertionError(f"{record.violations(game)}\n{last_words(agents)}") from error


def last_words(agents: Agents) -> str:
    return "\n".join(f"== {agent.name}\n{agent.log[-3000:]}" for agent in agents.made)
