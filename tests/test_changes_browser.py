"""From a commit to deployed in a whole hive: git as the manager uses it, the dashboard in Chromium."""

import os
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hivetesting.hive import RunningHive, running_hive
from hivetesting.messages_api.rules import Rule, Rules
from hivetesting.messages_api.server import ScriptedMessagesApi
from hivetesting.messages_api.steps import ToolUse
from playwright.async_api import Locator, Page, async_playwright, expect

from tests.test_changes import SCRIPT, asked, git, persona, repo, stages

pytestmark = [pytest.mark.timeout(600), pytest.mark.needs("chromium")]

expect.set_options(timeout=60_000)  # the machine may be busy; conditions are awaited, not times

NIX = """\
{ pkgs, ... }:
{
  environment.systemPackages = [ pkgs.jq ];
  networking.firewall.allowedTCPPorts = [ 8080 ];
}
"""
OWN = Rules(
    Rule(
        text="ask which colours",
        answer=lambda _, _found: (
            ToolUse(
                "mcp__hive__ask",
                {
                    "question": "Which colours?",
                    "options": ["red", "blue", "green"],
                    "multiple": True,
                },
            ),
        ),
    ),
    otherwise=SCRIPT,
)


@pytest.fixture(scope="module")
def hive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHive]:
    with (
        ScriptedMessagesApi(OWN, agent_pattern=r"You are the agent (?P<agent>[a-z0-9-]+)") as api,
        running_hive(tmp_path_factory.mktemp("hive"), api.base_url, manager=True) as running,
    ):
        running.until_running("hm1nd")
        assert running.hive("spawn", "eve").code == 0
        yield running


@pytest.fixture
async def page(hive: RunningHive) -> AsyncIterator[Page]:
    link = re.findall(r"http://\S+#ticket=\S+", hive.hive("open").out)[0]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        page = await browser.new_page(viewport={"width": 1280, "height": 900})
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        await page.goto(link)
        await expect(page.get_by_role("navigation")).to_be_visible()
        yield page
        await browser.close()
        assert errors == []


def commit(hive: RunningHive, subject: str, **files: str) -> str:
    for name, text in files.items():
        (repo(hive) / name.replace("__", ".")).write_text(text)
    git(hive, "add", "--all")
    git(hive, "commit", "--quiet", "-m", subject)
    return git(hive, "rev-parse", "HEAD")


async def picture(page: Page, name: str) -> None:
    """Keep a picture for whoever wants to look: HIVE_PICTURES names the directory."""
    if directory := os.environ.get("HIVE_PICTURES"):
        await page.screenshot(path=Path(directory) / f"{name}.png", full_page=True)


def card_of(page: Page, number: int) -> Locator:
    return page.locator(f"article[data-approval='{number}']")


async def test_a_commit_is_looked_at_approved_deployed_and_rolled_back_in_the_browser(
    hive: RunningHive, page: Page
) -> None:
    await page.get_by_role("link", name="Approvals").first.click()
    first = commit(
        hive, "A poet <script>alert(1)</script>", agent__toml='persona = "a poet"\n', agent__nix=NIX,
        notes__md="read me\n",
    )  # fmt: skip
    number = asked(hive, first)
    card = card_of(page, number)
    await expect(card).to_contain_text("<b>better</b>")
    await expect(card).to_contain_text("A poet <script>alert(1)</script>")
    await expect(card.locator("[data-file='agent.toml'] .added")).to_contain_text(
        ['persona = "a poet"']
    )
    await expect(card.locator("[data-file='notes.md']")).to_contain_text("added")
    for risk in ("packages", "network"):
        await expect(card.locator(f"[data-risk={risk}]").first).to_be_visible()
    await picture(page, "change")
    await card.get_by_role("button", name="Approve").click()
    decided = page.locator(f"li[data-approval='{number}']")
    await expect(decided.locator(".tag").first).to_have_text("done")
    assert persona(hive) == "a poet"
    await decided.get_by_role("button", name="Show the log").click()
    await expect(decided.locator(".log-of")).to_contain_text(f"deployed/{number}")

    second = asked(hive, commit(hive, "A painter", agent__toml='persona = "a painter"\n'))
    card = card_of(page, second)
    await expect(card.locator(".digest")).to_be_visible()
    assert hive.hive("rollback", "eve", "--to", "0").code == 0  # the base moves meanwhile
    await card.get_by_role("button", name="Approve").click()
    await expect(card).to_contain_text("look again before you decide")
    await card.locator("select").select_option("previous")
    await expect(card.locator("[data-file='agent.toml'] .removed")).to_contain_text(["a poet"])
    await card.get_by_role("button", name="Approve").click()
    await expect(page.locator(f"li[data-approval='{second}'] .tag").first).to_have_text("done")
    assert persona(hive) == "a painter"

    await page.goto(re.sub("#.*", "#/agents/eve", page.url))
    await page.get_by_text("Configuration: history and roll back").click()
    old = page.locator(f"[data-revision='{number}']")
    await old.get_by_role("button", name="Roll back to this").click()
    runs = page.locator("[data-revision]").filter(has_text="runs")
    await expect(runs).to_contain_text(first[:10])
    assert persona(hive) == "a poet"
    assert stages(hive)[number] == ["proposal", "approved", "building", "deployed"]
    await picture(page, "history")


async def test_a_denial_and_an_answer_reach_those_who_asked(hive: RunningHive, page: Page) -> None:
    number = asked(hive, commit(hive, "A thief", agent__toml='persona = "a thief"\n'))
    await page.get_by_role("link", name="Approvals").first.click()
    card = card_of(page, number)
    await card.get_by_role("button", name="Deny…").click()
    await card.get_by_label("Why not?").fill("no thieves <i>here</i>")
    await card.get_by_role("button", name="Deny").click()
    await expect(page.locator(f"li[data-approval='{number}']")).to_contain_text("no thieves")
    assert hive.hive("send", "eve", "ask which colours").code == 0
    await page.goto(re.sub("#.*", "#/", page.url))
    question = page.locator(".question")
    for colour in ("red", "green"):
        await question.get_by_label(colour, exact=True).check()
    await picture(page, "question")
    await question.get_by_role("button", name="Answer").click()
    await expect(question).to_have_count(0)
    heard = page.get_by_label("transcript")
    for agent, words in (("hm1nd", "no thieves <i>here</i>"), ("eve", "- green")):
        await page.goto(re.sub("#.*", f"#/agents/{agent}", page.url))
        await expect(heard.get_by_text(words).last).to_be_visible()
    await page.set_viewport_size({"width": 390, "height": 844})
    await page.goto(re.sub("#.*", "#/approvals", page.url))
    await expect(page.locator(f"li[data-approval='{number}']")).to_be_visible()
    await picture(page, "phone")
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390
