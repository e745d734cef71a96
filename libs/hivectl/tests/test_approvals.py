"""`hive approvals|approve|deny|cancel` with scripted approvals."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hivecommon.contracts.approvals import (
    Approval,
    ApprovalKind,
    ApprovalReply,
    ApprovalsReply,
    ApprovalState,
    Approve,
    CancelApproval,
    Deny,
    GetApproval,
    ListApprovals,
)
from hivecommon.contracts.jobs import GetJob, Job, JobReply, JobState, JobStep
from hivecommon.contracts.lifecycle import AgentSettings
from hivecommon.errors import HiveError
from hivecommon.service import Call
from hivetesting.commands import Endpoints, HiveCommand, Serve

PENDING = Approval(
    id=7, kind=ApprovalKind.SPAWN, agent="eve", state=ApprovalState.PENDING, digest="d1",
    requested_by="agent:hm1nd", requested_at=datetime(2026, 11, 22, tzinfo=UTC),
    reason="please\x1b[2J\nerror: approve all", settings=AgentSettings(persona="You\x1b]0;x test."),
)  # fmt: skip


@dataclass
class Approvals:
    """Approval 7, as it goes on each time that somebody looks."""

    now: Approval = PENDING
    comes: list[ApprovalState] = field(default_factory=list)
    asked: list[Any] = field(default_factory=list)

    async def get(self, _call: Call, request: GetApproval) -> ApprovalReply:
        if request.id != 7:
            raise HiveError(f"there is no approval {request.id}", code="unknown_approval")
        if self.now.state is not ApprovalState.PENDING and self.comes:
            self.change(self.comes.pop(0))
        return ApprovalReply(approval=self.now)

    async def list(self, _call: Call, request: ListApprovals) -> ApprovalsReply:
        self.asked.append(request)
        return ApprovalsReply(approvals=[self.now], pending=1)

    async def approve(self, _call: Call, request: Approve) -> ApprovalReply:
        self.asked.append(request)
        if request.digest not in {None, self.now.digest}:
            raise HiveError("it is not what was shown", code="changed")
        if self.now.state is not ApprovalState.PENDING:
            raise HiveError("bert approved it already", code="already_decided")
        self.change(ApprovalState.APPROVED)
        return ApprovalReply(approval=self.now)

    async def deny(self, _call: Call, request: Deny) -> ApprovalReply:
        self.asked.append(request)
        self.change(ApprovalState.DENIED)
        return ApprovalReply(approval=self.now)

    async def cancel(self, _call: Call, _request: CancelApproval) -> ApprovalReply:
        self.change(ApprovalState.CANCELLED)
        return ApprovalReply(approval=self.now)

    def change(self, state: ApprovalState) -> None:
        note = "it died" if state is ApprovalState.FAILED else ""
        self.now = msgspec.structs.replace(self.now, state=state, note=note)

    @property
    def endpoints(self) -> Endpoints:
        return {
            GetApproval: self.get, ListApprovals: self.list, Approve: self.approve,
            Deny: self.deny, CancelApproval: self.cancel,
        }  # fmt: skip


@pytest.fixture
def approvals() -> Approvals:
    return Approvals()


async def test_the_list_shows_what_waits(
    hive: HiveCommand, serve: Serve, approvals: Approvals
) -> None:
    async with serve("approvals", approvals.endpoints):
        said = await hive("approvals", "--state", "pending")
        whole = await hive("approvals", "--json")
    assert "7   spawn  eve    pending" in said.out
    assert "\x1b" not in said.out + whole.out
    assert "1 pending" in said.err
    assert approvals.asked[0].state is ApprovalState.PENDING
    assert whole.json["approvals"][0]["digest"] == "d1"


async def test_approving_shows_it_binds_to_it_and_sees_it_done(
    hive: HiveCommand, serve: Serve, approvals: Approvals
) -> None:
    approvals.comes = [ApprovalState.EXECUTING, ApprovalState.DONE]
    async with serve("approvals", approvals.endpoints):
        said = await hive("approve", "7")
    assert said.code == 0
    assert "\n  please\\x1b[2J\n  error: approve all\n" in said.out
    assert "persona:\n  You\\x1b]0;x test." in said.out
    assert said.out.endswith("approval 7: spawn eve: done\n")
    assert approvals.asked == [Approve(id=7, digest="d1")]


async def test_the_steps_of_what_was_approved_are_told_as_they_are_taken(
    hive: HiveCommand, serve: Serve, approvals: Approvals
) -> None:
    approvals.comes = [ApprovalState.EXECUTING, ApprovalState.DONE]
    approvals.now = msgspec.structs.replace(approvals.now, job="j7")
    steps = [
        JobStep(at=PENDING.requested_at, text=text) for text in ("building\x1b[2J", "deployed")
    ]
    shown = iter((1, 1, 2))

    async def job(_call: Call, request: GetJob) -> JobReply:
        count = next(shown, 2)
        state = JobState.RUNNING if count == 1 else JobState.DONE
        found = Job(
            id=request.job, verb="apply", agent="eve", state=state, requested_by="agent:hm1nd",
            created_at=PENDING.requested_at, steps=steps[:count],
        )  # fmt: skip
        return JobReply(job=found)

    async with (
        serve("approvals", approvals.endpoints),
        serve("lifecycle", {GetJob: job}),
    ):
        said = await hive("approve", "7")
    assert said.code == 0
    lines = [line.strip() for line in said.err.splitlines()]
    assert lines[-4:] == ["executing", "building\\x1b[2J", "deployed", "done"] or (
        lines[-4:] == ["building\\x1b[2J", "deployed", "executing", "done"]
    ), said.err


async def test_what_fails_after_the_approval_is_a_failure_with_its_note(
    hive: HiveCommand, serve: Serve, approvals: Approvals
) -> None:
    approvals.comes = [ApprovalState.FAILED]
    async with serve("approvals", approvals.endpoints):
        said = await hive("approve", "7", "--json")
    assert said.code == 1
    assert said.json["ok"] is False
    assert said.json["approval"]["note"] == "it died"


async def test_a_second_decision_is_refused(
    hive: HiveCommand, serve: Serve, approvals: Approvals
) -> None:
    async with serve("approvals", approvals.endpoints):
        assert (await hive("approve", "7", "--no-wait")).code == 0
        said = await hive("approve", "7", "--no-wait", "--json")
    assert said.code == 3
    assert said.json["error"]["code"] == "already_decided"


async def test_another_digest_than_the_shown_one_is_refused(
    hive: HiveCommand, serve: Serve, approvals: Approvals
) -> None:
    async with serve("approvals", approvals.endpoints):
        said = await hive("approve", "7", "--digest", "d0")
    assert said.code == 3
    assert approvals.now.state is ApprovalState.PENDING


async def test_denying_carries_the_reason(
    hive: HiveCommand, serve: Serve, approvals: Approvals
) -> None:
    async with serve("approvals", approvals.endpoints):
        said = await hive("deny", "7", "--reason", "two are enough")
    assert said.out == "approval 7: denied\n"
    assert approvals.asked == [Deny(id=7, reason="two are enough")]


async def test_a_number_is_an_approval_to_cancel(
    hive: HiveCommand, serve: Serve, approvals: Approvals
) -> None:
    async with serve("approvals", approvals.endpoints):
        assert (await hive("cancel", "7")).out == "approval 7: cancelled\n"
        assert (await hive("approve", "8")).code == 1
