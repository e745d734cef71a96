"""The first hour of a newcomer: up, open, spawn, approve, hello; in the browser and on the command line."""

import asyncio
import json
import re
import subprocess
from collections.abc import AsyncIterator, Iterator

import pytest
from hivetesting.hive import RunningHive, running_hive
from hivetesting.messages_api.rules import Rule, Rules
from hivetesting.messages_api.server import ScriptedMessagesApi
from hivetesting.messages_api.steps import Text, ToolUse
from playwright.async_api import Browser, Page, async_playwright, expect

pytestmark = [pytest.mark.timeout(300), pytest.mark.needs("chromium")]

SCRIPT = Rules(
    Rule(
        text="we need (?P<name>[a-z]+)",
        agent="hm1nd",
        answer=lambda _, found: (
            ToolUse(
                "mcp__hive__request_spawn",
                {"agent": found["name"], "persona": "You test.", "reason": "<b>tests</b> are due"},
            ),
        ),
    ),
    Rule(
        text=r"look at (?P<path>/\S+)",
        answer=lambda _, found: (ToolUse("Bash", {"command": f"ls {found['path']}"}),),
    ),
    Rule(
        after_tool="Bash",
        answer=lambda request, _: (
            ToolUse("mcp__hive__reply", {"body": request.tool_results[0].text}),
        ),
    ),
    Rule(text="hello", answer=(ToolUse("mcp__hive__reply", {"body": "hello from the model"}),)),
    otherwise=lambda _: (Text("noted"),),
)


@pytest.fixture(scope="module")
def hive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHive]:
    with (
        ScriptedMessagesApi(
            SCRIPT, agent_pattern=r"You are the agent (?P<agent>[a-z0-9-]+)"
        ) as api,
        running_hive(tmp_path_factory.mktemp("hive"), api.base_url, manager=True) as running,
    ):
        running.until_running("hm1nd")
        said = running.hive("spawn", "dave")
        assert said.code == 0, said.err
        running.until_running("dave")
        yield running


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield running
        await running.close()


@pytest.fixture
async def page(hive: RunningHive, browser: Browser) -> AsyncIterator[Page]:
    """A page that follows the link which `hive up` printed; it works once."""
    printed = re.findall(r'"url":"(http://[^"]+#ticket=[^"]+)"', hive.log)
    page = await browser.new_page(viewport={"width": 1280, "height": 800})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    await page.goto(printed[0])
    yield page
    assert errors == []


async def test_the_printed_link_opens_and_the_first_hour_goes_well(
    hive: RunningHive, page: Page
) -> None:
    await page.get_by_role("button", name="Spawn an agent").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Name").fill("alice")
    await dialog.get_by_role("button", name="Spawn").click()
    await page.get_by_role("link", name="Agents").first.click()
    await expect(page.get_by_role("link", name="alice").first).to_be_visible(timeout=30_000)

    assert hive.hive("send", "hm1nd", "we need carol").code == 0
    await page.get_by_role("link", name="Approvals").first.click()
    card = page.get_by_role("article").filter(has_text="carol")
    await expect(card).to_contain_text("<b>tests</b> are due", timeout=30_000)
    await card.get_by_role("button", name="Approve").click()
    await expect(page.get_by_text(re.compile("done", re.IGNORECASE)).first).to_be_visible(
        timeout=30_000
    )

    await page.get_by_role("link", name="Agents").first.click()
    await page.get_by_role("link", name="alice").first.click()
    await page.locator("#message").fill("hello")
    await page.get_by_role("button", name="send").click()
    await expect(page.get_by_text("hello from the model").first).to_be_visible(timeout=60_000)


