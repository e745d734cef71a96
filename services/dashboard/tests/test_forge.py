"""What an agent has open on the forge, on its page."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import pytest_asyncio
from hivecommon.bus import Bus
from hivecommon.contracts.forge import ForgeItem, ForgeWorkReply, GetForgeWork
from hivecommon.errors import HiveError
from hivecommon.service import Call
from hivetesting.broker import OPERATOR
from hivetesting.commands import serving
from hivetesting.dashboard import Dashboard
from hivetesting.standins import AgentMaker, Hive
from playwright.async_api import async_playwright, expect

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOSTILE = '<img src=x onerror="window.pwned=1"><b>bold</b> \u202egnp.exe'


class Desk:
    """forge-gw as far as the dashboard asks it."""

    def __init__(self) -> None:
        self.items: list[ForgeItem] = []
        self.trouble = ""
        self.asked: list[tuple[str, str]] = []
        self.called = asyncio.Event()
        self.ready = asyncio.Event()
        self.ready.set()

    async def work(self, call: Call, request: GetForgeWork) -> ForgeWorkReply:
        self.asked.append((call.caller.name, request.agent))
        self.called.set()
        await self.ready.wait()
        if self.trouble:
            raise HiveError(self.trouble, code="forge_not_ready")
        pulls = sum(item.pull for item in self.items)
        return ForgeWorkReply(issues=len(self.items) - pulls, pulls=pulls, items=self.items)


@asynccontextmanager
async def forge_gw(hive: Hive) -> AsyncIterator[Desk]:
    bus = await Bus.connect(hive.broker.service_login("forge-gw"), patience_s=5)
    desk = Desk()
    try:
        async with serving(hive.broker, bus, "forge-gw", {GetForgeWork: desk.work}):
            yield desk
    finally:
        await bus.drain()


def item(number: int, **changes: Any) -> ForgeItem:
    fields: dict[str, Any] = {
        "repo": "hive/work", "title": "one", "pull": False, "role": "author",
        "url": f"http://127.0.0.1:3000/hive/work/issues/{number}",
        "updated_at": datetime(2026, 11, 22, tzinfo=UTC),
    }  # fmt: skip
    return ForgeItem(number=number, **{**fields, **changes})


@pytest_asyncio.fixture(loop_scope="module")
async def client(dashboard: Dashboard) -> AsyncIterator[httpx.AsyncClient]:
    """An operator's program."""
    async with httpx.AsyncClient(base_url=dashboard.url, timeout=15) as client:
        ticket = (await dashboard.link()).partition("#ticket=")[2]
        answer = await client.post("/api/login", json={"ticket": ticket})
        client.headers["Authorization"] = f"Bearer {answer.json()['token']}"
        yield client


async def test_open_work_is_asked_for_in_the_operators_name(
    client: httpx.AsyncClient, hive: Hive
) -> None:
    async with forge_gw(hive) as desk:
        desk.items = [item(1), item(2, pull=True, role="reviewer")]
        seen = (await client.post("/api/agents/alice/forge")).json()
        desk.trouble = "the forge is not ready: away"
        away = await client.post("/api/agents/alice/forge")
    assert (seen["there"], seen["issues"], seen["pulls"]) == (True, 1, 1)
    assert [(each["number"], each["role"]) for each in seen["items"]] == [
        (1, "author"),
        (2, "reviewer"),
    ]
    assert desk.asked[0] == (OPERATOR, "alice")
    assert away.status_code == 200
    assert away.json()["trouble"] == desk.trouble


async def test_a_hive_without_a_forge_is_no_error(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/agents/alice/forge")
    assert (answer.status_code, answer.json()["there"]) == (200, False)


async def test_an_end_of_the_dashboard_while_the_forge_is_asked_is_no_failure(
    client: httpx.AsyncClient, dashboard: Dashboard, hive: Hive
) -> None:
    async with forge_gw(hive) as desk:
        desk.ready.clear()
        asking = asyncio.ensure_future(client.post("/api/agents/alice/forge"))
        await desk.called.wait()
        await dashboard.stop()
        desk.ready.set()
    answer = await asking
    await dashboard.start()

    assert answer.status_code == 200
    assert "restarting" in answer.json()["trouble"]


async def test_neither_strangers_nor_bad_names_get_an_answer(
    client: httpx.AsyncClient, dashboard: Dashboard
) -> None:
    async with httpx.AsyncClient(base_url=dashboard.url) as stranger:
        assert (await stranger.post("/api/agents/alice/forge")).status_code == 401
    refused = await client.post("/api/agents/a.b/forge")
    assert refused.json()["error"]["code"] == "bad_name"


@pytest.mark.needs("chromium")
async def test_hostile_titles_and_links_on_the_page_are_text(
    hive: Hive, agents: AgentMaker, dashboard: Dashboard
) -> None:
    agent = await agents("alice")
    async with forge_gw(hive) as desk, async_playwright() as playwright:
        desk.items = [item(1, title=HOSTILE), item(2, pull=True, url="javascript:alert(1)")]
        browser = await playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        page = await browser.new_page()
        await page.goto(await dashboard.link())
        await expect(page.get_by_role("navigation")).to_be_visible(timeout=20_000)
        await page.goto(f"{dashboard.url}/#/agents/{agent.name}")
        work = page.locator(".forge")
        await expect(work).to_contain_text("1 open issue, 1 pull request", timeout=20_000)
        await work.locator("summary").click()
        await expect(work).to_contain_text('<img src=x onerror="window.pwned=1"><b>bold</b>')
        await expect(work).to_contain_text("⟨U+202E⟩gnp.exe")
        links = await work.get_by_role("link").all()
        assert [await link.get_attribute("href") for link in links] == [desk.items[0].url]
        assert await page.locator(".forge img, .forge b").count() == 0
        assert await page.evaluate("window.pwned") is None
        await browser.close()
