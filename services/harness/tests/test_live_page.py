"""The agent's own page: in a real Chromium, and as a program meets it."""

import asyncio
import socket
from typing import Any

import httpx
import pytest
from hivecommon.contracts.events import HarnessStarted, TurnStarted
from hivecommon.contracts.harness import UiTicket
from hivecommon.errors import HiveError
from hivetesting.agents import Agents
from hivetesting.browser import browser_page, fits
from hivetesting.harness import tell
from hivetesting.messages_api.rules import Rule, Rules
from hivetesting.messages_api.steps import Hang, Text, ToolUse
from playwright.async_api import expect

expect.set_options(timeout=30_000)  # the machine may be busy; conditions are awaited, not times


async def ticket_url(agents: Agents, name: str) -> str:
    ticket = await agents.operator.request(UiTicket(), agent=name, timeout_s=30)
    return ticket.url


@pytest.mark.needs("chromium")
async def test_an_operator_reads_along_writes_and_stops_a_turn(agents: Agents) -> None:
    hostile = "<img src=x onerror=alert(1)> \x1b[31mred"
    agents.api.script = Rules(
        Rule(text="evil", answer=[ToolUse("Bash", {"command": "echo '<b>out</b>'"})]),
        Rule(after_tool="Bash", answer=[Text(hostile)]),
        Rule(text="forever", answer=[Text("hm"), Hang()]),
    )
    _, watch = await agents.spawn("petra")
    await watch.turn_ended(await tell(agents.operator, "petra", "evil"))
    async with browser_page(await ticket_url(agents, "petra")) as page:
        log, box = page.get_by_role("log"), page.get_by_label("message to petra")
        await expect(log).to_contain_text("<img src=x onerror=alert(1)> red")
        assert "ticket" not in page.url
        await box.fill("are you there?")
        await page.get_by_role("button", name="send").click()
        await expect(log).to_contain_text("You said: You have a new message.")
        assert "operator, on your own page" in agents.api.requests[-1].last_user_text
        await box.fill("forever")
        await page.get_by_role("button", name="send").click()
        await page.get_by_role("button", name="Stop").click()
        await expect(log).to_contain_text("interrupted")
        await page.reload()
        await expect(log).to_contain_text("are you there?")
        assert await fits(page)


async def test_no_link_leads_to_a_port_that_somebody_else_holds(agents: Agents) -> None:
    agent = await agents.register("rosa")
    watch = await agents.watch("rosa")
    with socket.create_server(("127.0.0.1", agent.port)):
        agent.start()
        await watch.until(lambda e: isinstance(e.body, HarnessStarted))
        with pytest.raises(HiveError) as caught:
            await ticket_url(agents, "rosa")
    assert caught.value.code == "port_taken"
    assert str(agent.port) in caught.value.message
    async with asyncio.timeout(30):
        while True:  # it is tried again and again, in the background
            try:
                await ticket_url(agents, "rosa")
            except HiveError:
                await asyncio.sleep(0.1)
            else:
                return


async def test_without_a_good_token_nothing_is_said_and_nothing_is_done(agents: Agents) -> None:
    agent, watch = await agents.spawn("queenie")
    await watch.until(lambda e: isinstance(e.body, HarnessStarted))
    base = f"http://127.0.0.1:{agent.port}"
    ticket = (await ticket_url(agents, "queenie")).partition("#ticket=")[2]
    message = {"id": "one", "body": "hello"}
    async with httpx.AsyncClient(base_url=base) as browser:

        async def post(path: str, content: Any, **headers: str) -> httpx.Response:
            return await browser.post(path, json=content, headers=headers)

        assert (await post("/api/messages", message)).status_code == 401
        assert (await post("/api/messages", message, Authorization="Bearer x")).status_code == 401
        assert (await post("/api/login", {"ticket": "x" * 40})).status_code == 401
        foreign = await post("/api/login", {"ticket": ticket}, Origin="http://127.0.0.1:8101")
        assert foreign.status_code == 403
        rebound = await browser.get("/", headers={"Host": "evil.example"})
        assert rebound.status_code == 421
        token = (await post("/api/login", {"ticket": ticket})).json()["token"]
        assert (await post("/api/login", {"ticket": ticket})).status_code == 401
        bearer = {"Authorization": f"Bearer {token}"}
        assert (
            await post("/api/messages", {"id": "a b", "body": "x"}, **bearer)
        ).status_code == 400
        assert (await post("/api/messages", {"id": "z", "body": " "}, **bearer)).status_code == 422
        for _ in range(2):  # sending twice is sending once
            assert (await post("/api/messages", message, **bearer)).json()["ok"]
        await watch.turn_ended("one")
        page = await browser.get("/")
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert "set-cookie" not in page.headers
    assert [turn.message_id for turn in watch.bodies(TurnStarted)] == ["one"]


async def test_a_message_from_the_page_goes_before_the_inbox_and_survives_a_kill(
    agents: Agents,
) -> None:
    agents.api.script = Rules(Rule(text="first", answer=[Text("…"), Hang()], times=1))
    agent, watch = await agents.spawn("ronja")
    await tell(agents.operator, "ronja", "first")
    await agents.asked("first")
    later = await tell(agents.operator, "ronja", "later")
    ticket = (await ticket_url(agents, "ronja")).partition("#ticket=")[2]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{agent.port}") as browser:
        token = (await browser.post("/api/login", json={"ticket": ticket})).json()["token"]
        bearer = {"Authorization": f"Bearer {token}"}
        body = {"id": "typed", "body": "typed on the page"}
        assert (await browser.post("/api/messages", json=body, headers=bearer)).is_success
        agent.kill()
        agent.start()
        await watch.turn_ended(later)
        # The token outlives the harness that gave it.
        answer = await browser.post("/api/interrupt", json={}, headers=bearer)
        assert answer.json() == {"ok": True, "changed": False}
    bodies = [turn.body for turn in watch.bodies(TurnStarted)]
    assert sorted(bodies) == ["first", "first", "later", "typed on the page"]
    assert bodies.index("typed on the page") < bodies.index("later")
