"""What calls a human: notifications of the real Chromium, and failures that wait to be seen."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hivecommon.contracts.base import ErrorDetail
from hivecommon.contracts.inbox import InboxMessage
from hivecommon.contracts.jobs import Job, JobState
from hivecommon.contracts.questions import Question, QuestionState
from hivecommon.contracts.roster import HarnessStatus
from hivetesting.dashboard import Dashboard
from hivetesting.standins import AgentMaker, Hive, present, spawn_approval
from playwright.async_api import BrowserContext, expect

from services.dashboard.tests.test_browser import HOSTILE, Tab, chromium, profile, tab

__all__ = ["chromium", "profile", "tab"]  # fixtures

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.asyncio(loop_scope="module")]

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
# The operator looks elsewhere; what the browser is asked to show is shown, and kept for the test.
AWAY = """
document.hasFocus = () => false;
window.notified = [];
const Shown = window.Notification;
window.Notification = class extends Shown {
  constructor(title, options) {
    super(title, options);
    window.notified.push({ title, ...options, shown: this });
  }
};
"""


def failed(job: str, agent: str, **changes: Any) -> Job:
    fields = {
        "id": job, "verb": "rebuild", "agent": agent, "state": JobState.FAILED,
        "requested_by": "operator:anna", "created_at": present(), "ended_at": present(),
        "error": ErrorDetail(code="build_failed", message=f"line 3 {HOSTILE}"),
    }  # fmt: skip
    return Job(**{**fields, **changes})


async def test_each_thing_that_waits_is_notified_once_with_its_agent_and_its_place(
    profile: BrowserContext, dashboard: Dashboard, hive: Hive, agents: AgentMaker
) -> None:
    await profile.grant_permissions(["notifications"], origin=dashboard.url)
    page = await profile.new_page()
    opened = Tab(page, dashboard)
    await page.add_init_script(AWAY)
    await opened.go("/agents")
    await expect(page.get_by_role("heading", level=1)).to_be_visible()

    async def notified(title: str) -> dict[str, Any]:
        await page.wait_for_function(
            "title => notified.some((one) => one.title === title)", arg=title
        )
        found: list[dict[str, Any]] = await page.evaluate(
            "title => notified.filter((one) => one.title === title).map(({shown, ...rest}) => rest)",
            title,
        )
        (one,) = found
        return one

    await hive.propose(spawn_approval(80, "ruth", reason=HOSTILE))
    assert "<script>" in (await notified("ruth: spawn waits for you"))["body"]
    await hive.question(
        Question(id=81, asker="eve", answerer="operator", state=QuestionState.OPEN, text="red?",
                 asked_at=NOW)
    )  # fmt: skip
    assert (await notified("eve asks you"))["body"] == "red?"
    await agents("gina", harness=HarnessStatus(needs_login=True))
    await notified("gina: needs login")
    await hive.set_job(failed("j80", "hank"))
    assert (await notified("hank: rebuild failed"))["body"].startswith("line 3")
    ida = await agents("ida")
    message = InboxMessage(id="ida-80-message-id", body="done", sent_at=present())
    await ida.bus.send_message(to="operator", sender="ida", message=message)
    await notified("ida wrote to you")
    await page.evaluate("notified.find((one) => one.title.startsWith('gina')).shown.onclick()")
    await expect(page).to_have_url(f"{dashboard.url}/#/agents/gina")
    await page.evaluate("notified.find((one) => one.title.startsWith('ruth')).shown.onclick()")
    await expect(page.locator("[data-approval='80']")).to_be_in_viewport()
    await page.reload()
    await expect(page.locator("[data-approval='80']")).to_be_visible()
    await hive.set_job(failed("j81", "jill"))
    await notified("jill: rebuild failed")
    assert await page.evaluate("notified.length") == 1
    assert await page.evaluate("window.pwned") is None
    await page.close()
    assert opened.wrong == []
    await profile.clear_permissions()
    del hive.approvals[80], hive.questions[81], hive.jobs["j80"], hive.jobs["j81"]


async def test_who_looks_at_the_page_is_not_notified(
    profile: BrowserContext, dashboard: Dashboard, hive: Hive
) -> None:
    await profile.grant_permissions(["notifications"], origin=dashboard.url)
    page = await profile.new_page()
    await page.add_init_script(AWAY.replace("() => false", "() => true"))
    await page.goto(f"{dashboard.url}/#/approvals")
    await hive.propose(spawn_approval(82, "ruth"))
    await expect(page.locator("[data-approval='82']")).to_be_visible()
    assert await page.evaluate("notified.length") == 0
    await page.close()
    await profile.clear_permissions()
    del hive.approvals[82]


async def test_a_failed_rebuild_waits_until_it_is_seen_or_made_good(tab: Tab, hive: Hive) -> None:
    await tab.go("/")
    await expect(tab.page.get_by_role("heading", level=1)).to_be_visible()
    await hive.set_job(failed("j83", "kate"))
    await hive.set_job(failed("j84", "liam", approval=9))
    kate, liam = (tab.page.locator(f"[data-failed={job}]") for job in ("j83", "j84"))
    await expect(kate).to_contain_text("rebuild kate")
    await expect(liam.get_by_role("link", name="Open approval 9")).to_have_attribute(
        "href", "#/approvals/9"
    )
    # What the tests before this one took away is shown until the dashboard asks its services again.
    await expect(tab.page.locator("[data-approval], [data-question]")).to_have_count(0)
    await expect(tab.page.locator("[data-failed]")).to_have_count(2)
    count = int((await tab.page.title()).split(")")[0].removeprefix("("))
    assert count >= 2
    toasts = tab.page.locator(".toast")
    await expect(toasts).to_have_count(0)
    await tab.go("/agents")
    await expect(toasts).to_have_count(2)
    await tab.go("/")
    await kate.get_by_role("button", name="I have seen it").click()
    await expect(kate).to_have_count(0)
    await tab.page.reload()
    await expect(liam).to_be_visible()
    await expect(kate).to_have_count(0)
    await hive.set_job(failed("j85", "liam", state=JobState.DONE, error=None))
    await expect(liam).to_have_count(0)
    rest = count - 2
    await expect(tab.page).to_have_title(f"({rest}) hive" if rest else "hive")
    assert await tab.page.evaluate("window.pwned") is None
