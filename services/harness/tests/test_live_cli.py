"""A CLI that is missing, old, broken, or says more than anybody can hold; and one that is repaired."""

import os
import random
import struct
import zlib
from pathlib import Path

from hivecommon.contracts.events import HarnessStarted, ToolResult, Trouble, TurnEnded, TurnStarted
from hivecommon.contracts.harness import RetryNow
from hivetesting.agents import Agents
from hivetesting.claude_cli import bundled_cli
from hivetesting.harness import AgentWatch, tell
from hivetesting.messages_api.rules import Rule, Rules
from hivetesting.messages_api.steps import Text as Says
from hivetesting.messages_api.steps import ToolUse

OLD = "#!/bin/sh\necho '2.1.197 (Claude Code)'\n"
REPAIRED = f'#!/bin/sh\nexec {bundled_cli()} "$@"\n'
# Takes the word `flood` in an answer for a call to say 65 MiB, which is more than the harness holds.
FLOOD = """import sys
for line in sys.stdin.buffer:
    if b'"type":"assistant"' in line:
        line = line.replace(b"flood", b"x" * (65 << 20))
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()
"""


def write_program(file: Path, text: str) -> None:
    """Put a program in place at once, as an update does."""
    made = file.with_suffix(".new")
    made.write_text(text)
    made.chmod(0o755)
    made.replace(file)


async def repaired(agents: Agents, name: str, watch: AgentWatch, cli: Path) -> None:
    """Repair the CLI and see the waiting message answered."""
    asked = await tell(agents.operator, name, "please")
    write_program(cli, REPAIRED)
    assert (await agents.operator.request(RetryNow(), agent=name)).changed
    assert (await watch.turn_ended(asked)).outcome == "answered"
    assert [turn.redelivered for turn in watch.bodies(TurnStarted)] == [False]
    await watch.status(lambda status: not status.trouble and status.turn > 0)


async def test_a_cli_that_was_missing_is_taken_once_it_is_there(
    agents: Agents, tmp_path: Path
) -> None:
    cli = tmp_path / "claude"
    _, watch = await agents.spawn("thea", environment={"HIVE_CLAUDE_CLI": str(cli)})
    await watch.status(lambda status: status.trouble == "cli_missing")
    await repaired(agents, "thea", watch, cli)


async def test_a_cli_that_was_too_old_is_taken_once_it_is_new(
    agents: Agents, tmp_path: Path
) -> None:
    cli = tmp_path / "claude"
    write_program(cli, OLD)
    _, watch = await agents.spawn("tilda", environment={"HIVE_CLAUDE_CLI": str(cli)})
    await watch.status(lambda status: status.trouble == "cli_too_old")
    await repaired(agents, "tilda", watch, cli)


async def test_a_cli_that_ends_at_once_is_not_started_again_and_again(
    agents: Agents, tmp_path: Path
) -> None:
    cli, starts = tmp_path / "claude", tmp_path / "starts"
    broken = (
        f'[ "$1" = --version ] && exec echo 2.1.330\necho x >> {starts}\necho boom >&2\nexit 3\n'
    )
    write_program(cli, f"#!/bin/sh\n{broken}")
    _, watch = await agents.spawn("trude", environment={"HIVE_CLAUDE_CLI": str(cli)})
    status = await watch.status(lambda status: status.trouble == "cli_crashed")
    assert "boom" in status.trouble_text
    assert status.retry_at is not None
    [trouble] = [event for event in watch.events if isinstance(event.body, Trouble)]
    assert (status.retry_at - trouble.at).total_seconds() > 10
    assert starts.read_text() == "x\n"
    await repaired(agents, "trude", watch, cli)


async def test_a_file_that_is_no_program_is_said_to_be_none(agents: Agents, tmp_path: Path) -> None:
    cli = tmp_path / "claude"
    cli.write_bytes(os.urandom(100))
    _, watch = await agents.spawn("tonja", environment={"HIVE_CLAUDE_CLI": str(cli)})
    status = await watch.status(lambda status: status.trouble == "cli_missing")
    assert str(cli) in status.trouble_text
    await repaired(agents, "tonja", watch, cli)


async def test_an_output_larger_than_any_buffer_ends_the_cli_and_the_turn_comes_again(
    agents: Agents, tmp_path: Path
) -> None:
    cli, flood = tmp_path / "claude", tmp_path / "flood.py"
    flood.write_text(FLOOD)
    write_program(cli, f'#!/bin/sh\n{bundled_cli()} "$@" | python3 {flood}\n')
    agents.api.script = Rules(Rule(text="please", answer=[Says("flood")], times=1))
    _, watch = await agents.spawn("tamara", environment={"HIVE_CLAUDE_CLI": str(cli)})
    asked = await tell(agents.operator, "tamara", "please")
    assert (await watch.turn_ended(asked)).outcome == "answered"
    cut, answered = watch.bodies(TurnEnded)
    assert (cut.outcome, answered.outcome) == ("postponed", "answered")
    assert "buffer" in cut.error
    assert [turn.redelivered for turn in watch.bodies(TurnStarted)] == [False, True]


async def test_an_image_of_more_than_a_mebibyte_is_read_like_any_other(agents: Agents) -> None:
    agent = await agents.register("tina")
    image = agent.state / "noise.png"
    image.write_bytes(noise(700))
    assert image.stat().st_size > 1 << 20
    agents.api.script = Rules(
        Rule(text="look", answer=[ToolUse("Read", {"file_path": str(image)})]),
        Rule(after_tool="Read", answer=[Says("grey")]),
    )
    watch = await agents.watch("tina")
    agent.start()
    asked = await tell(agents.operator, "tina", "look")
    assert (await watch.turn_ended(asked)).outcome == "answered"
    [result] = watch.bodies(ToolResult)
    assert (result.text, result.is_error) == ("(image)", False)
    assert len(watch.bodies(HarnessStarted)) == 1
    sent = agents.api.requests[-1].messages[-1].blocks[0].content
    assert isinstance(sent, list)
    assert sent[0].type == "image"


def noise(side: int) -> bytes:
    """Return a PNG that nothing can make smaller."""
    grains = random.Random(7)  # noqa: S311 - grains, not secrets
    lines = b"".join(b"\0" + grains.randbytes(3 * side) for _ in range(side))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    body = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(lines)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)
