"""`hive diff|rollback|questions|answer|schedule|audit` with scripted services."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
from hivecommon.contracts.approvals import (
    Approval,
    ApprovalKind,
    ApprovalLog,
    ApprovalReply,
    ApprovalState,
    Approve,
    GetApproval,
    ReadLog,
)
from hivecommon.contracts.audit import AuditEntry, AuditReply, ListAudit
from hivecommon.contracts.changes import (
    ChangedFile,
    ChangesReply,
    DiffApproval,
    HistoryReply,
    Hunk,
    ListHistory,
    Revision,
    Risk,
    RiskMark,
    Rollback,
    Stage,
)
from hivecommon.contracts.inputs import Update
from hivecommon.contracts.jobs import JobAccepted, JobState
from hivecommon.contracts.questions import (
    AnswerQuestion,
    ListQuestions,
    Question,
    QuestionReply,
    QuestionsReply,
    QuestionState,
)
from hivecommon.contracts.schedules import (
    CreateSchedule,
    ListSchedules,
    Schedule,
    ScheduleReply,
    SchedulesReply,
    ScheduleState,
)
from hivecommon.service import Call
from hivetesting.commands import Endpoints, HiveCommand, Serve

NOW = datetime(2026, 11, 22, tzinfo=UTC)
PENDING = Approval(
    id=7, kind=ApprovalKind.APPLY, agent="eve", state=ApprovalState.PENDING, digest="d-row",
    requested_by="agent:hm1nd", requested_at=NOW, commit="a" * 40, commit_subject="x\x1b[2J",
)  # fmt: skip
CHANGES = ChangesReply(
    approval=7, agent="eve", base="running", base_commit="b" * 40, running="b" * 40,  # type: ignore[arg-type] # a StrEnum's value
    commit="a" * 40, digest="d-diff",
    files=[
        ChangedFile(
            path="agent.nix", status="changed", added=1, removed=1,
            hunks=[Hunk(old_start=1, new_start=1, lines=["-old", "+new\x1b[2J"])],
        )
    ],
    marks=[RiskMark(risk=Risk.PACKAGES, path="agent.nix", text="pkgs.evil\x07")],
)  # fmt: skip
QUESTION = Question(
    id=3, asker="eve", answerer="operator", state=QuestionState.OPEN, text="red?\x1b[2J",
    options=["yes", "no"], asked_at=NOW,
)  # fmt: skip
SCHEDULE = Schedule(
    id=4, agent="eve", prompt="Report.", cron="0 9 * * *", zone="UTC",
    state=ScheduleState.ACTIVE, created_by="operator:tester", created_at=NOW, next_at=NOW,
)  # fmt: skip


@dataclass
class Services:
    """Answers what the commands ask, and remembers it."""

    asked: list[Any] = field(default_factory=list)

    async def get(self, _call: Call, _request: GetApproval) -> ApprovalReply:
        return ApprovalReply(approval=PENDING)

    async def diff(self, _call: Call, request: DiffApproval) -> ChangesReply:
        self.asked.append(request)
        return msgspec.structs.replace(CHANGES, base=request.base)

    async def approve(self, _call: Call, request: Approve) -> ApprovalReply:
        self.asked.append(request)
        done = msgspec.structs.replace(PENDING, state=ApprovalState.DONE)
        return ApprovalReply(approval=done)

    async def log(self, _call: Call, request: ReadLog) -> ApprovalLog:
        return ApprovalLog(approval=request.id, text="building/7\nerror: boom\x1b[2J")

    async def update(self, _call: Call, request: Update) -> JobAccepted:
        self.asked.append(request)
        return JobAccepted(job="j1", state=JobState.ACCEPTED, agent="all", verb="update")

    async def history(self, _call: Call, request: ListHistory) -> HistoryReply:
        one = Revision(
            approval=7, commit="a" * 40, stages=[Stage.PROPOSAL, Stage.DEPLOYED], at=NOW,
            running=True,
        )  # fmt: skip
        return HistoryReply(agent=request.agent, revisions=[one])

    async def rollback(self, _call: Call, request: Rollback) -> JobAccepted:
        self.asked.append(request)
        return JobAccepted(job="j1", state=JobState.ACCEPTED, agent=request.agent, verb="apply")

    async def questions(self, _call: Call, request: ListQuestions) -> QuestionsReply:
        self.asked.append(request)
        return QuestionsReply(questions=[QUESTION], open=1)

    async def answer(self, _call: Call, request: AnswerQuestion) -> QuestionReply:
        self.asked.append(request)
        return QuestionReply(
            question=msgspec.structs.replace(QUESTION, state=QuestionState.ANSWERED)
        )

    async def schedules(self, _call: Call, _request: ListSchedules) -> SchedulesReply:
        return SchedulesReply(schedules=[SCHEDULE])

    async def add(self, _call: Call, request: CreateSchedule) -> ScheduleReply:
        self.asked.append(request)
        return ScheduleReply(schedule=SCHEDULE)

    async def audit(self, _call: Call, request: ListAudit) -> AuditReply:
        self.asked.append(request)
        first = 3 if request.before is None else request.before - 1
        entry = AuditEntry(id=first, at=NOW, who="operator:anna", what="approve", target="x",
                           result="approved")  # fmt: skip
        return AuditReply(entries=[entry], more=first > 1)

    @property
    def endpoints(self) -> Endpoints:
        return {
            GetApproval: self.get, DiffApproval: self.diff, Approve: self.approve,
            ListHistory: self.history, Rollback: self.rollback, ListQuestions: self.questions,
            AnswerQuestion: self.answer, ListSchedules: self.schedules, CreateSchedule: self.add,
            ListAudit: self.audit, ReadLog: self.log, Update: self.update,
        }  # fmt: skip


async def test_approving_a_change_shows_the_difference_and_binds_to_it(
    hive: HiveCommand, serve: Serve
) -> None:
    services = Services()
    async with serve("approvals", services.endpoints):
        said = await hive("approve", "7")
        other = await hive("diff", "7", "--base", "previous")
    assert said.code == 0
    assert "! packages in agent.nix: pkgs.evil\\x07" in said.out
    assert "-old\n+new\\x1b[2J" in said.out
    assert "\x1b" not in said.out + other.out
    assert services.asked[1] == Approve(id=7, digest="d-diff")
    assert "against previous" in other.out


async def test_history_and_rollback(hive: HiveCommand, serve: Serve) -> None:
    services = Services()
    async with serve("lifecycle", services.endpoints):
        listed = await hive("history", "eve")
        done = await hive("rollback", "eve", "--to", "0", "--no-wait")
    assert "proposal,deployed" in listed.out
    assert done.code == 0
    assert services.asked == [Rollback(agent="eve", to=0)]


async def test_questions_are_shown_and_answered(hive: HiveCommand, serve: Serve) -> None:
    services = Services()
    async with serve("approvals", services.endpoints):
        listed = await hive("questions")
        await hive("answer", "3", "yes")
    assert "  red?\\x1b[2J\n" in listed.out
    assert "one of: yes; no" in listed.out
    assert services.asked[1] == AnswerQuestion(id=3, answer="yes")


async def test_several_choices_are_sent_word_for_word(hive: HiveCommand, serve: Serve) -> None:
    services = Services()
    async with serve("approvals", services.endpoints):
        said = await hive("answer", "3", "--choose", "yes", "--choose", "no", "both, that is")
        nothing = await hive("answer", "3")
    assert said.code == 0
    assert services.asked == [AnswerQuestion(id=3, answer="both, that is", choices=["yes", "no"])]
    assert nothing.code == 2
    assert "--choose" in nothing.err


async def test_one_approval_is_shown_with_its_log(hive: HiveCommand, serve: Serve) -> None:
    services = Services()
    async with serve("approvals", services.endpoints):
        said = await hive("approval", "7")
        machine = await hive("approval", "7", "--json")
    assert "asked for by agent:hm1nd" in said.out
    assert "  building/7\n  error: boom\\x1b[2J" in said.out
    assert "\x1b" not in said.out
    assert (machine.json["approval"]["id"], "boom" in machine.json["log"]) == (7, True)


async def test_an_update_of_inputs_is_asked_for_by_name(hive: HiveCommand, serve: Serve) -> None:
    services = Services()
    async with serve("lifecycle", services.endpoints):
        said = await hive("update", "nixpkgs", "--reason", "a hole", "--no-wait")
    assert (said.code, said.out) == (0, "update all: accepted, job j1\n")
    assert services.asked == [Update(inputs=["nixpkgs"], reason="a hole")]


async def test_schedules_are_listed_and_made(hive: HiveCommand, serve: Serve) -> None:
    services = Services()
    async with serve("approvals", services.endpoints):
        listed = await hive("schedule", "list")
        await hive("schedule", "add", "eve", "Report.", "--cron", "0 9 * * *", "--zone", "UTC")
        wrong = await hive("schedule", "add", "eve", "Report.", "--once", "tomorrow")
    assert "0 9 * * *" in listed.out
    assert services.asked[0].timing.cron == "0 9 * * *"
    assert wrong.code == 2
    assert len(services.asked) == 1


async def test_the_audit_is_filtered_and_exported_whole(hive: HiveCommand, serve: Serve) -> None:
    services = Services()
    async with serve("approvals", services.endpoints):
        table = await hive("audit", "--who", "operator:", "--limit", "5")
        lines = await hive("audit", "--export")
    assert "operator:anna" in table.out
    assert (services.asked[0].who, services.asked[0].limit) == ("operator:", 5)
    decoded = [msgspec.json.decode(line, type=AuditEntry).id for line in lines.out.splitlines()]
    assert decoded == [3, 2, 1]
