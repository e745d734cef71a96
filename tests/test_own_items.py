"""A whole hive: an agent reminds itself, asks, sees what is open and takes it back, across a restart."""

import asyncio
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hivetesting.exchange import AGENT
from hivetesting.hive import RunningHive, running_hive
from hivetesting.messages_api.request import Request
from hivetesting.messages_api.rules import Rule, Rules
from hivetesting.messages_api.server import ScriptedMessagesApi
from hivetesting.messages_api.steps import Step, Text, ToolUse

pytestmark = pytest.mark.timeout(300)

SCRIPT: tuple[ToolUse, ...] = (
    ToolUse("mcp__hive__remind", {"text": "look at the oven", "after_minutes": 0.2}),
    ToolUse("mcp__hive__remind", {"text": "weekly", "cron": "0 9 * * 1", "zone": "Europe/Berlin"}),
    ToolUse(
        "mcp__hive__ask",
        {
            "question": "which?",
            "options": ["red", "blue"],
            "multiple": True,
            "deadline_minutes": 60,
        },
    ),
    ToolUse("mcp__hive__open_items"),
    ToolUse("mcp__hive__cancel", {"kind": "reminder", "id": 2}),
    ToolUse("mcp__hive__cancel", {"kind": "question", "id": 1}),
    ToolUse("mcp__hive__open_items"),
)


@pytest.fixture
def api() -> Iterator[ScriptedMessagesApi]:
    left = list(SCRIPT)

    def step(_request: Request, _found: re.Match[str]) -> Sequence[Step]:
        return [left.pop(0)] if left else [Text("done")]

    script = Rules(Rule(text="begin", answer=step), Rule(after_tool=".*", answer=step))
    with ScriptedMessagesApi(script, agent_pattern=AGENT) as running:
        yield running


@pytest.fixture
def hive(tmp_path: Path, api: ScriptedMessagesApi) -> Iterator[RunningHive]:
    with running_hive(tmp_path, api.base_url) as running:
        assert running.hive("spawn", "alice").code == 0
        running.until_running("alice")
        yield running


async def test_an_agent_minds_its_own_open_items(
    hive: RunningHive, api: ScriptedMessagesApi
) -> None:
    said = await asyncio.to_thread(hive.hive, "send", "alice", "begin", "--wait")
    assert said.code == 0, said.err
    stopped = await asyncio.to_thread(hive.hive, "stop", "alice")
    results = [result.text for request in api.requests for result in request.tool_results]
    oven, weekly, asked, before, _, _, after = dict.fromkeys(results)
    assert re.fullmatch(r"reminder 1 comes at [-\d]+ [:\d]+ UTC", oven)
    assert weekly.endswith("UTC, then by cron 0 9 * * 1 (Europe/Berlin)")
    assert re.fullmatch(r"question 1 waits for operator until [-\d]+ [:\d]+ UTC", asked)
    assert "question 1 of alice to operator" in before
    assert "reminder 2 comes" in before
    assert "question 1" not in after
    assert "reminder 2" not in after
    assert stopped.code == 0, stopped.err
    # It falls due while alice is stopped, and wakes her once she runs again.
    started = await asyncio.to_thread(hive.hive, "start", "alice")
    assert started.code == 0, started.err
    await api.wait_for(
        lambda exchange: (
            "(Your own reminder 1.)\nlook at the oven" in exchange.request.last_user_text
        ),
        deadline_s=120,
    )
