"""Changes, questions, schedules and the audit in a real Chromium; what agents wrote stays text."""

from datetime import UTC, datetime

import msgspec
import pytest
from hivecommon.contracts.approvals import ApprovalState, Approve, FlakeInput
from hivecommon.contracts.audit import AuditEntry, ListAudit
from hivecommon.contracts.changes import (
    Base,
    ChangedFile,
    ChangesReply,
    Hunk,
    Revision,
    Risk,
    RiskMark,
    Rollback,
    Stage,
)
from hivecommon.contracts.jobs import Job, JobState, JobStep
from hivecommon.contracts.questions import AnswerQuestion, Question, QuestionState
from hivecommon.contracts.schedules import EditSchedule, Schedule, ScheduleState, Timing
from hivetesting.standins import AgentMaker, Hive, spawn_approval
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
    old, new = (card.locator(f"[data-file='agent.nix'] .{tone}") for tone in ("removed", "added"))
    above, below = await old.bounding_box(), await new.bounding_box()
    assert above is not None
    assert below is not None
    assert below["y"] >= above["y"] + above["height"], "each line stands on a line of its own"
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
    assert (answered.id, answered.choices, answered.answer) == (5, ["blue"], "")


async def test_several_options_are_chosen_and_words_added(tab: Tab, hive: Hive) -> None:
    question = Question(
        id=6, asker="eve", answerer="operator", state=QuestionState.OPEN, text="which?",
        options=["red", HOSTILE[:200], "blue"], multiple=True, asked_at=NOW,
    )  # fmt: skip
    await hive.question(question)
    await tab.go("/")
    card = tab.page.locator("[data-question='6']")
    send = card.get_by_role("button", name="Answer")
    await expect(send).to_be_disabled()
    for name in ("blue", "red"):
        await card.get_by_label(name, exact=True).check()
    await card.get_by_label("Or in your own words").fill("no green")
    await send.click()
    await expect(card).to_have_count(0)
    answered = [one for _by, one, _id in hive.asked if isinstance(one, AnswerQuestion)][-1]
    assert (answered.choices, answered.answer) == (["red", "blue"], "no green")
    assert await tab.page.evaluate("window.pwned") is None


async def test_the_files_of_a_new_agents_first_commit_are_shown(tab: Tab, hive: Hive) -> None:
    files = {"agent.toml": 'persona = "a poet"\n', "agent.nix": HOSTILE}
    await hive.propose(spawn_approval(74, "ruth", files=files))
    await tab.go("/approvals")
    card = tab.page.locator("article[data-approval='74']")
    await expect(card.locator("[data-file='agent.toml']")).to_contain_text('+persona = "a poet"')
    await expect(card.locator("[data-file='agent.nix']")).to_contain_text(HOSTILE_SHOWN)
    assert await tab.page.evaluate("window.pwned") is None
    del hive.approvals[74]


async def test_an_update_of_inputs_says_what_is_locked_now(tab: Tab, hive: Hive) -> None:
    inputs = [
        FlakeInput(name="nixpkgs", source="github:NixOS/nixpkgs/x", revision="f00d" * 10, at=NOW)
    ]
    update = {"kind": "update", "settings": None, "inputs": inputs, "reason": HOSTILE}
    await hive.propose(spawn_approval(71, "all", **update))
    await tab.go("/approvals")
    card = tab.page.locator("article[data-approval='71']")
    await expect(card).to_contain_text("Newer inputs for all agents")
    await expect(card).to_contain_text("github:NixOS/nixpkgs/x")
    await expect(card).to_contain_text("f00df00df0")
    await card.get_by_role("button", name="Approve").click()
    await expect(card).to_have_count(0)


async def test_what_is_carried_out_is_followed_and_its_log_read(tab: Tab, hive: Hive) -> None:
    job = Job(
        id="j72", verb="apply", agent="eve", state=JobState.RUNNING, requested_by="agent:hm1nd",
        created_at=NOW, approval=72, steps=[JobStep(at=NOW, text=f"building/72 {HOSTILE}")],
    )  # fmt: skip
    running = spawn_approval(72, "eve", kind="apply", commit="a" * 40, state="executing", job="j72")
    await hive.set_job(job)
    await hive.propose(running)
    await tab.go("/approvals")
    row = tab.page.locator("li[data-approval='72']")
    await expect(row).to_contain_text("building/72")
    steps = [*job.steps, JobStep(at=NOW, text="deployed/72: main is aaaa")]
    await hive.set_job(msgspec.structs.replace(job, steps=steps))
    await expect(row).to_contain_text("deployed/72")
    hive.logs[72] = f"line 1\nerror: {HOSTILE}"
    failed = msgspec.structs.replace(running, state=ApprovalState.FAILED, note="not built")
    await hive.propose(failed)
    await expect(row).to_contain_text("not built")
    await row.get_by_role("button", name="Show the log").click()
    await expect(row.get_by_label("log of approval 72")).to_contain_text(HOSTILE_SHOWN)
    assert await tab.page.evaluate("window.pwned") is None


