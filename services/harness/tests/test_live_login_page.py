"""The whole login through the agent's own page: a real Chromium, the real CLI, no network."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hivecommon.contracts.harness import UiTicket
from hivetesting.agents import Agents
from hivetesting.browser import browser_page, fits, small_targets, violations
from hivetesting.harness import AgentWatch, HarnessProcess, tell
from hivetesting.oauth.endpoint import GOOD_CODE
from hivetesting.oauth.proxy import ClaudeCom
from playwright.async_api import Page, expect

TOKEN = "sk-ant-oat01-typed-into-the-page"  # noqa: S105 - nobody's


@pytest.fixture
def claude_com(tmp_path: Path) -> Iterator[ClaudeCom]:
    with ClaudeCom(tmp_path / "claude-com") as running:
        yield running


async def needy(
    agents: Agents, claude_com: ClaudeCom, name: str, **more: str
) -> tuple[HarnessProcess, AgentWatch]:
    environment = {"ANTHROPIC_API_KEY": "", **claude_com.environment, **more}
    agent = await agents.register(name, environment=environment)
    watch = await agents.watch(name)
    agent.start()
    await watch.status(lambda status: status.needs_login)
    return agent, watch


@asynccontextmanager
async def page_of(agents: Agents, name: str) -> AsyncIterator[Page]:
    """Open the agent's page on a phone, logged in."""
    ticket = await agents.operator.request(UiTicket(), agent=name, timeout_s=30)
    async with browser_page(ticket.url) as page:
        yield page
        assert await fits(page)


expect.set_options(timeout=30_000)  # the machine may be busy; conditions are awaited, not times


async def begin(page: Page) -> None:
    await page.get_by_role("button", name="Log in with a Claude subscription").click()
    await expect(code_field(page)).to_be_visible(timeout=60_000)


def code_field(page: Page):  # type: ignore[no-untyped-def] # noqa: ANN201 - playwright's Locator
    return page.get_by_label("The code that the page shows at the end")


async def paste(page: Page, code: str) -> None:
    await code_field(page).fill(code)
    await page.get_by_role("button", name="Log in", exact=True).click()


@pytest.mark.needs("chromium")
async def test_a_login_from_the_first_click_to_the_answer(
    agents: Agents, claude_com: ClaudeCom
) -> None:
    agent, watch = await needy(agents, claude_com, "lp-rita")
    asked = await tell(agents.operator, "lp-rita", "please")
    async with page_of(agents, "lp-rita") as page:
        panel = page.locator("#login")
        await expect(panel).to_contain_text("lp-rita needs a login at Claude")
        await expect(panel).to_contain_text("It has no login yet")
        await begin(page)
        link = panel.get_by_role("link", name="Open the page to log in")
        assert (await link.get_attribute("href") or "").startswith("https://claude.ai/")
        assert await link.get_attribute("rel") == "noopener noreferrer"
        assert await violations(page) == []
        assert await small_targets(page) == []
        # Half of the code is none: the CLI says so and waits on.
        await paste(page, GOOD_CODE)
        await expect(panel.get_by_role("alert")).to_contain_text("full code")
        # Another code than the right one ends it, with the CLI's own words.
        await paste(page, "bad#state")
        await expect(panel.get_by_role("alert")).to_contain_text("wasn't accepted")
        await expect(panel.get_by_role("alert")).to_contain_text("begin again")
        # Cancelled.
        await begin(page)
        await page.get_by_role("button", name="Cancel the login").click()
        await expect(panel).to_contain_text("the login was cancelled")
        # Without a network.
        claude_com.offline = True
        await begin(page)
        await paste(page, f"{GOOD_CODE}#state")
        await expect(panel.get_by_role("alert")).to_contain_text("does not reach claude.com")
        claude_com.offline = False
        # And at last.
        await begin(page)
        await paste(page, f"{GOOD_CODE}#state")
        await expect(panel).to_contain_text("The login succeeded", timeout=60_000)
        await expect(panel).to_contain_text("its own login")
        await page.get_by_role("button", name="Close").click()  # a phone shows one at a time
        await expect(page.get_by_role("log")).to_contain_text("please", timeout=60_000)
        assert (await watch.turn_ended(asked)).outcome == "answered"
        assert await page.evaluate("document.cookie") == ""
    assert agents.api.requests[-1].credential == claude_com.endpoint.access_tokens[-1]
    assert (agent.claude / ".credentials.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.needs("chromium")
async def test_a_login_that_nobody_finishes_is_given_up(
    agents: Agents, claude_com: ClaudeCom
) -> None:
    await needy(agents, claude_com, "lp-selma", HIVE_LOGIN_S="3")
    async with page_of(agents, "lp-selma") as page:
        await page.get_by_role("button", name="Log in with the Claude console").click()
        await expect(page.locator("#login").get_by_role("alert")).to_contain_text(
            "came in time", timeout=60_000
        )


@pytest.mark.needs("chromium")
async def test_a_token_is_typed_in_and_shown_to_nobody(
    agents: Agents, claude_com: ClaudeCom, tmp_path: Path
) -> None:
    _, watch = await needy(agents, claude_com, "lp-tilda")
    asked = await tell(agents.operator, "lp-tilda", "please")
    async with page_of(agents, "lp-tilda") as page:
        panel = page.locator("#login")
        await panel.get_by_text("Give it a token or an API key instead").click()
        assert await violations(page) == []
        assert await small_targets(page) == []
        await panel.get_by_label("Token or key").fill(TOKEN)
        await panel.get_by_role("button", name="Give it").click()
        await expect(panel).to_contain_text("a token that was given to it")
        await watch.turn_ended(asked)
        assert agents.api.requests[-1].credential == TOKEN
        assert TOKEN not in await page.content()
        await panel.get_by_role("button", name="Take it away").click()
        await expect(panel).to_contain_text("It has no login yet")
        file = tmp_path / "token"
        file.write_text(f"{TOKEN}-2\n")
        await panel.get_by_label("or a file that holds it").set_input_files(file)
        await panel.get_by_role("button", name="Give it").click()
        await expect(panel).to_contain_text("a token that was given to it")
    await watch.turn_ended(await tell(agents.operator, "lp-tilda", "again"))
    assert agents.api.requests[-1].credential == f"{TOKEN}-2"
