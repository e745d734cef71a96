"""Logging an agent in with the real CLI and a stand-in for claude.com: how it goes, and what follows."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import psutil
import pytest
from hivecommon.contracts.base import Request
from hivecommon.contracts.events import LoggedIn
from hivecommon.contracts.harness import AskHarness
from hivecommon.contracts.login import (
    CancelLogin,
    GiveKey,
    Holding,
    KeyKind,
    LoginMethod,
    LoginPhase,
    LoginReply,
    LoginView,
    ReadLogin,
    SendLoginCode,
    StartLogin,
)
from hivecommon.errors import HiveError
from hivetesting.agents import Agents
from hivetesting.harness import AgentWatch, HarnessProcess, stored_events, tell
from hivetesting.messages_api.rules import Rules
from hivetesting.messages_api.steps import unauthenticated
from hivetesting.oauth.endpoint import CONSOLE, EMAIL, GOOD_CODE, Mood
from hivetesting.oauth.proxy import ClaudeCom

Found = TypeVar("Found")
PASTED = f"{GOOD_CODE}#state"
TOKEN = "sk-ant-oat01-given-token-of-this-agent"  # noqa: S105 - nobody's
KEY = "sk-ant-api03-given-key-of-this-agent"


@pytest.fixture
def claude_com(tmp_path: Path) -> Iterator[ClaudeCom]:
    with ClaudeCom(tmp_path / "claude-com") as running:
        yield running


async def until(look: Callable[[], Awaitable[Found]], wanted: Callable[[Found], bool]) -> Found:
    """Look again and again; return the first thing found that is wanted."""
    async with asyncio.timeout(60):
        while not wanted(found := await look()):
            await asyncio.sleep(0.1)
    return found


class Desk:
    """An operator who logs one agent in."""

    def __init__(self, agents: Agents, agent: HarnessProcess, watch: AgentWatch) -> None:
        self.agents = agents
        self.agent = agent
        self.watch = watch

    async def ask(self, request: Request[LoginReply]) -> LoginView:
        reply = await self.agents.operator.request(request, agent=self.agent.name, timeout_s=30)
        return reply.login

    async def until(self, wanted: Callable[[LoginView], bool]) -> LoginView:
        return await until(lambda: self.ask(ReadLogin()), wanted)

    async def waits(self, method: LoginMethod = LoginMethod.CLAUDEAI) -> LoginView:
        await self.ask(StartLogin(method=method))
        return await self.until(lambda view: view.phase is LoginPhase.WAITING)

    async def ended(self) -> LoginView:
        return await self.until(lambda view: not view.phase.under_way)

    def login_processes(self) -> list[psutil.Process]:
        marked = f"HIVE_CLI_OF={self.agent.run}"
        return [
            process for process in psutil.process_iter()
            if "login" in _argv(process) and marked in _environment(process)
        ]  # fmt: skip


def _argv(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _environment(process: psutil.Process) -> str:
    try:
        return "\n".join(f"{name}={value}" for name, value in process.environ().items())
    except psutil.Error:
        return ""


async def needy(agents: Agents, claude_com: ClaudeCom, name: str, **more: str) -> Desk:
    """Start an agent that has nothing to log in with."""
    environment = {"ANTHROPIC_API_KEY": "", **claude_com.environment, **more}
    agent = await agents.register(name, environment=environment)
    watch = await agents.watch(name)
    agent.start()
    await watch.status(lambda status: status.needs_login)
    return Desk(agents, agent, watch)


async def test_after_a_login_the_message_that_waited_goes_on_by_itself(
    agents: Agents, claude_com: ClaudeCom
) -> None:
    desk = await needy(agents, claude_com, "lg-lena")
    asked = await tell(agents.operator, "lg-lena", "please")
    view = await desk.waits()
    assert view.url.startswith("https://claude.ai/")
    assert view.holding is Holding.NONE
    assert view.expires_at is not None
    # Half a code is none, and the CLI goes on waiting.
    await desk.ask(SendLoginCode(code=GOOD_CODE))
    view = await desk.until(lambda view: bool(view.words))
    assert (view.phase, view.url) == (LoginPhase.WAITING, view.url)
    assert "full code" in view.words
    await desk.ask(SendLoginCode(code=PASTED))
    view = await desk.ended()
    assert (view.phase, view.holding, view.url) == (LoginPhase.DONE, Holding.LOGIN, "")
    assert (await desk.watch.turn_ended(asked)).outcome == "answered"
    assert agents.api.requests[-1].credential == claude_com.endpoint.access_tokens[-1]
    assert not (await agents.operator.request(AskHarness(), agent="lg-lena")).status.needs_login
    assert desk.watch.bodies(LoggedIn) == [LoggedIn("a login with claudeai")]
    view = await desk.until(lambda view: bool(view.account))
    assert view.account == f"{EMAIL}, max"
    credentials = desk.agent.claude / ".credentials.json"
    assert credentials.stat().st_mode & 0o777 == 0o600


async def test_a_login_that_fails_says_why_and_another_one_succeeds(
    agents: Agents, claude_com: ClaudeCom
) -> None:
    desk = await needy(agents, claude_com, "lg-mia")
    await desk.waits()
    await desk.ask(SendLoginCode(code="bad#state"))
    view = await desk.ended()
    assert view.phase is LoginPhase.FAILED
    assert "wasn't accepted" in view.words
    assert "begin again" in view.hint
    claude_com.endpoint.mood = Mood.BROKEN
    await desk.waits()
    await desk.ask(SendLoginCode(code=PASTED))
    assert "500" in (await desk.ended()).words
    claude_com.offline = True
    await desk.waits()
    await desk.ask(SendLoginCode(code=PASTED))
    view = await desk.ended()
    assert view.phase is LoginPhase.FAILED
    assert "does not reach claude.com" in view.hint
    claude_com.offline, claude_com.endpoint.mood = False, Mood.HONEST
    claude_com.endpoint.scopes = CONSOLE
    await desk.waits(LoginMethod.CONSOLE)
    await desk.ask(SendLoginCode(code=PASTED))
    view = await desk.ended()
    assert (view.phase, view.holding) == (LoginPhase.DONE, Holding.LOGIN)
    asked = await tell(agents.operator, "lg-mia", "please")
    assert (await desk.watch.turn_ended(asked)).outcome == "answered"
    assert agents.api.requests[-1].credential == claude_com.endpoint.api_keys[-1]


async def test_two_at_once_join_one_login_and_a_cancel_leaves_nothing_running(
    agents: Agents, claude_com: ClaudeCom
) -> None:
    desk = await needy(agents, claude_com, "lg-nora")
    first = await desk.waits()
    second = await desk.waits()
    assert first.url == second.url
    assert len(desk.login_processes()) == 2  # the keeper and the CLI
    with pytest.raises(HiveError) as refused:
        await desk.ask(StartLogin(method=LoginMethod.CONSOLE))
    assert refused.value.code == "login_running"
    view = await desk.ask(CancelLogin())
    assert (view.phase, view.url) == (LoginPhase.IDLE, "")
    await gone(desk)
    with pytest.raises(HiveError) as refused:
        await desk.ask(SendLoginCode(code=PASTED))
    assert refused.value.code == "no_login"


async def gone(desk: Desk) -> None:
    async def look() -> list[psutil.Process]:
        return desk.login_processes()

    await until(look, lambda found: not found)


@pytest.mark.parametrize("end", ["stop", "kill", "expiry"])
async def test_a_login_ends_with_its_time_and_with_the_harness(
    agents: Agents, claude_com: ClaudeCom, end: str
) -> None:
    life = "3" if end == "expiry" else "120"
    desk = await needy(agents, claude_com, "lg-olga", HIVE_LOGIN_S=life)
    if end == "expiry":
        await desk.ask(StartLogin())
        view = await desk.ended()
        assert view.phase is LoginPhase.FAILED
        # On a busy machine the CLI has not even shown an address by then.
        assert view.words in {"no good code came in time", "no address came in time"}
    else:
        await desk.waits()
        assert desk.login_processes()
        if end == "stop":
            assert await desk.agent.stop() == 0
        else:
            desk.agent.kill()
    await gone(desk)


async def test_a_key_that_is_given_is_used_at_the_next_turn_and_told_to_nobody(
    agents: Agents, claude_com: ClaudeCom
) -> None:
    desk = await needy(agents, claude_com, "lg-paula")
    asked = await tell(agents.operator, "lg-paula", "one")
    view = await desk.ask(GiveKey(kind=KeyKind.OAUTH_TOKEN, key=f"{TOKEN}\n"))
    assert view.holding is Holding.GIVEN_TOKEN
    await desk.watch.turn_ended(asked)
    assert agents.api.requests[-1].credential == TOKEN
    # A client that runs takes the new key up, and the conversation goes on.
    view = await desk.ask(GiveKey(kind=KeyKind.API_KEY, key=KEY))
    assert view.holding is Holding.GIVEN_KEY
    await desk.watch.turn_ended(await tell(agents.operator, "lg-paula", "two"))
    assert agents.api.requests[-1].credential == KEY
    assert "one" in json.dumps(agents.api.requests[-1].messages, default=str)
    with pytest.raises(HiveError) as refused:
        await desk.ask(GiveKey(kind=KeyKind.API_KEY, key=TOKEN))
    assert TOKEN not in f"{refused.value.message}{refused.value.hint}"
    # A login is the newer act: the key goes.
    await desk.waits()
    await desk.ask(SendLoginCode(code=PASTED))
    assert (await desk.ended()).holding is Holding.LOGIN
    await desk.watch.turn_ended(await tell(agents.operator, "lg-paula", "three"))
    assert agents.api.requests[-1].credential == claude_com.endpoint.access_tokens[-1]
    await desk.ask(GiveKey(kind=KeyKind.API_KEY, key=KEY))
    assert (await desk.ask(GiveKey(kind=KeyKind.API_KEY))).holding is Holding.LOGIN
    await secrets_are_nowhere(desk, [TOKEN, KEY, PASTED, *claude_com.endpoint.access_tokens])


async def secrets_are_nowhere(desk: Desk, secrets: list[str]) -> None:
    """Look at events, logs, the agent's files outside of its claude directory, and command lines."""
    told = repr(await stored_events(desk.agents.operator, desk.agent.name)) + desk.agent.log
    written = [
        file.read_bytes().decode(errors="replace")
        for file in (*desk.agent.state.rglob("*"), *desk.agent.run.rglob("*"))
        if file.is_file()
    ]
    argv = [" ".join(_argv(process)) for process in psutil.process_iter()]
    for secret in secrets:
        assert secret not in told
        assert not any(secret in text for text in (*written, *argv))
    for file in desk.agent.claude.iterdir():
        if file.is_file() and any(secret in file.read_text(errors="replace") for secret in secrets):
            assert file.stat().st_mode & 0o777 == 0o600
            assert file.stat().st_uid == os.getuid()