async def test_one_click_rolls_an_agent_back(tab: Tab, hive: Hive, agents: AgentMaker) -> None:
    await agents("eve")
    hive.revisions = [
        Revision(approval=9, commit="9" * 40, stages=[Stage.PROPOSAL, Stage.FAILED], at=NOW),
        Revision(approval=8, commit="8" * 40, stages=[Stage.DEPLOYED], at=NOW, running=True),
        Revision(approval=7, commit="7" * 40, stages=[Stage.DEPLOYED], at=NOW, subject=HOSTILE),
    ]
    await tab.go("/agents/eve")
    await tab.page.get_by_text("Configuration: history and roll back").click()
    await expect(tab.page.locator("[data-revision='8']")).to_contain_text("runs")
    for number in (8, 9):
        place = tab.page.locator(f"[data-revision='{number}']")
        await expect(place.get_by_role("button")).to_have_count(0)
    old = tab.page.locator("[data-revision='7']")
    await expect(old).to_contain_text(HOSTILE_SHOWN)
    await old.get_by_role("button", name="Roll back to this").click()
    await expect(tab.page.get_by_text("eve: going back to 7777777777")).to_be_visible()
    (asked,) = [one for _by, one, _id in hive.asked if isinstance(one, Rollback)]
    assert (asked.agent, asked.to) == ("eve", 7)
    assert await tab.page.evaluate("window.pwned") is None


async def test_a_schedule_is_edited_in_its_place(tab: Tab, hive: Hive) -> None:
    hive.schedules[6] = Schedule(
        id=6, agent="eve", prompt="Report.", cron="0 9 * * *", zone="Europe/Berlin",
        state=ScheduleState.ACTIVE, created_by="operator:anna", created_at=NOW, next_at=NOW,
    )  # fmt: skip
    await tab.go("/schedules")
    row = tab.page.locator("[data-schedule='6']")
    await row.get_by_role("button", name="Edit").click()
    form = tab.page.get_by_role("form", name="edit schedule 6")
    await form.get_by_label("Minute, hour").fill("30 8 * * 1")
    await form.get_by_label("Prompt").fill("Report shortly.")
    await form.get_by_role("button", name="Save").click()
    await expect(form).to_have_count(0)
    (asked,) = [one for _by, one, _id in hive.asked if isinstance(one, EditSchedule)]
    assert asked.timing == Timing(cron="30 8 * * 1", zone="Europe/Berlin")
    assert asked.prompt == "Report shortly."


async def test_changes_and_questions_fit_a_phone(tab: Tab, hive: Hive, agents: AgentMaker) -> None:
    await agents("eve")
    wide = Hunk(old_start=1, new_start=1, lines=["+" + "w" * 900])
    file = ChangedFile(path="p" * 200, status="added", added=1, hunks=[wide])
    hive.changes[73] = msgspec.structs.replace(CHANGES, approval=73, files=[file])
    apply = {"kind": "apply", "commit": "a" * 40, "commit_subject": "s" * 300, "settings": None}
    await hive.propose(spawn_approval(73, "eve", **apply))
    question = Question(
        id=8, asker="eve", answerer="operator", state=QuestionState.OPEN, text="q" * 500,
        options=["o" * 200, "p"], multiple=True, asked_at=NOW,
    )  # fmt: skip
    await hive.question(question)
    await tab.page.set_viewport_size({"width": 390, "height": 844})
    for route in ("/", "/approvals", "/schedules", "/audit", "/agents/eve"):
        await tab.go(route)
        await expect(tab.page.get_by_role("heading", level=1)).to_be_visible()
        if route == "/approvals":
            await expect(tab.page.locator("[data-approval='73'] .hunk")).to_be_visible()
        assert await tab.page.evaluate("document.documentElement.scrollWidth") <= 390, route
    del hive.approvals[73], hive.questions[8]


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
    for width in (1280, 390):
        await tab.page.set_viewport_size({"width": width, "height": 844})
        cut = await tab.page.evaluate(
            """[...document.querySelectorAll("table.audit td:not(:last-child) > *")]
            .filter((one) => one.getClientRects().length > 1).map((one) => one.textContent)"""
        )
        assert cut == [], "only the detail takes several lines"
        assert await tab.page.evaluate("document.documentElement.scrollWidth") <= width
    assert await tab.page.evaluate("window.pwned") is None
