"""Asking for the roster of 20 agents, against a raw nats-py micro service that answers as much."""

import sys
from pathlib import Path
from typing import Final

import msgspec
from hivecommon.broker import service_key
from hivecommon.bus import Bus
from hivecommon.contracts.lifecycle import ListAgents

from bench.frame import echo
from bench.frame.figures import Pair, Result, figure, ratio
from bench.frame.swarm import Swarm, swarm
from bench.frame.turns import Act, in_turn

AGENTS: Final = 20
AIM: Final = 1.3
_ROUNDS: Final = 1500
_BUDGET_S: Final = 20
_WARM_UP: Final = 50


async def measure() -> Result:
    """Measure from an operator's account and from within HIVE, so that the crossing shows."""
    with swarm() as hive:
        hive.write_stopped_agents(f"a{number}x{number * 7}" for number in range(AGENTS))
        async with (
            hive.operator() as operator,
            hive.connected(hive.broker.service_login("dashboard")) as dashboard,
        ):
            await hive.start_all(operator)
            size = len(msgspec.json.encode(await _agents(operator)))
            same, empty = await _echo(hive, operator, size), await _echo(hive, operator, 2)
            taken = await in_turn(
                {
                    "ours": _list(operator),
                    "raw": _ask(operator, same),
                    "raw, empty": _ask(operator, empty),
                    "ours in HIVE": _list(dashboard),
                    "raw in HIVE": _ask(dashboard, same),
                    "raw in HIVE, empty": _ask(dashboard, empty),
                },
                rounds=_ROUNDS, budget_s=_BUDGET_S, warm_up=_WARM_UP,
            )  # fmt: skip
    crossing, inside = (
        Pair(taken["ours"], taken["raw"]),
        Pair(taken["ours in HIVE"], taken["raw in HIVE"]),
    )
    all_of_it = Pair(taken["ours"], taken["raw in HIVE, empty"])
    return Result(
        name="list_agents",
        title=f"hive.list with {AGENTS} agents ({size} bytes) against a raw nats-py micro echo",
        figures=[
            figure("hive.list, operator", taken["ours"]),
            figure("echo of as many bytes, operator", taken["raw"]),
            ratio("  ratio", crossing, at_most=AIM),
            figure("hive.list, within HIVE", taken["ours in HIVE"]),
            figure("echo of as many bytes, within HIVE", taken["raw in HIVE"]),
            ratio("  ratio", inside, at_most=AIM),
            figure("echo of 2 bytes, operator", taken["raw, empty"]),
            figure("echo of 2 bytes, within HIVE", taken["raw in HIVE, empty"]),
            ratio("crossing the accounts, raw", Pair(taken["raw"], taken["raw in HIVE"])),
            ratio("all of it: hive.list, operator / echo of 2 bytes within HIVE", all_of_it),
        ],
    )  # fmt: skip


async def _agents(bus: Bus) -> object:
    reply = await bus.request(ListAgents())
    if len(reply.agents) != AGENTS:
        raise RuntimeError(f"{len(reply.agents)} agents are listed instead of {AGENTS}")
    return reply


async def _echo(hive: Swarm, bus: Bus, size: int) -> str:
    subject = f"hive.echo-{size}"
    # approvals' key may answer on hive.>; the server asks no more of it.
    key = service_key(hive.broker.home, "approvals")
    program = [sys.executable, str(Path(echo.__file__)), hive.broker.address.url, str(key)]
    hive.spawn([*program, subject, str(size)])
    await hive.first_answer(bus, subject)
    return subject


def _list(bus: Bus) -> Act:
    async def act() -> None:
        await bus.request(ListAgents())

    return act


def _ask(bus: Bus, subject: str) -> Act:
    async def act() -> None:
        await bus.client.request(subject, b"{}", timeout=5)

    return act
