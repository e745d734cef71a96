"""The real Claude CLI against the scripted API: that what we stand in for is what it expects."""

import re
import uuid
from pathlib import Path
from typing import Any, cast

import pytest
from claude_agent_sdk import (
    AssistantMessage,
    ClaudeAgentOptions,
    ClaudeSDKClient,
    McpSdkServerConfig,
    Message,
    RateLimitEvent,
    ResultMessage,
    StreamEvent,
    SystemMessage,
    TextBlock,
    create_sdk_mcp_server,
    tool,
)
from hivecommon.command import run
from hivetesting.claude_cli import bundled_cli, bundled_cli_version, scripted_environment
from hivetesting.messages_api.journal import Outcome
from hivetesting.messages_api.rules import Rule, Rules, Script
from hivetesting.messages_api.server import ScriptedMessagesApi
from hivetesting.messages_api.steps import (
    CutStream,
    Error,
    Hang,
    Text,
    Thinking,
    ToolUse,
    Usage,
    forbidden,
    model_not_found,
    out_of_credit,
    overloaded,
    rate_limited,
    subscription_limited,
    unauthenticated,
)

RESETS_AT = 4_102_444_800  # the first second of 2100: any time to come does


@tool("send", "Send a message", {"to": str, "body": str})
async def send(given: dict[str, Any]) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": f"sent {given['body']} to {given['to']}"}]}


def options(api: ScriptedMessagesApi, home: Path, **variables: str) -> ClaudeAgentOptions:
    hive = {**create_sdk_mcp_server("hive", "1", [send]), "alwaysLoad": True}
    return ClaudeAgentOptions(
        cli_path=bundled_cli(),
        cwd=home,
        model="claude-sonnet-5",
        session_id=str(uuid.uuid4()),
        setting_sources=[],
        strict_mcp_config=True,
        verbatim_prompts=True,
        max_buffer_size=64 * 2**20,
        system_prompt={
            "type": "preset",
            "preset": "claude_code",
            "append": "You are the agent alice.",
        },
        tools=["Bash"],
        skills=[],
        mcp_servers={"hive": cast("McpSdkServerConfig", hive)},
        allowed_tools=["Bash", "mcp__hive"],
        permission_mode="dontAsk",
        include_partial_messages=True,
        env=scripted_environment(api.base_url, home / "claude")
        | {"CLAUDE_CODE_MAX_RETRIES": "1"}
        | variables,
    )


def scripted(script: Script) -> ScriptedMessagesApi:
    return ScriptedMessagesApi(script, agent_pattern=r"You are the agent (?P<agent>[a-z]+)")


async def turn(client: ClaudeSDKClient, prompt: str) -> list[Message]:
    await client.query(prompt)
    return [message async for message in client.receive_response()]


def result(messages: list[Message]) -> ResultMessage:
    assert isinstance(messages[-1], ResultMessage)
    return messages[-1]


def retries(messages: list[Message]) -> list[int | None]:
    return [
        message.data["error_status"]
        for message in messages
        if isinstance(message, SystemMessage) and message.subtype == "api_retry"
    ]


async def test_a_plain_answer_is_streamed_and_counted(tmp_path: Path) -> None:
    script = Rules(Rule([Thinking("hm"), Text("one two"), Usage(60_000, 20)]))
    async with scripted(script) as api, ClaudeSDKClient(options(api, tmp_path)) as client:
        messages = await turn(client, "hello")
        context = await client.get_context_usage()
    ended = result(messages)
    assert (ended.is_error, ended.result, ended.terminal_reason) == (False, "one two", "completed")
    assert ended.usage
    assert (ended.usage["input_tokens"], ended.usage["output_tokens"]) == (60_000, 20)
    assert 60_000 <= context["totalTokens"] < 60_100
    deltas = [
        message.event.get("delta") for message in messages if isinstance(message, StreamEvent)
    ]
    assert [delta["text"] for delta in deltas if delta and "text" in delta] == ["one ", "two"]
    (request,) = api.requests
    assert (request.agent, request.credential) == ("alice", "scripted-key")
    assert request.last_user_text == "hello"
    assert set(request.tools) == {"Bash", "mcp__hive__send"}
    assert not api.invalid


async def test_tools_are_called_and_their_results_come_back(tmp_path: Path) -> None:
    script = Rules(
        Rule(
            [
                ToolUse("mcp__hive__send", {"to": "bob", "body": "hi"}),
                ToolUse("Bash", {"command": "echo $((40 + 2)) > out && cat out"}),
                ToolUse("Write", {"file_path": "/tmp/x", "content": "x"}),  # noqa: S108 - is refused
            ]
        )
    )
    async with scripted(script) as api, ClaudeSDKClient(options(api, tmp_path)) as client:
        ended = result(await turn(client, "work"))
    sent, echoed, refused = api.requests[-1].tool_results
    assert (sent.name, sent.input["to"], sent.text) == ("mcp__hive__send", "bob", "sent hi to bob")
    assert (echoed.text, echoed.is_error) == ("42", False)
    assert (tmp_path / "out").read_text() == "42\n"
    assert refused.is_error
    assert ended.result
    assert "sent hi to bob" in ended.result
    assert not api.invalid


