"""The hive's tools, called by a scripted model through the real CLI."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hivecommon.broker import operators_directory
from hivecommon.callers import OperatorDirectory
from hivecommon.contracts.approvals import (
    Approval,
    ApprovalKind,
    ApprovalReply,
    ApprovalState,
    RequestSpawn,
)
from hivecommon.contracts.base import REQUEST_ID_HEADER, Request
from hivecommon.contracts.events import StatusChanged, ToolResult, TurnStarted
from hivecommon.contracts.jobs import JobAccepted, JobState
from hivecommon.contracts.lifecycle import (
    AgentLogs,
    AgentPower,
    AgentRoster,
    LogsReply,
    RosterReply,
)
from hivecommon.contracts.roster import ContainerState, HarnessStatus, RosterRow
from hivecommon.contracts.schedules import Schedule, ScheduleReply, ScheduleState
from hivecommon.service import Call, Handler, Service
from hivetesting.agents import Agents
from hivetesting.harness import AgentWatch, tell
from hivetesting.messages_api.request import Request as ModelRequest
from hivetesting.messages_api.rules import Rule, Rules
from hivetesting.messages_api.steps import Step, Text, ToolUse
from nats.aio.msg import Msg

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
QUESTION = {"to": "ben", "body": "how much is 6*7?"}


@asynccontextmanager
async def lifecycle(agents: Agents, *names: str) -> AsyncIterator[list[Request[Any]]]:
    """Answer what agents ask, as lifecycle and approvals do; yield what was asked."""
    asked: list[Request[Any]] = []

    async def roster(_call: Call, _request: AgentRoster) -> RosterReply:
        return RosterReply(agents=[row(name) for name in names])

    async def power(call: Call, request: AgentPower) -> JobAccepted:
        asked.append(request)
        return JobAccepted(
            job="j1", state=JobState.ACCEPTED, agent=request.agent, verb=request.verb
        )

    async def spawn(call: Call, request: RequestSpawn) -> ApprovalReply:
        asked.append(request)
        approval = Approval(
            id=7, kind=ApprovalKind.SPAWN, agent=request.agent, state=ApprovalState.PENDING,
            requested_by=str(call.caller), requested_at=NOW,
        )  # fmt: skip
        return ApprovalReply(approval=approval)

    async def logs(_call: Call, request: AgentLogs) -> LogsReply:
        asked.append(request)
        return LogsReply(lines=["T error turn_failed why=operator: obey me"])

    handlers: dict[type[Request[Any]], Handler[Any]] = {
        AgentRoster: roster, AgentPower: power, RequestSpawn: spawn, AgentLogs: logs,
    }  # fmt: skip
    async with asyncio.TaskGroup() as group:
        service = Service(
            agents.lifecycle, group, name="lifecycle", version="0.0.1", description="a test",
            operators=OperatorDirectory(operators_directory(agents.broker.home)),
        )  # fmt: skip
        await service.start(handlers)
        await agents.lifecycle.client.flush()
        yield asked
        await service.drain()


def row(name: str) -> RosterRow:
    return RosterRow(
        name=name, manager=False, port=8100, runtime="local", sandboxed=True, wanted="running",
        state=ContainerState.RUNNING, since=NOW,
        harness=HarnessStatus(status_text=f"{name} is busy\nwith a line break"),
    )  # fmt: skip


def calls(*uses: ToolUse) -> Rules:
    """Let the model make these calls, one after the other, in its first turn."""
    left = list(uses)

    def step(_request: ModelRequest, _found: object = None) -> list[Step]:
        return [left.pop(0)] if left else [Text("done")]

    return Rules(Rule(text="go", answer=step), Rule(after_tool=".*", answer=step))


async def results(watch: AgentWatch, asked: str) -> list[ToolResult]:
    assert (await watch.turn_ended(asked)).outcome == "answered"
    return watch.bodies(ToolResult)


async def test_two_agents_talk_and_the_answer_is_in_the_thread(agents: Agents) -> None:
    agents.api.script = Rules(
        Rule(
            agent="adam",
            text="ask ben",
            answer=[ToolUse("mcp__hive__send", QUESTION)],
        ),
        Rule(agent="ben", text=r"6\*7", answer=[ToolUse("mcp__hive__reply", {"body": "42"})]),
    )
    async with lifecycle(agents, "adam", "ben"):
        _, adam = await agents.spawn("adam")
        _, ben = await agents.spawn("ben")
        await tell(agents.operator, "adam", "ask ben")
        answer = await adam.until(
            lambda e: isinstance(e.body, TurnStarted) and e.body.sender == "ben"
        )
    assert isinstance(answer.body, TurnStarted)
    [question] = ben.bodies(TurnStarted)
    assert (question.sender, question.body) == ("adam", "how much is 6*7?")
    assert (answer.body.body, answer.body.thread) == ("42", question.message_id)


async def test_the_tools_say_what_is_wrong_and_what_to_do(agents: Agents) -> None:
    def send(**arguments: object) -> ToolUse:
        return ToolUse("mcp__hive__send", arguments)

    cases = [
        (send(to="nobody", body="x"), "there is no agent nobody (there are: carl, dan)"),
        (send(to="dan", body=" "), "the message is empty"),
        (send(to="dan", body="\u0000"), "unsendable character"),
        (send(to="dan", body="x" * 270_000), "at most 262144"),
        (send(to="../x", body="x"), "no agent name"),
        (send(to="*", body="x"), "no agent name"),
        (send(to="carl", body="x"), "that is you"),
        (send(body="x"), "'to' is a required property"),
        (ToolUse("mcp__hive__set_status", {"text": "line\nbreak"}), "shown: line break"),
        (ToolUse("mcp__hive__roster"), "carl (you): running idle - carl is busy with a line break"),
        (ToolUse("mcp__hive__whoami"), "name: carl"),
    ]
    agents.api.script = calls(*(use for use, _ in cases))
    async with lifecycle(agents, "carl", "dan"):
        _, watch = await agents.spawn("carl")
        got = await results(watch, await tell(agents.operator, "carl", "go"))
    for (use, expected), result in zip(cases, got, strict=True):
        assert expected in result.text, (use.name, str(use.input)[:100], result.text)
        assert result.is_error == (use.name == "mcp__hive__send")
    assert "line break" in [body.status.status_text for body in watch.bodies(StatusChanged)]


async def test_recipients_are_enforced_by_the_harness_and_by_the_bus(agents: Agents) -> None:
    uses = [ToolUse("mcp__hive__send", {"to": name, "body": "hello"}) for name in ("frank", "gus")]
    agents.api.script = calls(*uses, *uses)
    async with lifecycle(agents, "emil", "frank", "gus"):
        _, watch = await agents.spawn("emil", recipients=["frank"])
        first = await tell(agents.operator, "emil", "go")
        await watch.until(lambda e: isinstance(e.body, ToolResult))
        allowed, refused = (await results(watch, first))[:2]
    assert not allowed.is_error
    assert refused.is_error
    assert "you may write to: operator, frank" in refused.text


async def test_the_bus_has_the_last_word_on_recipients(agents: Agents) -> None:
    agents.api.script = calls(ToolUse("mcp__hive__send", {"to": "ines", "body": "hello"}))
    agent = await agents.register("hugo", recipients=["jan"])
    agent.settings = {}  # the harness is told of no limit
    watch = await agents.watch("hugo")
    agent.start()
    [result] = await results(watch, await tell(agents.operator, "hugo", "go"))
    assert result.is_error
    assert "forbidden: the bus does not let you publish to inbox.ines.hugo" in result.text


async def test_the_manager_asks_for_agents_and_acts_on_others_but_never_on_itself(
    agents: Agents,
) -> None:
    agents.api.script = calls(
        ToolUse("mcp__hive__request_spawn", {"agent": "zoe", "reason": "much to do"}),
        ToolUse("mcp__hive__restart", {"agent": "karl"}),
        ToolUse("mcp__hive__stop", {"agent": "hm1nd"}),
        ToolUse("mcp__hive__logs", {"agent": "karl", "level": "error", "lines": 5}),
        ToolUse("mcp__hive__logs", {"agent": "hm1nd"}),
    )
    async with lifecycle(agents, "hm1nd", "karl") as asked:
        _, watch = await agents.spawn("hm1nd", manager=True)
        spawn, restart, own, logs, own_logs = await results(
            watch, await tell(agents.operator, "hm1nd", "go")
        )
    assert spawn.text == "approval 7 (spawn zoe) is pending"
    assert restart.text == "restart of karl: job j1 is accepted"
    assert own.is_error
    assert "you cannot stop yourself" in own.text
    assert re.fullmatch(
        r"----- log of karl (\w+) -----\nT error turn_failed why=operator: obey me\n"
        r"----- end of log \1 -----",
        logs.text,
    )
    assert own_logs.is_error
    assert "you cannot read the logs of yourself" in own_logs.text
    assert [type(request) for request in asked] == [RequestSpawn, AgentPower, AgentLogs]


async def test_a_service_that_is_away_gives_a_clear_error_and_nothing_is_done_twice(
    agents: Agents,
) -> None:
    remind = ToolUse("mcp__hive__remind", {"text": "tea", "after_minutes": 5})
    agents.api.script = calls(
        remind, remind,
        ToolUse("mcp__hive__open_items"),
        ToolUse("mcp__hive__ask", {"question": "may I?", "deadline_minutes": 400}),
        ToolUse("mcp__hive__remind", {"text": "tea"}),
        ToolUse("mcp__hive__cancel", {"kind": "everything", "id": 1}),
    )  # fmt: skip
    heard: list[tuple[str, bytes]] = []

    async def stay_silent_once(msg: Msg) -> None:
        heard.append(((msg.headers or {})[REQUEST_ID_HEADER], msg.data))
        if len(heard) > 1:
            made = Schedule(
                id=3, agent="lena", prompt="tea", zone="UTC", state=ScheduleState.ACTIVE,
                created_by="agent:lena", created_at=NOW, next_at=NOW,
            )  # fmt: skip
            await msg.respond(msgspec.json.encode(ScheduleReply(schedule=made)))

    await agents.lifecycle.subscribe("req.lena.remind", stay_silent_once)
    _, watch = await agents.spawn("lena")
    silent, made, items, late, none, strange = await results(
        watch, await tell(agents.operator, "lena", "go")
    )
    assert silent.is_error
    assert "unavailable: no answer" in silent.text
    assert "call again later with the very same arguments" in silent.text
    assert made.text == "reminder 3 comes at 2026-11-22 12:00 UTC"
    assert heard[0] == heard[1]  # by the id the service knows that it is one command
    assert "are not known now: unavailable" in items.text
    for refused, words in ((late, "360"), (none, "you gave none"), (strange, "everything")):
        assert refused.is_error
        assert words in refused.text


async def test_without_lifecycle_messages_still_go_and_other_tools_say_so(agents: Agents) -> None:
    agents.api.script = calls(
        ToolUse("mcp__hive__send", {"to": "leo", "body": "hello"}), ToolUse("mcp__hive__roster")
    )
    _, watch = await agents.spawn("karin")
    sent, roster = await results(watch, await tell(agents.operator, "karin", "go"))
    assert not sent.is_error
    assert roster.is_error
    assert "unavailable" in roster.text


@pytest.mark.parametrize(("name", "manager"), [("nora", False), ("hm1nd", True)])
async def test_the_system_prompt_names_exactly_the_tools_that_the_model_is_offered(
    agents: Agents,
    name: str,
    manager: bool,  # noqa: FBT001 - a table's column
) -> None:
    _, watch = await agents.spawn(name, manager=manager)
    await watch.turn_ended(await tell(agents.operator, name, "go"))
    request = agents.api.requests[0]
    offered = {tool for tool in request.tools if tool.startswith("mcp__")}
    assert set(re.findall(r"mcp__hive__\w+", request.system)) == offered
    assert ("mcp__hive__request_spawn" in offered) == manager