async def test_two_tabs_that_approve_at_once_spawn_once(
    hive: RunningHive, browser: Browser
) -> None:
    assert hive.hive("spawn", "nina", "--request").code == 0
    tabs = [await browser.new_page() for _ in range(2)]
    buttons = []
    for tab in tabs:
        await tab.goto(hive.hive("open", "--no-browser").out.split()[0])
        await tab.get_by_role("link", name="Approvals").first.click()
        card = tab.get_by_role("article").filter(has_text="nina")
        button = card.get_by_role("button", name="Approve")
        await expect(button).to_be_enabled(timeout=30_000)
        buttons.append(button)
    # Both clicks are on their way before either tab hears of the other's.
    await asyncio.gather(*(button.evaluate("one => one.click()") for button in buttons))
    for tab in tabs:
        decided = tab.locator(".decided").filter(has_text="nina")
        await expect(decided).to_contain_text("done", timeout=60_000)
    jobs = hive.hive("jobs", "--json").json["jobs"]
    assert [job["verb"] for job in jobs if job["agent"] == "nina"] == ["spawn"]
    approvals = hive.hive("approvals", "--json").json["approvals"]
    assert [one["state"] for one in approvals if one["agent"] == "nina"] == ["done"]


def test_the_command_line_tells_the_same(hive: RunningHive) -> None:
    said = hive.hive("send", "dave", "hello", "--wait")
    assert "hello from the model" in said.out
    names = [row["name"] for row in hive.hive("ls", "--json").json["agents"]]
    assert names[0] == "hm1nd"
    assert "dave" in names
    recorded = hive.hive("approvals", "--json").json["approvals"]
    dave = next(approval for approval in recorded if approval["agent"] == "dave")
    assert (dave["state"], dave["decided_by"]) == ("done", "operator:tester")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("spawn", "../x"), "bad_name", "a-z"),
        (("spawn", "abcdefghij"), "bad_name", "11 characters"),
        (("spawn", "manager"), "reserved_name", "reserved"),
        (("rebuild", "ghost"), "unknown_agent", "hive ls"),
    ],
)
def test_a_mistake_is_answered_with_what_to_do(
    hive: RunningHive, arguments: tuple[str, ...], code: str, says: str
) -> None:
    said = hive.hive(*arguments)
    assert said.code in {1, 2, 3}
    assert said.err.startswith("error: ")
    assert "hint: " in said.err
    assert says in said.err
    assert "Traceback" not in said.err


def test_two_agents_on_one_port_are_refused_with_both_names(hive: RunningHive) -> None:
    assert hive.hive("spawn", "victor").code == 0
    said = hive.hive("spawn", "uma")
    assert said.code != 0
    assert "victor" in said.err
    assert "uma" in said.err
    assert "8214" in said.err
    assert hive.hive("destroy", "victor", "--purge", "--yes").code == 0


def natscli(hive: RunningHive, *arguments: str) -> str:
    done = subprocess.run(
        ["nats", *arguments], env=hive.environment, capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL, timeout=60,
    )  # fmt: skip
    assert done.stdout, done.stderr
    return done.stdout


@pytest.mark.needs("nats", "jq")
def test_ops_scripts_speak_to_the_hive_with_natscli(hive: RunningHive) -> None:
    assert hive.hive("nats-context").code == 0
    rebuilt = natscli(hive, "req", "--raw", "hive.rebuild", "dave")
    piped = subprocess.run(["jq", "-e", ".ok"], input=rebuilt, text=True, check=False)
    assert piped.returncode == 0, rebuilt
    for name in ("ghost", "../x"):
        refused = json.loads(natscli(hive, "req", "--raw", "hive.rebuild", name))
        assert refused["ok"] is False
        assert refused["error"]["code"] in {"unknown_agent", "bad_name"}
        assert refused["error"]["hint"]
    services = natscli(hive, "micro", "ls")
    for service in ("lifecycle", "approvals", "dashboard"):
        assert service in services


@pytest.mark.needs("bwrap")
def test_an_agents_shell_sees_neither_keys_nor_other_agents(hive: RunningHive) -> None:
    assert hive.until_running("dave").sandboxed
    for hidden in (hive.home.keys, hive.home.agents / "hm1nd", hive.home.approvals_db):
        assert hidden.exists()
        said = hive.hive("send", "dave", f"look at {hidden}", "--wait")
        assert "No such file or directory" in said.out, said.out