async def test_trouble_that_passes_is_retried_and_forgotten(tmp_path: Path) -> None:
    script = Rules(
        Rule([rate_limited(0)], text="limited", times=1),
        Rule([Text("one two three four"), CutStream(5)], text="cut", times=1),
    )
    async with scripted(script) as api, ClaudeSDKClient(options(api, tmp_path)) as client:
        limited = await turn(client, "limited")
        cut = await turn(client, "cut")
    assert (retries(limited), result(limited).result) == ([429], "You said: limited")
    assert (retries(cut), result(cut).result) == ([None], "You said: cut")
    outcomes = [exchange.outcome for exchange in api.exchanges]
    assert outcomes == [Outcome.REFUSED, Outcome.ANSWERED, Outcome.CUT, Outcome.ANSWERED]


@pytest.fixture
def trouble() -> dict[str, Error]:
    return {
        "overloaded": overloaded(),
        "unauthenticated": unauthenticated(),
        "forbidden": forbidden(),
        "no credit": out_of_credit(),
        "no model": model_not_found("claude-sonnet-5"),
    }


async def test_trouble_that_stays_ends_the_turn_with_its_kind(
    tmp_path: Path, trouble: dict[str, Error]
) -> None:
    script = Rules(*(Rule([error], text=f"^{name}$") for name, error in trouble.items()))
    seen = {}
    async with scripted(script) as api, ClaudeSDKClient(options(api, tmp_path)) as client:
        for name in trouble:
            messages = await turn(client, name)
            (said,) = [message for message in messages if isinstance(message, AssistantMessage)]
            ended = result(messages)
            assert (ended.is_error, ended.subtype) == (True, "success")
            seen[name] = (said.error, ended.api_error_status, retries(messages))
        assert result(await turn(client, "hello")).result == "You said: hello"
    assert seen == {
        "overloaded": ("server_error", 529, [529]),
        "unauthenticated": ("authentication_failed", 401, [401]),
        "forbidden": ("authentication_failed", 403, []),
        "no credit": ("billing_error", 400, []),
        "no model": ("model_not_found", 404, []),
    }


async def test_a_subscription_learns_when_its_limit_ends(tmp_path: Path) -> None:
    script = Rules(Rule([subscription_limited(RESETS_AT)]))
    login = {"ANTHROPIC_API_KEY": "", "CLAUDE_CODE_OAUTH_TOKEN": "sk-ant-oat01-scripted"}
    async with scripted(script) as api, ClaudeSDKClient(options(api, tmp_path, **login)) as client:
        messages = await turn(client, "hello")
    (limit,) = [message for message in messages if isinstance(message, RateLimitEvent)]
    assert limit.rate_limit_info.status == "rejected"
    assert limit.rate_limit_info.resets_at == RESETS_AT
    assert (result(messages).api_error_status, retries(messages)) == (429, [])
    assert api.requests[0].credential == "sk-ant-oat01-scripted"


async def test_an_interrupt_reaches_the_api_as_a_client_that_leaves(tmp_path: Path) -> None:
    script = Rules(Rule([Text("working"), Hang()], text="hang"))
    async with scripted(script) as api, ClaudeSDKClient(options(api, tmp_path)) as client:
        await client.query("hang")
        messages = []
        async for message in client.receive_response():
            messages.append(message)
            if isinstance(message, AssistantMessage) and TextBlock("working") in message.content:
                await client.interrupt()
        await api.wait_for(lambda exchange: exchange.outcome == Outcome.DISCONNECTED)
        assert result(messages).terminal_reason == "aborted_streaming"
        assert result(await turn(client, "and now")).result == "You said: and now"
    assert not api.invalid


async def test_one_shot_runs_of_the_cli_work_too(tmp_path: Path) -> None:
    async with scripted(Rules(Rule([Text("plain text")]))) as api:
        argv = [str(bundled_cli()), "-p", "hello", "--model", "claude-sonnet-5"]
        env = scripted_environment(api.base_url, tmp_path / "claude", "key-bob")
        told = await run(argv, timeout_s=30, cwd=tmp_path, env=env)
    assert told.check().stdout == b"plain text\n"
    assert api.count("key-bob") == 1


async def test_the_bundled_cli_is_the_version_it_says(tmp_path: Path) -> None:
    env = {"CLAUDE_CONFIG_DIR": str(tmp_path)}
    told = await run([str(bundled_cli()), "--version"], timeout_s=30, env=env)
    assert re.match(rb"[0-9.]+", told.check().stdout)
    assert told.stdout.decode().split()[0] == bundled_cli_version()
