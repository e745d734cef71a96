"""The pages in a real Chromium: what an operator sees and does."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from hivecommon.contracts.approvals import Deny
from hivecommon.contracts.events import Text, ToolCall, ToolResult, TurnEnded, TurnStarted
from hivecommon.contracts.inbox import InboxMessage
from hivecommon.contracts.lifecycle import AgentSettings, Destroy, Spawn
from hivecommon.contracts.logs import LogLine
from hivecommon.contracts.roster import Activity, HarnessStatus
from hivecommon.contracts.streams import INBOX
from hivetesting.broker import OPERATOR
from hivetesting.dashboard import Dashboard
from hivetesting.standins import Agent, AgentMaker, Hive, present, roster_row, spawn_approval
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    async_playwright,
    expect,
)

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.asyncio(loop_scope="module")]

expect.set_options(timeout=20_000)  # the machine may be busy; conditions are awaited, not times

HOSTILE = (
    '<img src=x onerror="window.pwned=1"><script>window.pwned=1</script> '
    "\x1b[31mred\x1b[0m \x1b]0;title\x07 \u202egnp.exe javascript:alert(1) {{7*7}} ${7*7}"
)
HOSTILE_SHOWN = "⟨U+202E⟩gnp.exe"
REFUSED = "the server responded with a status of 4"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path="/usr/bin/chromium", headless=True,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )  # fmt: skip
        yield browser
        await browser.close()


class Tab:
    """A logged-in page, and what went wrong in it."""

    def __init__(self, page: Page, dashboard: Dashboard) -> None:
        self.page = page
        self.wrong: list[str] = []
        self._url = dashboard.url
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.wrong.append(str(error)))

    def _on_console(self, message: ConsoleMessage) -> None:
        # A refused request and a restarting server are no faults of the page.
        known = REFUSED in message.text or "WebSocket" in message.text or "ERR_" in message.text
        if message.type == "error" and not known:
            self.wrong.append(message.text)

    async def go(self, route: str) -> None:
        await self.page.goto(f"{self._url}/#{route}")

    def agent(self, name: str) -> Any:
        return self.page.locator(f"[data-agent={name}]")

    def button(self, name: str) -> Any:
        return self.page.get_by_role("button", name=name, exact=True)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def profile(chromium: Browser, dashboard: Dashboard) -> AsyncIterator[BrowserContext]:
    """A browser that is logged in."""
    context = await chromium.new_context(viewport={"width": 1280, "height": 800})
    page = await context.new_page()
    await page.goto(await dashboard.link())
    await expect(page.get_by_role("navigation")).to_be_visible()
    await page.close()
    yield context
    await context.close()


@pytest_asyncio.fixture(loop_scope="module")
async def tab(profile: BrowserContext, dashboard: Dashboard) -> AsyncIterator[Tab]:
    opened = Tab(await profile.new_page(), dashboard)
    await opened.go("/")
    yield opened
    await opened.page.close()
    assert opened.wrong == []


async def test_the_link_logs_in_and_leaves_no_trace(
    chromium: Browser, dashboard: Dashboard
) -> None:
    context = await chromium.new_context()
    page = await context.new_page()
    await page.goto(dashboard.url)
    await expect(page.locator(".login")).to_contain_text("hive open")
    await page.goto(await dashboard.link())
    await expect(page.locator(".who")).to_contain_text(OPERATOR)

    assert "ticket" not in page.url
    assert await page.evaluate("document.cookie") == ""
    assert await context.cookies() == []
    await page.reload()
    await expect(page.locator(".who")).to_contain_text(OPERATOR)
    await page.get_by_role("button", name="log out").click()
    await expect(page.locator(".login")).to_be_visible()
    await context.close()


async def test_a_used_link_and_no_link_say_what_to_do(
    chromium: Browser, dashboard: Dashboard, tab: Tab
) -> None:
    used = await dashboard.link()
    await tab.page.goto(used)
    await expect(tab.page.locator(".who")).to_contain_text(OPERATOR)
    context = await chromium.new_context()
    stranger = await context.new_page()
    await stranger.goto(used)

    await expect(stranger.get_by_role("alert")).to_contain_text("used before")
    await expect(stranger.locator(".login")).to_contain_text("hive open")
    await context.close()


async def test_the_roster_is_live_in_words_and_in_order(tab: Tab, hive: Hive) -> None:
    await tab.go("/agents")
    await hive.show(roster_row("zoe", sandboxed=False))
    await expect(tab.agent("zoe")).to_contain_text("idle")
    await expect(tab.agent("zoe")).to_contain_text("unsandboxed")
    working = HarnessStatus(activity=Activity.WORKING, status_text="reading", unread=2)
    await hive.show(roster_row("zoe", harness=working))
    await expect(tab.agent("zoe")).to_contain_text("working")
    await expect(tab.agent("zoe")).to_contain_text("2 unread")
    await hive.show(roster_row("hm1nd"))
    await hive.show(roster_row("abe"))
    await expect(tab.page.locator(".agent-row .name")).to_have_text(["hm1nd", "abe", "zoe"])
    await tab.page.keyboard.press("/")
    await tab.page.keyboard.type("read")
    await expect(tab.page.locator(".agent-row .name")).to_have_text(["zoe"])
    for name in ("zoe", "hm1nd", "abe"):
        await hive.hide(name)
    await tab.page.locator("#filter").fill("")
    await expect(tab.page.locator(".agent-row")).to_have_count(0)


async def test_what_waits_comes_first_and_counts_in_the_title(tab: Tab, hive: Hive) -> None:
    await tab.go("/")
    await hive.show(roster_row("carol", harness=HarnessStatus(needs_login=True)))
    await hive.propose(spawn_approval(21, "grace"))

    await expect(tab.page.locator(".trouble")).to_contain_text("carol: needs login")
    await expect(tab.page.locator("[data-approval='21']")).to_contain_text("Spawn grace")
    await expect(tab.page).to_have_title("(2) hive")
    await hive.hide("carol")
    await expect(tab.page).to_have_title("(1) hive")


async def test_approving_is_shown_when_it_is_done_and_not_before(tab: Tab, hive: Hive) -> None:
    await tab.go("/approvals")
    await hive.propose(spawn_approval(22, "heidi", settings=AgentSettings(persona="Reads RFCs.")))
    card = tab.page.locator("article[data-approval='22']")
    await expect(card).to_contain_text("Reads RFCs.")
    await expect(card).to_contain_text("hm1nd (agent)")
    hive.decisions.clear()
    await card.get_by_role("button", name="Approve").click()
    await expect(card.get_by_role("button", name="Approving…")).to_be_disabled()
    hive.decisions.set()

    await expect(tab.page.locator("li[data-approval='22']")).to_contain_text("approved")
    await expect(tab.page.locator("li[data-approval='22']")).to_contain_text(
        f"{OPERATOR} (operator)"
    )
    await expect(card).to_have_count(0)


async def test_what_changed_meanwhile_is_shown_again(tab: Tab, hive: Hive) -> None:
    await tab.go("/approvals")
    shown = spawn_approval(23, "ivan")
    await hive.propose(shown)
    card = tab.page.locator("article[data-approval='23']")
    await expect(card).to_be_visible()
    hive.approvals[23] = msgspec.structs.replace(shown, digest="f" * 64)
    await card.get_by_role("button", name="Approve").click()

    await expect(card).to_contain_text("look again")
    assert hive.approvals[23].state == "pending"


async def test_a_denial_takes_a_reason(tab: Tab, hive: Hive) -> None:
    await tab.go("/approvals")
    await hive.propose(spawn_approval(24, "judy"))
    card = tab.page.locator("article[data-approval='24']")
    await card.get_by_role("button", name="Deny…").click()
    await card.get_by_role("textbox").fill("not this week")
    await card.get_by_role("button", name="Deny", exact=True).click()

    await expect(tab.page.locator("li[data-approval='24']")).to_contain_text("not this week")
    assert hive.asked[-1][:2] == (OPERATOR, Deny(id=24, reason="not this week"))


async def test_a_message_goes_from_queued_to_delivered_to_read(
    tab: Tab, hive: Hive, agents: AgentMaker
) -> None:
    alice = await agents("alice")
    await tab.go("/agents/alice")
    await tab.page.locator("#message").fill("half a thought")
    await tab.go("/agents")
    await tab.go("/agents/alice")
    await expect(tab.page.locator("#message")).to_have_value("half a thought")
    await tab.page.locator("#message").fill("How is it going?")
    await tab.page.keyboard.press("Control+Enter")
    sent = tab.page.locator(".outgoing")
    await expect(sent).to_have_attribute("data-state", "queued")
    stored = await hive.lifecycle.jetstream.get_last_msg(
        INBOX.name, InboxMessage.subject_for(to="alice", sender="operator")
    )
    message = InboxMessage.decode(stored.data or b"")
    assert (message.body, message.by) == ("How is it going?", OPERATOR)
    await alice.says(
        TurnStarted(message_id=message.id, sender="operator", body=message.body, by=OPERATOR),
        turn=1,
    )
    await expect(tab.page.locator(".turn")).to_contain_text("delivered")
    await expect(sent).to_have_count(0)
    await alice.says(Text("Nearly done."), turn=1)
    await alice.says(TurnEnded(message_id=message.id, outcome="answered"), turn=1)

    await expect(tab.page.locator(".turn .message")).to_contain_text("read")
    await expect(tab.page.locator(".turn")).to_contain_text("Nearly done.")


async def test_a_tool_call_is_folded_with_its_result(tab: Tab, agents: AgentMaker) -> None:
    bob = await agents("bob")
    await tab.go("/agents/bob")
    await bob.says(TurnStarted(message_id="m", sender="alice", body="run it"), turn=1)
    await bob.says(ToolCall(call_id="c", tool="Bash", input={"command": "make"}), turn=1)
    call = tab.page.locator("details.tool")
    await expect(call.locator("summary")).to_contain_text("make")
    await expect(call.locator("summary")).to_contain_text("running")
    await bob.says(ToolResult(call_id="c", text="no rule", is_error=True), turn=1)
    await expect(call.locator("summary")).to_contain_text("failed")
    await expect(call.get_by_text("no rule")).to_be_hidden()
    await call.locator("summary").click()

    await expect(call.get_by_text("no rule")).to_be_visible()
    await expect(tab.page.locator("details.tool")).to_have_count(1)


async def test_a_restart_of_the_dashboard_keeps_the_page_its_place_and_the_login(
    tab: Tab, dashboard: Dashboard, agents: AgentMaker
) -> None:
    frank = await agents("frank")
    for number in range(60):
        await frank.says(Text(f"line {number}"), turn=1)
    await tab.go("/agents/frank")
    await expect(tab.page.get_by_text("line 59", exact=True)).to_be_visible()
    await tab.page.evaluate("window.same = true; scrollTo(0, 300)")
    await expect(tab.button("Latest")).to_be_visible()
    place = await tab.page.evaluate("scrollY")
    await dashboard.stop()
    await expect(tab.page.locator("[data-banner=stale]")).to_be_visible()
    await expect(tab.button("Stop")).to_be_disabled()
    await frank.says(Text("said meanwhile"), turn=1)
    await dashboard.start()
    await expect(tab.page.get_by_text("said meanwhile")).to_have_count(1)
    await expect(tab.page.locator("[data-banner=stale]")).to_have_count(0)

    await expect(tab.button("Stop")).to_be_enabled()
    await expect(tab.page.get_by_text("line 59", exact=True)).to_have_count(1)
    assert await tab.page.evaluate("window.same") is True
    assert abs(await tab.page.evaluate("scrollY") - place) < 60


async def test_the_bus_away_is_shown_and_heals(tab: Tab, hive: Hive, agents: AgentMaker) -> None:
    gina = await agents("gina")
    await tab.go("/agents/gina")
    await expect(tab.button("Restart")).to_be_enabled()
    hive.broker.kill()
    await expect(tab.page.locator("[data-banner=bus]")).to_be_visible()
    await expect(tab.button("Restart")).to_be_disabled()
    hive.broker.start()
    await expect(tab.page.locator("[data-banner]")).to_have_count(0)
    await expect(tab.button("Restart")).to_be_enabled()
    await until_connected(gina)
    await gina.says(Text("back again"), turn=1)

    await expect(tab.page.get_by_text("back again")).to_have_count(1)


async def until_connected(agent: Agent) -> None:
    async with asyncio.timeout(10):
        while not agent.bus.connected:
            await asyncio.sleep(0.02)


async def test_the_log_tail_follows_pauses_and_counts_what_was_missed(tab: Tab, hive: Hive) -> None:
    async def write(*events: str, level: str = "info") -> None:
        for event in events:
            subject = LogLine.subject_for(source="approvals", level=level)
            await hive.approvals_bus.publish(subject, msgspec.json.encode({"event": event, "n": 1}))

    await write("before")
    await tab.go("/logs?source=approvals")
    await expect(tab.page.locator(".event", has_text="before")).to_be_visible()
    await write("live")
    await expect(tab.page.locator(".event", has_text="live")).to_be_visible()
    await tab.button("Pause").click()
    await write("missed-1", "missed-2", "missed-3")
    await expect(tab.page.locator(".tail-state")).to_contain_text("3 new lines")
    await expect(tab.page.locator(".event", has_text="missed")).to_have_count(0)
    await tab.page.locator(".lines").focus()
    await tab.page.keyboard.press("Space")
    await expect(tab.page.locator(".event", has_text="missed")).to_have_count(3)
    await write(*(f"more-{number}" for number in range(60)))
    await expect(tab.page.locator(".event", has_text="more-59")).to_be_visible()
    await tab.page.locator(".lines").hover()
    await tab.page.mouse.wheel(0, -400)
    await expect(tab.page.locator(".tail-state")).to_contain_text("Paused")
    await write("while away")
    await expect(tab.page.locator(".tail-state")).to_contain_text("1 new line")
    await tab.page.get_by_role("button", name="1 new line").click()
    await expect(tab.page.locator(".event", has_text="while away")).to_be_visible()
    await write("trouble", level="error")
    await tab.page.get_by_label("Level").select_option("error")
    await expect(tab.page.locator(".event")).to_have_text(["trouble"])
    await tab.page.get_by_label("Level").select_option("info")
    await tab.page.get_by_label("Contains").fill("SSED-2")

    await expect(tab.page.locator(".event")).to_have_text(["missed-2"])
    assert tab.page.url.endswith("#/logs?source=approvals&text=SSED-2")


async def test_hostile_text_is_text_wherever_it_is_shown(
    tab: Tab, hive: Hive, agents: AgentMaker
) -> None:
    mallory = await agents("mallory", harness=HarnessStatus(status_text=HOSTILE))
    await mallory.says(TurnStarted(message_id="m", sender="alice", body=HOSTILE), turn=1)
    await mallory.says(Text(HOSTILE), turn=1)
    await mallory.says(ToolCall(call_id="c", tool=HOSTILE, input={"command": HOSTILE}), turn=1)
    await mallory.says(ToolResult(call_id="c", text=HOSTILE, is_error=True), turn=1)
    message = InboxMessage(id="hostile-1", body=HOSTILE, sent_at=present())
    await mallory.bus.send_message(to="operator", sender="mallory", message=message)
    line = msgspec.json.encode({"event": HOSTILE, "more": HOSTILE})
    await mallory.bus.publish(LogLine.subject_for(source="mallory", level="error"), line)
    await hive.propose(
        spawn_approval(31, "nina", reason=HOSTILE, settings=AgentSettings(persona=HOSTILE))
    )
    for route in ("/", "/agents", "/agents/mallory", "/approvals", "/logs?source=mallory"):
        await tab.go(route)
        await expect(tab.page.get_by_text(HOSTILE_SHOWN).first).to_be_visible()
        assert await tab.page.evaluate("window.pwned") is None
        assert await tab.page.locator("img, iframe, main script").count() == 0
        shown = await tab.page.locator("main").inner_text()
        assert "<script>window.pwned=1</script>" in shown
        assert "\x1b" not in shown
        assert "\u202e" not in shown
    del hive.approvals[31]


async def test_spawning_shows_errors_and_destroying_takes_the_name(
    tab: Tab, hive: Hive, agents: AgentMaker
) -> None:
    await agents("oscar")
    await tab.go("/agents")
    await expect(tab.agent("oscar")).to_be_visible()
    await tab.button("Spawn an agent").click()
    dialog = tab.page.get_by_role("dialog")
    await dialog.get_by_label("Name").fill("oscar")
    await dialog.get_by_label("Persona").fill("You count.")
    await dialog.get_by_role("button", name="Spawn").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("choose another name")
    await dialog.get_by_label("Name").fill("peggy")
    await dialog.get_by_role("button", name="Spawn").click()
    await expect(dialog).to_have_count(0)
    await expect(tab.page.locator(".now-running")).to_contain_text("spawn peggy")
    spawn = hive.asked[-1][1]
    assert isinstance(spawn, Spawn)
    assert (spawn.agent, spawn.settings.persona) == ("peggy", "You count.")
    await tab.go("/agents/oscar")
    await tab.button("Destroy…").click()
    confirm = dialog.get_by_role("button", name="Destroy", exact=True)
    await dialog.get_by_label("Type").fill("osca")
    await expect(confirm).to_be_disabled()
    await dialog.get_by_label("Type").fill("oscar")
    await confirm.click()
    await expect(dialog).to_have_count(0)

    assert hive.asked[-1][:2] == (OPERATOR, Destroy(agent="oscar", purge=False))


async def test_keys_go_from_page_to_page_but_not_inside_fields(tab: Tab) -> None:
    for key, heading in (("r", "Agents"), ("a", "Approvals"), ("l", "Logs")):
        await tab.page.keyboard.press("g")
        await tab.page.keyboard.press(key)
        await expect(tab.page.get_by_role("heading", level=1)).to_have_text(heading)
    await tab.page.keyboard.press("/")
    await tab.page.keyboard.type("gr?")
    await expect(tab.page.get_by_role("heading", level=1)).to_have_text("Logs")
    await tab.page.keyboard.press("Escape")
    await tab.page.keyboard.press("?")
    await expect(tab.page.get_by_role("dialog")).to_contain_text("roster of agents")
    await tab.page.keyboard.press("Escape")

    await expect(tab.page.get_by_role("dialog")).to_have_count(0)


async def test_it_fits_a_phone(tab: Tab, hive: Hive, agents: AgentMaker) -> None:
    await agents("quentin", harness=HarnessStatus(activity=Activity.WORKING, status_text="w" * 300))
    await hive.propose(spawn_approval(41, "ruth", reason="r" * 500))
    await tab.page.set_viewport_size({"width": 390, "height": 844})
    for route in ("/", "/agents", "/agents/quentin", "/approvals", "/logs"):
        await tab.go(route)
        await expect(tab.page.get_by_role("heading", level=1)).to_be_visible()
        wide = await tab.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 390, route
        small = await tab.page.evaluate(
            """[...document.querySelectorAll("button:not(.link), nav a, input, select, textarea")]
            .filter((one) => one.offsetParent && one.getBoundingClientRect().height < 44)
            .map((one) => one.outerHTML.slice(0, 80))"""
        )
        assert small == [], route
    # A label in two lines, or one that runs into the next, is hard to read and easily missed.
    broken = await tab.page.evaluate(
        """[...document.querySelectorAll("nav a span:not(.count)")]
        .filter((one) => one.offsetHeight > 24 || one.offsetWidth > one.parentElement.offsetWidth)
        .map((one) => one.textContent)"""
    )
    assert broken == []
    del hive.approvals[41]
