"""`hive ls` from the shell, against an interpreter that does nothing and one that imports nats."""

import sys
from pathlib import Path
from typing import Final

from bench.frame.figures import Pair, Result, figure, ratio
from bench.frame.swarm import Swarm, swarm
from bench.frame.turns import CPU, Act, in_turn

AIM_MS: Final = 350
_ROUNDS: Final = 15
_BUDGET_S: Final = 25


async def measure() -> Result:
    """Run the commands in turn, each to its end."""
    hive_command = str(Path(sys.executable).with_name("hive"))
    with swarm() as hive:
        async with hive.operator() as operator:
            await hive.start_all(operator)
        taken = await in_turn(
            {
                "hive ls": _run(hive, [hive_command, "ls"]),
                "hive ls --json": _run(hive, [hive_command, "ls", "--json"]),
                "pass": _run(hive, [sys.executable, "-c", "pass"]),
                "import nats": _run(hive, [sys.executable, "-c", "import nats"]),
            },
            rounds=_ROUNDS, budget_s=_BUDGET_S,
        )  # fmt: skip
    return Result(
        name="hive_ls",
        title="`hive ls` from the shell, without agents",
        figures=[
            figure("hive ls", taken["hive ls"], at_most=AIM_MS),
            figure("  CPU", taken["hive ls" + CPU]),
            figure("hive ls --json", taken["hive ls --json"], at_most=AIM_MS),
            figure("  CPU", taken["hive ls --json" + CPU]),
            figure("python -c pass", taken["pass"]),
            figure("  CPU", taken["pass" + CPU]),
            figure('python -c "import nats"', taken["import nats"]),
            figure("  CPU", taken["import nats" + CPU]),
            ratio("hive ls / python -c pass", Pair(taken["hive ls"], taken["pass"])),
            ratio("hive ls / import nats", Pair(taken["hive ls"], taken["import nats"])),
            ratio("  CPU", Pair(taken["hive ls" + CPU], taken["import nats" + CPU])),
        ],
    )


def _run(hive: Swarm, argv: list[str]) -> Act:
    async def act() -> dict[str, float]:
        return hive.run(argv)

    return act
