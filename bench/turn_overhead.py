"""A whole turn through bus, inbox and harness, against the same turn of the bare SDK."""

from typing import Final

from claude_agent_sdk import ClaudeSDKClient
from hivecommon import command
from hivetesting.claude_cli import bundled_cli
from hivetesting.messages_api.server import ScriptedMessagesApi

from bench.frame.figures import Pair, Result, Sample, figure, ratio
from bench.frame.lone import MODEL, Lone, lone_agent
from bench.frame.turns import Act, in_turn

AIM_MS: Final = 15
_ROUNDS: Final = 60
_BUDGET_S: Final = 40
_ONE_SHOT_S: Final = 60


async def measure() -> Result:
    """Let the agent, a bare SDK client and a `claude -p` answer the same prompt in turn."""
    with ScriptedMessagesApi() as api:
        async with lone_agent(api) as lone, lone.bare_client() as client:
            sides: dict[str, Act] = {"hive": _through_the_hive(lone), "sdk": _bare(client)}
            taken = await in_turn(sides, rounds=_ROUNDS, budget_s=_BUDGET_S, warm_up=3)
            # Apart, since its start would heat and cool the machine between the others.
            once = await in_turn({"-p": _one_shot(lone)}, rounds=7, budget_s=20)
    ours, raw = taken["hive"], taken["sdk"]
    more = Sample("ms", tuple(a - b for a, b in zip(ours.values, raw.values, strict=True)))
    return Result(
        name="turn_overhead",
        title="a message sent until its turn has ended, against the bare SDK",
        figures=[
            figure("through bus and harness", ours),
            figure("raw: ClaudeSDKClient, query to result", raw),
            ratio("  ratio", Pair(ours, raw)),
            figure("  overhead of a turn", more, at_most=AIM_MS),
            figure("one `claude -p` per turn", once["-p"]),
        ],
        notes=[
            "ours ends with the event of the turn's end at the operator: stored, and told in order",
        ],
    )


def _through_the_hive(lone: Lone) -> Act:
    async def act() -> None:
        await lone.turn()

    return act


def _bare(client: ClaudeSDKClient) -> Act:
    async def act() -> None:
        await client.query("hello")
        async for _ in client.receive_response():
            pass

    return act


def _one_shot(lone: Lone) -> Act:
    argv = [str(bundled_cli()), "-p", "hello", "--model", MODEL, "--setting-sources="]

    async def act() -> None:
        done = await command.run(
            argv, timeout_s=_ONE_SHOT_S, cwd=lone.root, env=lone.cli_environment
        )
        done.check()

    return act
