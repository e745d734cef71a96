"""What turns take, with the real CLI: counted once across every restart, summed by day, and capped."""

import sqlite3
from datetime import datetime, timedelta
from itertools import pairwise

import psutil
import pytest
from hivecommon.contracts.events import Trouble, TurnEnded, TurnStarted
from hivecommon.contracts.harness import ApplyCap, RetryNow, UiTicket
from hivecommon.contracts.usage import ReadUsage, UsageReply
from hivetesting.agents import Agents
from hivetesting.broker import Broker
from hivetesting.browser import browser_page, fits, small_targets, violations
from hivetesting.commands import HiveCommand, environ_of
from hivetesting.harness import AgentWatch, HarnessProcess, tell
from hivetesting.messages_api.rules import Rule, Rules
from hivetesting.messages_api.steps import Text, ToolUse
from playwright.async_api import expect

# The scripted API counts what it is sent, so that each turn costs a little more than the one before.
STEADY = 0.05


async def usage(agents: Agents, agent: str, turns: int = 50) -> UsageReply:
    return await agents.operator.request(ReadUsage(days=7, turns=turns), agent=agent, timeout_s=30)


async def one_turn(agents: Agents, watch: AgentWatch, name: str, text: str = "hello") -> TurnEnded:
    return await watch.turn_ended(await tell(agents.operator, name, text))


def kill_cli(agent: HarnessProcess) -> None:
    for process in psutil.Process(agent.pid).children(recursive=True):
        process.kill()


async def test_a_turn_costs_the_same_after_a_restart_a_kill_and_a_lost_cli(agents: Agents) -> None:
    agent, watch = await agents.spawn("us-ulla")
    ended = [await one_turn(agents, watch, "us-ulla") for _ in range(3)]
    # A client that ends in good order leaves its total behind, and counts on from it.
    assert await agent.stop() == 0
    agent.start()
    ended += [await one_turn(agents, watch, "us-ulla") for _ in range(2)]
    # One that is killed does not, and counts from where it was before.
    kill_cli(agent)
    ended += [await one_turn(agents, watch, "us-ulla") for _ in range(2)]
    agent.kill()
    agent.start()
    ended += [await one_turn(agents, watch, "us-ulla")]
    costs = [turn.cost_usd for turn in ended]
    assert min(costs) > 0
    growth = [after / before for before, after in pairwise(costs)]
    assert growth == pytest.approx([1.0] * len(growth), abs=STEADY), costs
    found = await usage(agents, "us-ulla")
    [today] = found.days
    assert today.turns == len(ended)
    assert today.cost_usd == pytest.approx(sum(costs))
    assert today.output_tokens == sum(turn.output_tokens for turn in ended)
    told = [turn.cost_usd for turn in reversed(found.turns)]
    assert told == pytest.approx(costs)
    status = await watch.status(lambda s: s.cost_today_usd == pytest.approx(sum(costs)))
    assert status.turn == len(ended)


