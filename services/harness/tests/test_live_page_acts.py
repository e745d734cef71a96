"""What an operator changes on the agent's page: pause, model, conversation, messages that were set aside."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import httpx
import pytest
from hivecommon.contracts.harness import SetPaused, UiTicket
from hivecommon.contracts.lifecycle import Done, PauseMyself
from hivecommon.contracts.open_items import OwnItems, OwnItemsReply
from hivecommon.contracts.questions import Question, QuestionState
from hivecommon.errors import HiveError
from hivecommon.service import Call
from hivetesting.agents import Agents
from hivetesting.browser import DESK, browser_page
from hivetesting.commands import serving
from hivetesting.harness import tell
from hivetesting.messages_api.rules import Rule, Rules
from hivetesting.messages_api.steps import Error, Hang, Text
from playwright.async_api import expect

pytestmark = pytest.mark.needs("chromium")
expect.set_options(timeout=30_000)

ASKED = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


async def url_of(agents: Agents, name: str) -> str:
    return (await agents.operator.request(UiTicket(), agent=name, timeout_s=30)).url


class Lifecycle:
    """lifecycle as far as a pause needs it."""

    def __init__(self, agents: Agents) -> None:
        self._agents = agents
        self.by_operator = False

    async def pause(self, call: Call, request: PauseMyself) -> Done:
        name = call.caller.name
        if self.by_operator and not request.paused:
            raise HiveError("operator:anna paused it", code="refused", hint="hive resume")
        bus = self._agents.lifecycle
        return await bus.request(SetPaused(paused=request.paused), agent=name, timeout_s=30)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        bus = self._agents.lifecycle
        async with serving(self._agents.broker, bus, "lifecycle", {PauseMyself: self.pause}):
            yield


async def test_pausing_goes_through_lifecycle_and_an_operators_pause_stays(agents: Agents) -> None:
    lifecycle = Lifecycle(agents)
    _, watch = await agents.spawn("olga")
    await watch.status(lambda status: status.activity == "idle")
    async with browser_page(await url_of(agents, "olga"), size=DESK, refusals=True) as page:
        await page.get_by_role("button", name="Pause").click()
        # lifecycle is away: nothing is pretended.
        await expect(page.get_by_role("alert")).to_contain_text("set_paused")
        await expect(page.get_by_role("button", name="Pause")).to_be_visible()
        async with lifecycle.running():
            await page.get_by_role("button", name="Pause").click()
            await expect(page.locator(".bar .tag")).to_have_text("paused")
            await page.get_by_label("message to olga").fill("later, then")
            await page.keyboard.press("Control+Enter")
            await expect(page.locator(".outgoing")).to_have_attribute("data-state", "queued")
            await expect(page.locator(".panel .first-line")).to_have_text("later, then")
            lifecycle.by_operator = True
            await page.get_by_role("button", name="Resume").click()
            await expect(page.get_by_role("alert")).to_contain_text("operator:anna paused it")
            await expect(page.locator(".bar .tag")).to_have_text("paused")
            lifecycle.by_operator = False
            await page.get_by_role("button", name="Resume").click()
            await expect(page.get_by_text("You said: ")).to_be_visible()
            await expect(page.locator(".outgoing")).to_have_count(0)
            await expect(page.get_by_text("No message waits.")).to_be_visible()


async def test_model_effort_and_a_new_conversation_are_chosen_for_the_next_turn(
    agents: Agents,
) -> None:
    _, watch = await agents.spawn("paula")
    await watch.turn_ended(await tell(agents.operator, "paula", "first"))
    session = (await watch.status(lambda status: bool(status.session_id))).session_id
    async with browser_page(await url_of(agents, "paula"), size=DESK) as page:
        use = page.get_by_role("button", name="Use from the next turn on")
        await expect(use).to_be_disabled()
        await page.get_by_label("Model").fill("claude-opus-4-5")
        await page.get_by_label("Effort").select_option("high")
        await use.click()
        await expect(page.get_by_role("status").filter(has_text="claude-opus-4-5")).to_be_visible()
        await page.get_by_role("button", name="New conversation…").click()
        dialog = page.get_by_role("dialog")
        await expect(dialog).to_contain_text("Its files and notes stay")
        await dialog.get_by_role("button", name="Begin a new one").click()
        await expect(dialog).to_have_count(0)
        await expect(page.get_by_role("status").filter(has_text="new conversation")).to_be_visible()
        await watch.turn_ended(await tell(agents.operator, "paula", "second"))
        await expect(page.locator(".facts")).to_contain_text("claude-opus-4-5")
        await expect(page.locator(".facts")).to_contain_text("high")
    asked = agents.api.requests[-1]
    assert asked.model == "claude-opus-4-5"
    assert "first" not in str(asked.messages)
    await watch.status(lambda status: status.session_id not in {"", session})


async def test_what_was_set_aside_is_shown_with_its_reason_and_sent_again(agents: Agents) -> None:
    agents.api.script = Rules(
        Rule(text="poison", answer=[Error(400, message="the request is no good")], times=20)
    )
    _, watch = await agents.spawn("rosa")
    await tell(agents.operator, "rosa", "poison <b>", by="anna")
    await watch.status(lambda status: status.parked == 1)
    async with browser_page(await url_of(agents, "rosa"), size=DESK) as page:
        parked = page.locator("[data-parked]")
        await expect(parked).to_contain_text("anna (operator)")
        await expect(parked).to_contain_text("poison <b>")
        await expect(page).to_have_title("(1) rosa · idle")
        agents.api.script = Rules(Rule(text="poison", answer=[Text("digested")]))
        await parked.get_by_role("button", name="Send again").click()
        await expect(page.get_by_text("digested")).to_be_visible()
        await expect(parked).to_have_count(0)
        await expect(page).to_have_title("rosa · idle")


async def test_what_is_open_elsewhere_is_listed_and_its_absence_said(agents: Agents) -> None:
    async def own_items(call: Call, _request: OwnItems) -> OwnItemsReply:
        question = Question(
            id=7, asker=call.caller.name, answerer="operator", state=QuestionState.OPEN,
            text="May I? <script>", asked_at=ASKED,
        )  # fmt: skip
        return OwnItemsReply(questions=[question], reminders=[], requests=[])

    await agents.spawn("sofia", dashboard_port=7000)
    async with browser_page(await url_of(agents, "sofia"), size=DESK) as page:
        card = page.get_by_role("region", name="Open")
        await expect(card).to_contain_text("not known now")
        bus = agents.lifecycle
        async with serving(agents.broker, bus, "approvals", {OwnItems: own_items}):
            await expect(card).to_contain_text("May I? <script>")
            await expect(card.get_by_role("link")).to_have_attribute(
                "href", "http://127.0.0.1:7000/#/"
            )


async def test_trouble_says_when_it_goes_on_and_goes_on_at_once_when_told(agents: Agents) -> None:
    agents.api.script = Rules(Rule(answer=[Error(429)], times=2))
    _, watch = await agents.spawn("tilda")
    await tell(agents.operator, "tilda", "are you well?")
    await watch.status(lambda status: status.rate_limited)
    async with browser_page(await url_of(agents, "tilda"), size=DESK) as page:
        trouble = page.locator(".panel .trouble")
        await expect(trouble).to_contain_text("rate limited")
        await expect(trouble).to_contain_text("It tries again by itself")
        await trouble.get_by_role("button", name="Try now").click()
        await expect(page.get_by_text("You said: ")).to_be_visible()
        await expect(trouble).to_have_count(0)


async def test_what_runs_now_is_named_with_its_time_and_stopped(agents: Agents) -> None:
    agents.api.script = Rules(Rule(text="forever", answer=[Text("hm"), Hang()]))
    await agents.spawn("ulla")
    await tell(agents.operator, "ulla", "forever")
    async with browser_page(await url_of(agents, "ulla"), size=DESK) as page:
        await expect(page.locator(".bar .tag")).to_have_text("working")
        await expect(page.locator(".turn .outcome")).to_contain_text("working")
        await page.get_by_role("button", name="Stop").click()
        await expect(page.locator(".turn .outcome")).to_contain_text("interrupted")
        await expect(page.get_by_role("button", name="Stop")).to_have_count(0)


async def test_what_the_disk_does_not_take_is_said_and_can_be_sent_again(agents: Agents) -> None:
    agent, watch = await agents.spawn("yara")
    await watch.status(lambda status: status.activity == "idle")
    async with browser_page(await url_of(agents, "yara"), size=DESK, refusals=True) as page:
        other = sqlite3.connect(agent.state / "hyperhive-harness.sqlite", isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        await page.get_by_label("message to yara").fill("remember this")
        await page.keyboard.press("Control+Enter")
        sent = page.locator(".outgoing")
        await expect(sent).to_have_attribute("data-state", "failed")
        await expect(sent).to_contain_text("does not take it")
        other.execute("ROLLBACK")
        other.close()
        await sent.get_by_role("button", name="Try again").click()
        await expect(page.get_by_text("You said: ")).to_be_visible()
        await expect(sent).to_have_count(0)


async def test_its_conversation_is_made_shorter_when_it_is_asked_to(agents: Agents) -> None:
    _, watch = await agents.spawn("zelda")
    await watch.turn_ended(await tell(agents.operator, "zelda", "first"))
    async with browser_page(await url_of(agents, "zelda"), size=DESK) as page:
        await page.get_by_role("button", name="Compact now").click()
        await expect(page.get_by_role("status").filter(has_text="saves its notes")).to_be_visible()
        own = page.locator(".turn > .own")
        await expect(own.first).to_contain_text("saves its notes, on its own")
        await expect(own.first).to_contain_text("answered")


async def test_no_act_on_the_page_is_carried_out_without_a_token(agents: Agents) -> None:
    agent, watch = await agents.spawn("vera")
    await watch.status(lambda status: status.activity == "idle")
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{agent.port}") as browser:
        for act in (
            "interrupt", "retry", "compact", "new-session", "model", "resend", "pause", "history",
            "messages", "claude/start",
        ):  # fmt: skip
            answer = await browser.post(f"/api/{act}", json={})
            assert (act, answer.status_code) == (act, 401)
