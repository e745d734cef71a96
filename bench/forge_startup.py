"""`hive-forge`, which agents call all day, against an interpreter that does nothing."""

import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from hivecommon.command import run
from hivetesting.forge.site import scripted_site

from bench.frame.figures import Pair, Result, figure, ratio
from bench.frame.turns import CPU, WALL, Act, in_turn

AIM_MS: Final = 200
_ROUNDS: Final = 15
_BUDGET_S: Final = 25
_REPO: Final = "guild/main"


async def measure() -> Result:
    """Run the commands in turn, each to its end; `view` asks a scripted forge on loopback."""
    command = str(Path(sys.executable).with_name("hive-forge"))
    with tempfile.TemporaryDirectory() as folder, scripted_site(Path(folder) / "forge") as site:
        (Path(folder) / "forge-token").write_text(site.user("alice"))
        site.organization("guild", "alice")
        site.repository(*_REPO.split("/"))
        site.made("POST", f"/repos/{_REPO}/issues", {"title": "one"})
        environment = {
            "HYPERHIVE_STATE_DIR": folder,
            "HIVE_FORGE_URL": site.url,
            "HIVE_FORGE_REPO": _REPO,
        }
        taken = await in_turn(
            {
                "hive-forge --help": _run([command, "--help"], environment),
                "hive-forge view 1": _run([command, "view", "1"], environment),
                "pass": _run([sys.executable, "-c", "pass"], environment),
                "import click": _run([sys.executable, "-c", "import click, http.client"], environment),
            },
            rounds=_ROUNDS, budget_s=_BUDGET_S,
        )  # fmt: skip
    return Result(
        name="forge_startup",
        title="hive-forge from the shell",
        figures=[
            figure("hive-forge --help", taken["hive-forge --help"], at_most=AIM_MS),
            figure("  CPU", taken["hive-forge --help" + CPU]),
            figure("hive-forge view 1", taken["hive-forge view 1"], at_most=AIM_MS),
            figure("  CPU", taken["hive-forge view 1" + CPU]),
            figure("python -c pass", taken["pass"]),
            figure("import click, http.client", taken["import click"]),
            ratio("  ratio, help to pass", Pair(taken["hive-forge --help"], taken["pass"])),
            ratio(
                "  ratio, help to click", Pair(taken["hive-forge --help"], taken["import click"])
            ),
        ],
        notes=["view asks a scripted forge in this process"],
    )


def _run(argv: Sequence[str], environment: dict[str, str]) -> Act:
    async def act() -> dict[str, float]:
        before = os.times()
        began = time.perf_counter()
        (await run(argv, timeout_s=20, env=environment)).check()
        wall = time.perf_counter() - began
        after = os.times()
        children = after.children_user + after.children_system
        return {WALL: wall, CPU: children - before.children_user - before.children_system}

    return act
