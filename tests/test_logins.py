"""An agent without a login, in a whole hive: shown everywhere, logged in from the dashboard, at work."""

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from hivetesting.claude_cli import bundled_cli
from hivetesting.hive import RunningHive, running_hive
from hivetesting.messages_api.server import ScriptedMessagesApi
from hivetesting.oauth.endpoint import GOOD_CODE
from hivetesting.oauth.proxy import ClaudeCom
from playwright.async_api import Page, async_playwright, expect

pytestmark = [pytest.mark.timeout(300), pytest.mark.needs("chromium")]


@pytest.fixture(scope="module")
def claude_com(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClaudeCom]:
    with ClaudeCom(tmp_path_factory.mktemp("claude-com")) as running:
        yield running


@pytest.fixture(scope="module")
def api() -> Iterator[ScriptedMessagesApi]:
    with ScriptedMessagesApi(agent_pattern=r"You are the agent (?P<agent>[a-z0-9-]+)") as api:
        yield api


@pytest.fixture(scope="module")
def hive(
    tmp_path_factory: pytest.TempPathFactory, claude_com: ClaudeCom, api: ScriptedMessagesApi
) -> Iterator[RunningHive]:
    extra = {"ANTHROPIC_API_KEY": "", "HIVE_CLAUDE_CLI": str(claude_com.wrap(bundled_cli()))}
    root = tmp_path_factory.mktemp("hive")
    with running_hive(root, api.base_url, manager=True, extra=extra) as running:
        yield running


def flags(hive: RunningHive, agent: str) -> str:
    rows = [line for line in hive.hive("ls").out.splitlines() if line.startswith(f"{agent} ")]
    return rows[0] if rows else ""


def until_flagged(hive: RunningHive, agent: str, *, needs_login: bool) -> None:
    deadline = time.monotonic() + 60
    while ("needs-login" in flags(hive, agent)) is not needs_login:
        assert time.monotonic() < deadline, hive.hive("ls").out
        time.sleep(0.2)


def until_told(hive: RunningHive, agent: str, body: str) -> None:
    """Wait for the turn that brings it: an operator's message may well be answered before."""
    deadline = time.monotonic() + 60
    while body not in (events := hive.hive("events", agent, "--since", "1h").out):
        assert time.monotonic() < deadline, events
        time.sleep(0.2)


@asynccontextmanager
async def dashboard(hive: RunningHive) -> AsyncIterator[Page]:
    link = hive.hive("open", "--no-browser").out.strip()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        page = await browser.new_page(viewport={"width": 390, "height": 844})
        page.set_default_timeout(60_000)
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        await page.goto(link)
        yield page
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await browser.close()
        assert errors == []


async def test_an_agent_is_logged_in_from_the_attention_queue(
    hive: RunningHive, claude_com: ClaudeCom, api: ScriptedMessagesApi
) -> None:
    assert hive.hive("spawn", "alice").code == 0
    until_flagged(hive, "alice", needs_login=True)
    assert "needs-login" in hive.hive("status", "alice").out
    assert hive.hive("send", "alice", "are you there?").code == 0
    async with dashboard(hive) as page:
        await page.get_by_role("link", name="Log alice in").click()
        panel = page.locator("#login")
        await expect(panel).to_contain_text("alice needs a login at Claude")
        await page.get_by_role("button", name="Log in with a Claude subscription").click()
        code = page.get_by_label("The code that the page shows at the end")
        await code.fill("bad#state", timeout=60_000)
        await page.get_by_role("button", name="Log in", exact=True).click()
        await expect(panel.get_by_role("alert")).to_contain_text("wasn't accepted", timeout=60_000)
        await page.get_by_role("button", name="Log in with a Claude subscription").click()
        await code.fill(f"{GOOD_CODE}#state", timeout=60_000)
        await page.get_by_role("button", name="Log in", exact=True).click()
        await expect(panel).to_contain_text("The login succeeded", timeout=60_000)
        await expect(page.get_by_role("log")).to_contain_text("are you there?", timeout=60_000)
    until_flagged(hive, "alice", needs_login=False)
    assert api.requests[-1].credential == claude_com.endpoint.access_tokens[-1]
    assert "its own login" in hive.hive("login", "alice", "--status").out
    audit = hive.hive("audit", "--target", "agent:alice").out
    assert "needs a login" in audit
    assert "is logged in again" in audit


async def test_the_manager_is_told_of_both(hive: RunningHive, claude_com: ClaudeCom) -> None:
    assert hive.hive("spawn", "bob").code == 0
    until_flagged(hive, "bob", needs_login=True)
    token = "sk-ant-oat01-scripted-token"  # noqa: S105 - nobody's
    for agent in ("bob", "hm1nd"):
        said = hive.hive("login", agent, "--token-file", "-", stdin=token)
        assert said.code == 0, said.err
        until_flagged(hive, agent, needs_login=False)
    said = hive.hive("send", "hm1nd", "what was that?", "--wait")
    assert said.code == 0, said.err
    until_told(hive, "hm1nd", "bob: needs a login")
    until_told(hive, "hm1nd", "bob: is logged in again")