async def test_a_login_lost_in_mid_session_is_made_good_and_a_failed_one_takes_nothing(
    agents: Agents, claude_com: ClaudeCom
) -> None:
    desk = await needy(agents, claude_com, "lg-ragna")
    await desk.waits()
    await desk.ask(SendLoginCode(code=PASTED))
    await desk.ended()
    await desk.watch.turn_ended(await tell(agents.operator, "lg-ragna", "one"))
    before = (desk.agent.claude / ".credentials.json").read_bytes()
    await desk.waits()
    await desk.ask(SendLoginCode(code="bad#state"))
    view = await desk.ended()
    assert (view.phase, view.holding) == (LoginPhase.FAILED, Holding.LOGIN)
    assert (desk.agent.claude / ".credentials.json").read_bytes() == before
    # The API takes it no more: the message stays, and goes on after the next login.
    desk.watch.events.clear()
    agents.api.script = lambda _request: [unauthenticated()]
    asked = await tell(agents.operator, "lg-ragna", "two")
    await desk.watch.status(lambda status: status.needs_login)
    agents.api.script = Rules()
    await desk.waits()
    await desk.ask(SendLoginCode(code=PASTED))
    assert (await desk.ended()).phase is LoginPhase.DONE
    assert (await desk.watch.turn_ended(asked)).outcome == "answered"
    assert agents.api.requests[-1].credential == claude_com.endpoint.access_tokens[-1]
    assert len(set(claude_com.endpoint.access_tokens)) == 2
