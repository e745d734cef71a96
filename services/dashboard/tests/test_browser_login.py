"""Login and usage panels in a real Chromium: whatever an agent answers there stays text."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hivecommon.contracts.login import (
    GiveKey,
    Holding,
    KeyKind,
    LoginMethod,
    LoginPhase,
    LoginReply,
    LoginView,
    ReadLogin,
)
from hivecommon.contracts.roster import HarnessStatus
from hivecommon.contracts.usage import DayUsage, ReadUsage, UsageReply
from hivetesting.standins import AgentMaker, Hive, roster_row
from playwright.async_api import expect

from services.dashboard.tests.test_browser import (
    HOSTILE,
    HOSTILE_SHOWN,
    Tab,
    chromium,
    profile,
    tab,
)

__all__ = ["chromium", "profile", "tab"]  # fixtures

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.asyncio(loop_scope="module")]

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
KEY = "sk-ant-api03-typed-on-the-dashboard"


@pytest.mark.parametrize(
    "url", ["javascript:window.pwned=1//https://x", "http://claude.ai/x", "data:text/html,x", ""]
)
async def test_of_a_logins_address_nothing_but_https_becomes_a_link(
    tab: Tab, hive: Hive, agents: AgentMaker, url: str
) -> None:
    alice = await agents("alice")
    needy = HarnessStatus(needs_login=True, trouble="needs_login", trouble_text=HOSTILE)
    await hive.show(roster_row("alice", harness=needy))
    view = LoginView(
        phase=LoginPhase.WAITING, holding=Holding.NONE, method=LoginMethod.CLAUDEAI,
        url=f"{url} {HOSTILE}", words=HOSTILE, expires_at=NOW + timedelta(minutes=15),
    )  # fmt: skip
    await alice.answers(ReadLogin, LoginReply(login=view))
    await tab.go("/")
    await tab.page.get_by_role("link", name="Log alice in").click()
    panel = tab.page.locator("#login")
    await expect(panel.get_by_role("alert")).to_contain_text(HOSTILE_SHOWN)
    await expect(panel.locator(".login-address")).to_contain_text(HOSTILE_SHOWN)
    assert await panel.get_by_role("link").count() == 0
    assert await tab.page.evaluate("window.pwned") is None


async def test_a_key_goes_to_its_agent_and_stays_nowhere_on_the_page(
    tab: Tab, hive: Hive, agents: AgentMaker
) -> None:
    erin = await agents("erin")
    await hive.show(roster_row("erin"))
    idle = LoginReply(login=LoginView(phase=LoginPhase.IDLE, holding=Holding.HIVE))
    given = LoginReply(login=LoginView(phase=LoginPhase.IDLE, holding=Holding.GIVEN_KEY))
    await erin.answers(ReadLogin, idle)
    await erin.answers(GiveKey, given)
    await tab.go("/agents/erin")
    await tab.page.get_by_text("Login at Claude").click()
    panel = tab.page.locator("#login")
    await expect(panel).to_contain_text("the key or token that the hive was started with")
    await panel.get_by_text("Give it a token or an API key instead").click()
    await panel.get_by_label("What it is").select_option("api_key")
    await panel.get_by_label("Token or key").fill(KEY)
    await panel.get_by_role("button", name="Give it").click()
    await expect(panel).to_contain_text("an API key that was given to it")
    assert [one for one in erin.asked if isinstance(one, GiveKey)] == [
        GiveKey(kind=KeyKind.API_KEY, key=KEY)
    ]
    assert await panel.get_by_label("Token or key").input_value() == ""
    stored = await tab.page.evaluate("JSON.stringify([localStorage, sessionStorage])")
    assert KEY not in stored + await tab.page.content()


async def test_what_an_agent_says_it_used_is_text_and_fits(
    tab: Tab, hive: Hive, agents: AgentMaker
) -> None:
    frank = await agents("frank")
    await hive.show(roster_row("frank", harness=HarnessStatus(cost_today_usd=1.25)))
    days = [
        DayUsage(
            day=date(2026, 11, day), turns=day, cost_usd=1.25, duration_s=3700.0,
            input_tokens=1_000_000, output_tokens=2_000, cache_read_tokens=3_000_000,
            tools={HOSTILE[:80]: 3, "Bash": 2, "Read": 1, "Edit": 1, "Glob": 1},
        )
        for day in (22, 21)
    ]  # fmt: skip
    usage = UsageReply(days=days, turns=[], today=date(2026, 11, 22), cap_usd=2.0)
    await frank.answers(ReadUsage, usage)
    await tab.page.set_viewport_size({"width": 390, "height": 844})
    await tab.go("/agents/frank")
    await tab.page.get_by_text("Usage: $1.25 today").click()
    panel = tab.page.locator(".usage-panel")
    await expect(panel).to_contain_text("Today $1.25 of $2.00, 22 turns")
    await expect(panel.get_by_role("row")).to_have_count(3)
    await expect(panel.locator(".usage-tools").first).to_contain_text("<img src=x")
    assert await tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert await tab.page.evaluate("window.pwned") is None