async def test_tools_are_counted_by_turn_and_by_day(agents: Agents, broker: Broker) -> None:
    listing = [ToolUse("Bash", {"command": "true"}), ToolUse("Bash", {"command": "echo"})]
    agents.api.script = Rules(
        Rule(text="look", answer=listing), Rule(after_tool="Bash", answer=[Text("seen")])
    )
    agent, watch = await agents.spawn("us-viola")
    ended = await one_turn(agents, watch, "us-viola", "look")
    assert (ended.tools, ended.tool_calls) == ({"Bash": 2}, 2)
    await one_turn(agents, watch, "us-viola")
    found = await usage(agents, "us-viola")
    assert [day.tools for day in found.days] == [{"Bash": 2}]
    assert [(turn.sender, turn.outcome, turn.tools) for turn in found.turns] == [
        ("operator", "answered", {}), ("operator", "answered", {"Bash": 2}),
    ]  # fmt: skip
    # The account outlives the harness, and an old day stays one.
    await agent.stop()
    with sqlite3.connect(agent.state / "hyperhive-harness.sqlite") as books:
        yesterday = (found.today - timedelta(days=1)).isoformat()
        books.execute("INSERT INTO usage SELECT ?, 9, 9, 9, 9, 9, 9, 9", (yesterday,))
    books.close()
    agent.start()
    await one_turn(agents, watch, "us-viola")
    hive = HiveCommand(environ_of(broker))
    said = await hive("usage", "us-viola", "--json", "--turns", "1")
    assert said.code == 0
    days = said.json["agents"]["us-viola"]["days"]
    assert [(day["day"] == yesterday, day["turns"]) for day in days] == [(False, 3), (True, 9)]
    assert len(said.json["agents"]["us-viola"]["turns"]) == 1
    said = await hive("usage", "us-viola")
    assert [line.split()[0] for line in said.out.splitlines()] == [
        "AGENT",
        "us-viola",
        "us-viola",
        "all",
    ]
    assert "Bash 2" in said.out
    said = await hive("usage", "us-viola", "--days", "1")
    assert yesterday not in said.out
    await agent.stop()
    said = await hive("usage", "us-viola")
    assert said.code == 1
    assert "us-viola does not answer" in said.err


async def test_a_cap_holds_at_once_and_lets_go_at_once(agents: Agents) -> None:
    agent, watch = await agents.spawn("us-wanda")
    await one_turn(agents, watch, "us-wanda")

    async def cap(usd: float | None) -> None:
        await agents.operator.request(ApplyCap(usd_per_day=usd), agent="us-wanda", timeout_s=30)

    await cap(0.0001)
    status = await watch.status(lambda s: s.trouble == "spend_cap")
    assert status.retry_at is not None
    assert status.retry_at.time() == datetime.min.time()
    assert "the cap is 0.00" in status.trouble_text
    waiting = await tell(agents.operator, "us-wanda", "later")
    assert (await usage(agents, "us-wanda")).cap_usd == 0.0001
    # Lifted for the day by hand; that outlives the harness.
    assert (await agents.operator.request(RetryNow(), agent="us-wanda", timeout_s=30)).changed
    await watch.turn_ended(waiting)
    await agent.stop()
    watch.events.clear()
    agent.settings = {"spend_cap_usd": 0.0001}
    agent.start()
    await one_turn(agents, watch, "us-wanda", "after the restart")
    assert not [body for body in watch.bodies(Trouble) if body.code == "spend_cap"]


async def test_a_higher_cap_sets_a_parked_agent_free(agents: Agents) -> None:
    _, watch = await agents.spawn("us-xenja", spend_cap_usd=0.01)
    await one_turn(agents, watch, "us-xenja")
    await watch.status(lambda s: s.trouble == "spend_cap")
    waiting = await tell(agents.operator, "us-xenja", "later")
    watch.events.clear()
    await agents.operator.request(ApplyCap(usd_per_day=100.0), agent="us-xenja", timeout_s=30)
    assert (await watch.turn_ended(waiting)).outcome == "answered"
    assert [turn.redelivered for turn in watch.bodies(TurnStarted)] == [False]


@pytest.mark.needs("chromium")
async def test_the_agents_page_shows_today_and_the_last_days(agents: Agents) -> None:
    _, watch = await agents.spawn("us-yella", spend_cap_usd=50.0)
    await one_turn(agents, watch, "us-yella")
    ticket = await agents.operator.request(UiTicket(), agent="us-yella", timeout_s=30)
    async with browser_page(ticket.url) as page:
        await page.get_by_role("button", name="More").click()
        panel = page.locator(".usage-panel")
        await panel.get_by_text("Usage: $").click()
        await expect(panel).to_contain_text("of $50.00, 1 turn")
        await expect(panel.get_by_role("row")).to_have_count(2)
        assert await panel.get_by_label("Most that a day may cost").count() == 0
        assert await violations(page) == []
        assert await small_targets(page) == []
        assert await fits(page)
        # Another turn shows without a click.
        await one_turn(agents, watch, "us-yella")
        await expect(panel).to_contain_text("of $50.00, 2 turns", timeout=30_000)
