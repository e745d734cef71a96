"""Memory of a harness without its CLI: when it is idle, and after hundreds of turns."""

import sys
from pathlib import Path
from typing import Final

import psutil
from hivecommon import command
from hivetesting.messages_api.rules import Rule, Rules
from hivetesting.messages_api.server import ScriptedMessagesApi
from hivetesting.messages_api.steps import Text, ToolUse

from bench.frame.figures import Figure, Result, total
from bench.frame.lone import Lone, lone_agent
from bench.frame.resident import pss_mb, rss_mb

AIM_MB: Final = 90
GROWTH_MB: Final = 5
_TURNS: Final = 300
_SETTLED: Final = 100
"""By then caches and arenas have the size that they keep."""
_MB: Final = 1_000_000
_BARE: Final = (
    "import claude_agent_sdk, nats, msgspec, uvicorn, structlog, re, pathlib;"
    "print(re.search(r'VmRSS:\\s+(\\d+)', pathlib.Path('/proc/self/status').read_text())[1])"
)
# A turn with a tool of each kind: the CLI's own, and one that runs inside the harness.
_SCRIPT: Final = Rules(
    Rule(text="work", answer=[ToolUse("Bash", {"command": "echo x"})]),
    Rule(after_tool="Bash", answer=[ToolUse("mcp__hive__whoami")]),
    Rule(after_tool="mcp__hive__whoami", answer=[Text("done")]),
)


async def measure() -> Result:
    """Look at one harness when it has started, and after each hundred of turns."""
    with ScriptedMessagesApi(_SCRIPT) as api:
        async with lone_agent(api) as lone:
            await lone.turn("hello")
            process = psutil.Process(lone.harness.pid)
            idle, cli = rss_mb(process.pid), _children_mb(process)
            own = pss_mb(process.pid)
            settled, files = idle, process.num_fds()
            for number in range(1, _TURNS + 1):
                await lone.turn("work")
                if number == _SETTLED:
                    settled, files = rss_mb(process.pid), process.num_fds()
            after, files_after = rss_mb(process.pid), process.num_fds()
            kept = _kept(lone)
    figures: list[Figure] = [
        total("harness, idle, RSS", [idle], "MB", at_most=AIM_MB),
        *([total("harness, idle, PSS", [own], "MB")] if own is not None else []),
        total("raw: the SDK and our libraries imported", [await _bare_mb()], "MB"),
        total(f"harness after {_SETTLED} turns, RSS", [settled], "MB"),
        total(f"harness after {_TURNS} turns, RSS", [after], "MB"),
        total("  growth from the one to the other", [after - settled], "MB", at_most=GROWTH_MB),
        total("  open files more", [files_after - files], "", at_most=0),
        total("the agent's two files of sqlite", [kept], "MB"),
        total("the keeper and the CLI, for comparison", [cli], "MB"),
    ]
    return Result(
        name="harness_memory",
        title="memory of one agent's harness, without its CLI",
        figures=figures,
        notes=[
            "RSS counts the pages of libraries that all agents share; PSS divides them",
            "a turn here is a prompt, two tools and a word: four requests to the API",
        ],
    )


def _children_mb(process: psutil.Process) -> float:
    return sum(rss_mb(child.pid) for child in process.children(recursive=True))


def _kept(lone: Lone) -> float:
    files: list[Path] = list(lone.harness.state.glob("hyperhive-*.sqlite*"))
    return sum(file.stat().st_size for file in files) / _MB


async def _bare_mb() -> float:
    done = (await command.run([sys.executable, "-c", _BARE], timeout_s=60)).check()
    return int(done.stdout) * 1024 / _MB
