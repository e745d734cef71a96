"""`hive login` against a real harness and the real CLI: at a terminal, from a script, with a key."""

import asyncio
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hivecommon.contracts.login import LoginPhase, ReadLogin, SendLoginCode
from hivetesting.agents import Agents
from hivetesting.broker import Broker
from hivetesting.commands import HiveCommand, environ_of
from hivetesting.harness import tell
from hivetesting.oauth.endpoint import GOOD_CODE
from hivetesting.oauth.proxy import ClaudeCom

PASTED = f"{GOOD_CODE}#state"
TOKEN = "sk-ant-oat01-token-from-a-file"  # noqa: S105 - nobody's


@pytest.fixture
def claude_com(tmp_path: Path) -> Iterator[ClaudeCom]:
    with ClaudeCom(tmp_path / "claude-com") as running:
        yield running


@pytest.fixture
def hive(broker: Broker) -> HiveCommand:
    return HiveCommand(environ_of(broker))


async def needy(agents: Agents, claude_com: ClaudeCom, name: str) -> None:
    environment = {"ANTHROPIC_API_KEY": "", **claude_com.environment}
    agent = await agents.register(name, environment=environment)
    watch = await agents.watch(name)
    agent.start()
    await watch.status(lambda status: status.needs_login)


async def test_an_operator_logs_an_agent_in_at_a_terminal(
    agents: Agents, claude_com: ClaudeCom, hive: HiveCommand
) -> None:
    await needy(agents, claude_com, "lc-uta")
    watch = await agents.watch("lc-uta")
    asked = await tell(agents.operator, "lc-uta", "please")

    def log_in() -> str:
        with hive.on_terminal("login", "lc-uta") as screen:
            screen.until("https://claude.ai/oauth/")
            screen.type(f"{GOOD_CODE}\n")
            screen.until("full code")
            screen.type("\n")
            screen.type(f"{PASTED}\n")
            screen.until("turns are paid with its own login")
            shown = screen.rest()
            assert screen.process.returncode == 0
            return shown

    await asyncio.to_thread(log_in)
    assert (await watch.turn_ended(asked)).outcome == "answered"
    assert agents.api.requests[-1].credential == claude_com.endpoint.access_tokens[-1]


async def test_an_operator_who_gives_up_leaves_nothing_behind_and_one_on_a_page_ends_the_wait(
    agents: Agents, claude_com: ClaudeCom, hive: HiveCommand
) -> None:
    await needy(agents, claude_com, "lc-ylva")

    def give_up() -> int:
        with hive.on_terminal("login", "lc-ylva") as screen:
            screen.until("https://claude.ai/oauth/")
            screen.process.send_signal(signal.SIGINT)
            screen.rest()
            return screen.process.returncode

    assert await asyncio.to_thread(give_up) == 130
    view = (await agents.operator.request(ReadLogin(), agent="lc-ylva")).login
    assert (view.phase, view.words) == (LoginPhase.IDLE, "the login was cancelled")

    def wait(begun: threading.Event) -> tuple[int, str]:
        with hive.on_terminal("login", "lc-ylva") as screen:
            screen.until("https://claude.ai/oauth/")
            begun.set()
            screen.until("its own login")
            return screen.process.wait(30), screen.rest()

    begun = threading.Event()
    waiting = asyncio.ensure_future(asyncio.to_thread(wait, begun))
    await asyncio.to_thread(begun.wait, 60)
    await agents.operator.request(SendLoginCode(code=PASTED), agent="lc-ylva")
    code, shown = await waiting
    assert code == 0, shown
    assert "Fatal" not in shown


async def test_a_script_logs_an_agent_in_with_lines_of_json(
    agents: Agents, claude_com: ClaudeCom, hive: HiveCommand
) -> None:
    await needy(agents, claude_com, "lc-vera")
    said = await asyncio.to_thread(hive.process, "login", "lc-vera", stdin="bad#state\n")
    assert said.code == 1
    assert "wasn't accepted" in said.err
    assert "begin again" in said.err
    said = await asyncio.to_thread(hive.process, "login", "lc-vera")
    assert said.code == 1
    assert "stdin ended before a code came" in said.err
    # What nobody will finish is not left behind.
    view = (await agents.operator.request(ReadLogin(), agent="lc-vera")).login
    assert view.phase is LoginPhase.IDLE
    said = await asyncio.to_thread(
        hive.process, "login", "lc-vera", "--console", "--json", stdin=f"{PASTED}\n"
    )
    assert said.code == 0
    waiting, done = said.lines
    assert waiting["login"]["url"].startswith("https://platform.claude.com/")
    assert (done["login"]["phase"], done["login"]["holding"]) == ("done", "login")


async def test_a_token_comes_from_a_file_and_shows_nowhere(
    agents: Agents, claude_com: ClaudeCom, hive: HiveCommand, tmp_path: Path
) -> None:
    await needy(agents, claude_com, "lc-wilma")
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    said = await hive("login", "lc-wilma", "--token-file", str(file))
    assert (said.code, said.out) == (0, "lc-wilma's turns are paid with a token of its own\n")
    said = await hive("login", "lc-wilma", "--key-file", str(file))
    assert said.code == 2
    assert "this is a token" in said.err
    assert TOKEN not in said.err + said.out
    said = await hive("login", "lc-wilma", "--status", "--json")
    assert said.json["login"]["holding"] == "given_token"
    said = await hive("login", "lc-wilma", "--forget-key")
    assert "nothing to log in with" in said.out
    said = await hive("login", "lc-wilma", "--token-file", str(tmp_path / "none"))
    assert (said.code, "No such file" in said.err) == (2, True)
    said = await hive("login", "lc-wilma", "--console", "--status")
    assert said.code == 2


async def test_an_agent_that_does_not_run_cannot_be_logged_in(
    agents: Agents, hive: HiveCommand
) -> None:
    await agents.register("lc-xara")
    said = await hive("login", "lc-xara")
    assert said.code == 1
    assert "lc-xara does not answer" in said.err
    assert "hive status lc-xara" in said.err
