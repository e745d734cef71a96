"""From the start of a service's process to its first answer, against a bare client's."""

import sys
import time
from pathlib import Path
from typing import Final

import psutil
from hivecommon.broker import service_key
from hivecommon.bus import Bus

from bench.frame import first_answer
from bench.frame.figures import Pair, Result, figure, ratio
from bench.frame.swarm import SERVICES, Swarm, swarm
from bench.frame.turns import CPU, WALL, Act, in_turn

AIM_MS: Final = 600
_ROUNDS: Final = 9
_BUDGET_S: Final = 40
_RAW_SUBJECT: Final = "hive.first-answer"


async def measure() -> Result:
    """Start each service again and again, beside a program that imports nats, connects and answers."""
    with swarm() as hive:
        async with hive.operator() as operator:
            raw = [sys.executable, str(Path(first_answer.__file__)), hive.broker.address.url,
                   str(service_key(hive.broker.home, "approvals")), _RAW_SUBJECT]  # fmt: skip
            sides: dict[str, Act] = {
                service: _start(hive, operator, [sys.executable, "-m", f"hive_{service}"], subject)
                for service, subject in SERVICES.items()
            }
            sides["raw"] = _start(hive, operator, raw, _RAW_SUBJECT)
            taken = await in_turn(sides, rounds=_ROUNDS, budget_s=_BUDGET_S)
    figures = [
        line
        for service in SERVICES
        for line in (
            figure(service, taken[service], at_most=AIM_MS),
            figure("  CPU", taken[service + CPU]),
            ratio("  ratio to the raw one", Pair(taken[service], taken["raw"])),
            ratio("  ratio, CPU", Pair(taken[service + CPU], taken["raw" + CPU])),
        )
    ]
    return Result(
        name="service_start",
        title="exec of a service to its first answer, against `import nats`, connect and answer",
        figures=[*figures, figure("raw", taken["raw"]), figure("  CPU", taken["raw" + CPU])],
        notes=["the databases are there already, as at every start but the first"],
    )


def _start(hive: Swarm, bus: Bus, argv: list[str], subject: str) -> Act:
    async def act() -> dict[str, float]:
        began = time.perf_counter()
        process = hive.spawn(argv)
        await hive.first_answer(bus, subject)
        took = time.perf_counter() - began
        used = psutil.Process(process.pid).cpu_times()
        hive.end(process)
        return {WALL: took, CPU: used.user + used.system}

    return act
