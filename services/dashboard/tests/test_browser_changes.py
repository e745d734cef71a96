"""Changes, questions, schedules and the audit in a real Chromium; what agents wrote stays text."""

from datetime import UTC, datetime

import msgspec
import pytest
from hivecommon.contracts.approvals import Approve
from hivecommon.contracts.audit import AuditEntry, ListAudit
from hivecommon.contracts.changes import (
    Base,
    ChangedFile,
    ChangesReply,
    Hunk,
    Risk,
    RiskMark,
)
from hivecommon.contracts.questions import AnswerQuestion, Question, QuestionState
from hivecommon.contracts.schedules import Schedule, ScheduleState
from hivetesting.standins import Hive, spawn_approval
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
CHANGES = ChangesReply(
    approval=70, agent="eve", base=Base.RUNNING, base_commit="b" * 40, running="b" * 40,
    commit="a" * 40, digest="1" * 64,
    files=[
        ChangedFile(
            path="agent.nix", status="changed", added=1, removed=1,
            hunks=[Hunk(old_start=1, new_start=1, lines=["-old words", f"+{HOSTILE}"])],
        ),
        ChangedFile(path="notes", status="added", added=1, binary=True),
    ],
    marks=[RiskMark(risk=Risk.PACKAGES, path="agent.nix", text=HOSTILE)],
)  # fmt: skip


async def test_a_change_is_shown_file_by_file_and_approved_as_it_was_shown(
    tab: Tab, hive: Hive
) -> None:
    hive.changes[70] = CHANGES
    hive.decisions.set()
    apply = {"kind": "apply", "commit": "a" * 40, "commit_subject": HOSTILE, "settings": None}
    await tab.go("/approvals")
    await hive.propose(spawn_approval(70, "eve", **apply))
    card = tab.page.locator("article[data-approval='70']")
    await expect(card.locator("[data-file='agent.nix'] .removed")).to_contain_text("old words")
    await expect(card.locator("[data-file='agent.nix'] .added")).to_contain_text(HOSTILE_SHOWN)
    await expect(card.locator("[data-file=notes]")).to_contain_text("No text")
    await expect(card.locator("[data-risk=packages]")).to_contain_text("agent.nix")
    assert await tab.page.evaluate("window.pwned") is None
    hive.changes[70] = msgspec.structs.replace(CHANGES, digest="2" * 64)
    await card.get_by_role("button", name="Approve").click()
    await expect(card).to_contain_text("look again")
    await expect(card.locator(".digest")).to_contain_text("2222")
    await card.locator("select").select_option("previous")
    await expect(card.locator(".digest")).to_contain_text("2222")
    await card.get_by_role("button", name="Approve").click()
    await expect(card).to_have_count(0)
    decided = [request for _by, request, _id in hive.asked if isinstance(request, Approve)]
    assert decided[-1].digest == "2" * 64


async def test_a_question_waits_on_the_first_page_and_is_answered(tab: Tab, hive: Hive) -> None:
    question = Question(
        id=5, asker="eve", answerer="operator", state=QuestionState.OPEN, text=HOSTILE,
        options=["red", "blue"], asked_at=NOW,
    )  # fmt: skip
    await hive.question(question)
    await tab.go("/")
    card = tab.page.locator("[data-question='5']")
    await expect(card).to_contain_text(HOSTILE_SHOWN)
    await card.get_by_role("button", name="blue").click()
    await expect(card).to_have_count(0)
    (answered,) = [one for _by, one, _id in hive.asked if isinstance(one, AnswerQuestion)]
    assert (answered.id, answered.answer) == (5, "blue")


async def test_schedules_and_the_audit_have_their_pages(tab: Tab, hive: Hive) -> None:
    hive.schedules[4] = Schedule(
        id=4, agent="eve", prompt=HOSTILE, cron="0 9 * * *", zone="Europe/Berlin",
        state=ScheduleState.ACTIVE, created_by="operator:anna", created_at=NOW, next_at=NOW,
    )  # fmt: skip
    hive.audit = [
        AuditEntry(id=1, at=NOW, who="operator:anna", what="approve", target="approval:3",
                   result="approved", detail=HOSTILE)
    ]  # fmt: skip
    await tab.go("/schedules")
    await expect(tab.page.locator("[data-schedule='4']")).to_contain_text("Europe/Berlin")
    await tab.go("/audit")
    await expect(tab.page.locator("table.audit")).to_contain_text("approval:3")
    await tab.page.get_by_label("who").fill("operator:")
    await tab.button("Search").click()
    await expect(tab.page.locator("table.audit")).to_contain_text(HOSTILE_SHOWN)
    searched = [one for _by, one, _id in hive.asked if isinstance(one, ListAudit)]
    assert searched[-1].who == "operator:"
    assert await tab.page.evaluate("window.pwned") is None
