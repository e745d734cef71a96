"""What an agent costs, in a whole hive: seen on the dashboard, bounded there, and let go by a command."""

import time
from collections.abc import Callable, Iterator

import pytest
from hivetesting.hive import RunningHive, running_hive
from hivetesting.messages_api.server import ScriptedMessagesApi
from playwright.async_api import async_playwright, expect

pytestmark = [pytest.mark.timeout(300), pytest.mark.needs("chromium")]


@pytest.fixture(scope="module")
def hive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHive]:
    with (
        ScriptedMessagesApi(agent_pattern=r"You are the agent (?P<agent>[a-z0-9-]+)") as api,
        running_hive(tmp_path_factory.mktemp("hive"), api.base_url) as running,
    ):
        assert running.hive("spawn", "alice").code == 0
        running.until_running("alice")
        yield running


def until(holds: Callable[[], bool], words: Callable[[], str]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, words()
        time.sleep(0.2)


async def test_a_cap_is_set_on_the_dashboard_outlasts_a_restart_and_is_lifted_by_a_command(
    hive: RunningHive,
) -> None:
    assert hive.hive("send", "alice", "one", "--wait").code == 0

    def listed() -> str:
        return hive.hive("ls").out

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
        await page.goto(f"{page.url.partition('#')[0]}#/agents/alice")
        await page.get_by_text("Usage: $").click()
        panel = page.locator(".usage-panel")
        await expect(panel).to_contain_text("1 turn")
        await expect(panel.get_by_role("row")).to_have_count(2)
        await panel.get_by_label("Most that a day may cost").fill("0.01")
        await panel.get_by_role("button", name="Set").click()
        await expect(panel).to_contain_text("of $0.0100")
        await expect(page.get_by_role("alert").first).to_contain_text("the cap is 0.01 USD")
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await browser.close()
        assert errors == []
    until(lambda: "spend-cap" in listed(), listed)
    assert hive.hive("send", "alice", "two").code == 0
    assert hive.hive("restart", "alice").code == 0
    until(lambda: "spend-cap" in listed(), listed)
    assert "may cost $0.01 a day" in hive.hive("usage", "alice").err
    assert hive.hive("cap", "alice", "off").code == 0
    until(lambda: "spend-cap" not in listed(), listed)
    until(
        lambda: (
            hive.hive("usage", "alice", "--json").json["agents"]["alice"]["days"][0]["turns"] == 2
        ),
        listed,
    )
    audit = hive.hive("audit", "--target", "agent:alice", "--what", "capped").out
    assert "0.01 US dollars a day" in audit
    assert "none" in audit
