"""Commits that wait for an operator: bound to the difference that was shown, tagged as they go."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from hivecommon.bus import Bus
from hivecommon.contracts.approvals import (
    Approval,
    ApprovalReply,
    ApprovalState,
    Approve,
    CancelOwnApproval,
    Deny,
    GetApproval,
    ListApprovals,
)
from hivecommon.contracts.base import ErrorDetail
from hivecommon.contracts.changes import Base, DiffApproval, RecordRollback, RequestApply
from hivecommon.errors import HiveError
from hivetesting.broker import Broker
from hivetesting.fixtures import Connect
from hivetesting.lifecycle import JobBook, ScriptedLifecycle, scripted_lifecycle
from hivetesting.watch import ApprovalWatch

pytestmark = pytest.mark.usefixtures("service")
NEW = "a" * 40
OTHER = "b" * 40


@pytest.fixture
async def lifecycle(lifecycle: ScriptedLifecycle) -> ScriptedLifecycle:
    lifecycle.book.commits |= {"aaaaaaa": NEW, NEW: NEW, OTHER: OTHER}
    lifecycle.book.state_dirs |= {"alice"}
    return lifecycle


async def refusal(attempt: Any) -> HiveError:
    with pytest.raises(HiveError) as caught:
        await attempt
    return caught.value


async def asked(manager: Bus, commit: str = "aaaaaaa") -> Approval:
    wish = RequestApply(agent="alice", commit=commit, reason="it sings")
    return (await manager.request(wish, caller="hm1nd")).approval


async def state(watch: ApprovalWatch, number: int, wanted: ApprovalState) -> Approval:
    return await watch.until(number, lambda approval: approval.state is wanted)


async def shown(operator: Bus, number: int, base: Base = Base.RUNNING) -> str:
    return (await operator.request(DiffApproval(id=number, base=base))).digest


async def tagged(lifecycle: ScriptedLifecycle, *names: str) -> None:
    async with asyncio.timeout(10):
        while not set(names) <= set(lifecycle.book.tags):
            await asyncio.sleep(0.01)
    assert {lifecycle.book.tags[name] for name in names} == {NEW}


async def test_the_whole_commit_is_on_record_at_once_and_tagged(
    manager: Bus, operator: Bus, lifecycle: ScriptedLifecycle
) -> None:
    approval = await asked(manager)
    assert (approval.commit, approval.commit_subject) == (NEW, "<b>a change</b>")
    assert (approval.state, approval.requested_by) == (ApprovalState.PENDING, "agent:hm1nd")
    await tagged(lifecycle, f"proposal/{approval.id}")


async def test_what_cannot_be_taken_never_waits(
    manager: Bus, operator: Bus, lifecycle: ScriptedLifecycle
) -> None:
    lifecycle.book.running = OTHER
    assert (await refusal(asked(manager, "c" * 40))).code == "unknown_commit"
    assert (await refusal(asked(manager, OTHER))).code == "no_change"
    lifecycle.refusals["alice"] = HiveError("line 3", code="bad_agent_toml")
    assert (await refusal(asked(manager))).message == "line 3"
    assert (await operator.request(ListApprovals())).approvals == []


async def test_only_the_manager_may_ask(
    own_broker: Broker, connect: Connect, lifecycle: ScriptedLifecycle
) -> None:
    bob = await connect(await own_broker.register("bob"))
    wish = RequestApply(agent="alice", commit=NEW)
    assert (await refusal(bob.request(wish, caller="bob"))).code == "refused"


async def test_without_lifecycle_nothing_is_pinned_and_nothing_waits(
    manager: Bus, operator: Bus
) -> None:
    assert (await refusal(asked(manager))).code == "unavailable"
    assert (await operator.request(ListApprovals())).approvals == []


@pytest.mark.parametrize("base", list(Base))
async def test_it_is_approved_with_the_digest_of_any_base_and_carried_out_once(
    manager: Bus, operator: Bus, lifecycle: ScriptedLifecycle, watch: ApprovalWatch, base: Base
) -> None:
    number = (await asked(manager)).id
    await operator.request(Approve(id=number, digest=await shown(operator, number, base)))
    await state(watch, number, ApprovalState.EXECUTING)
    await lifecycle.finish(number)
    done = await state(watch, number, ApprovalState.DONE)
    assert done.base == lifecycle.book.running
    assert lifecycle.book.bases == [lifecycle.book.running]
    await tagged(lifecycle, f"proposal/{number}", f"approved/{number}")


async def test_a_moved_base_or_no_digest_is_refused_and_it_goes_on_waiting(
    manager: Bus, operator: Bus, lifecycle: ScriptedLifecycle
) -> None:
    approval = await asked(manager)
    before = await shown(operator, approval.id)
    lifecycle.book.running = OTHER
    for digest in (before, None, approval.digest):
        error = await refusal(operator.request(Approve(id=approval.id, digest=digest)))
        assert error.code == "changed"
        assert f"hive diff {approval.id}" in error.hint
    assert (await operator.request(GetApproval(id=approval.id))).approval.state == "pending"
    digest = await shown(operator, approval.id)
    await operator.request(Approve(id=approval.id, digest=digest))


async def test_one_approves_and_one_denies_at_the_same_moment(
    manager: Bus, dashboard: Bus, operator: Bus, lifecycle: ScriptedLifecycle
) -> None:
    number = (await asked(manager)).id
    digest = await shown(operator, number)
    outcomes = await asyncio.gather(
        dashboard.request(Approve(id=number, digest=digest), operator="anna"),
        dashboard.request(Deny(id=number, reason="no"), operator="ben"),
        return_exceptions=True,
    )
    (won,) = [one for one in outcomes if isinstance(one, ApprovalReply)]
    (lost,) = [one for one in outcomes if isinstance(one, HiveError)]
    assert lost.code == "already_decided"
    assert str(won.approval.decided_by) in lost.message


async def test_a_failed_build_has_its_log_on_the_approval(
    manager: Bus, operator: Bus, lifecycle: ScriptedLifecycle, watch: ApprovalWatch
) -> None:
    number = (await asked(manager)).id
    await operator.request(Approve(id=number, digest=await shown(operator, number)))
    await state(watch, number, ApprovalState.EXECUTING)
    log = "error: attribute 'hello' missing\n at agent.nix:3:5"
    await lifecycle.finish(number, ErrorDetail(code="build_failed", message=log))
    failed = await state(watch, number, ApprovalState.FAILED)
    assert failed.note == log
    await tagged(lifecycle, f"failed/{number}")


async def test_denied_and_cancelled_ones_are_tagged_so(
    manager: Bus, operator: Bus, lifecycle: ScriptedLifecycle
) -> None:
    first = await asked(manager)
    await operator.request(Deny(id=first.id, reason="<script>alert(1)</script>"))
    second = await asked(manager)
    await manager.request(CancelOwnApproval(id=second.id), caller="hm1nd")
    await tagged(lifecycle, f"denied/{first.id}", f"cancelled/{second.id}")


async def test_a_rollback_is_recorded_as_decided_and_carried_out(
    own_broker: Broker, connect: Connect, operator: Bus, lifecycle: ScriptedLifecycle,
    watch: ApprovalWatch,
) -> None:  # fmt: skip
    sender = await connect(own_broker.service_login("lifecycle"))
    record = RecordRollback(agent="alice", commit=NEW, to=0, operator="anna")
    approval = (await sender.request(record, request_id="x")).approval
    assert (approval.decided_by, approval.rollback_to) == ("operator:anna", 0)
    await state(watch, approval.id, ApprovalState.EXECUTING)
    await lifecycle.finish(approval.id)
    await state(watch, approval.id, ApprovalState.DONE)
    assert lifecycle.book.bases == [None]


async def test_an_orphaned_one_fails(
    manager: Bus, operator: Bus, lifecycle: ScriptedLifecycle
) -> None:
    number = (await asked(manager)).id
    lifecycle.book.state_dirs.clear()
    (found,) = (await operator.request(ListApprovals())).approvals
    assert (found.id, found.state, found.note) == (number, "failed", "agent state dir missing")
    await tagged(lifecycle, f"failed/{number}")


async def test_tags_that_lifecycle_missed_are_set_when_it_is_back(
    own_broker: Broker, serving: Callable[[], AbstractAsyncContextManager[None]],
    manager: Bus, operator: Bus,
) -> None:  # fmt: skip
    book = JobBook(commits={NEW: NEW}, state_dirs={"alice"})
    async with scripted_lifecycle(own_broker, book):
        number = (await asked(manager, NEW)).id
    await operator.request(Deny(id=number))
    async with scripted_lifecycle(own_broker, book) as again:
        await tagged(again, f"proposal/{number}", f"denied/{number}")
