"""Carrying out what is approved: once, whatever is lost on the way."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest
from hivecommon.bus import Bus
from hivecommon.contracts.approvals import (
    Approval,
    ApprovalState,
    Approve,
    GetApproval,
    ProposeSpawn,
    RecordSpawn,
    RequestDestroy,
    RequestSpawn,
)
from hivecommon.contracts.base import ErrorDetail
from hivecommon.contracts.lifecycle import AgentSettings
from hivecommon.errors import HiveError
from hivetesting.broker import Broker
from hivetesting.fixtures import Connect
from hivetesting.lifecycle import JobBook, ScriptedLifecycle, scripted_lifecycle
from hivetesting.watch import ApprovalWatch, inbox_of

Serving = Callable[[], AbstractAsyncContextManager[None]]
EXECUTING, DONE, FAILED = ApprovalState.EXECUTING, ApprovalState.DONE, ApprovalState.FAILED


async def approved(operator: Bus, agent: str = "alice") -> Approval:
    asked = (await operator.request(ProposeSpawn(agent=agent))).approval
    return (await operator.request(Approve(id=asked.id, digest=asked.digest))).approval


@pytest.mark.usefixtures("service")
async def test_an_approved_spawn_is_carried_out_once_and_followed_to_its_end(
    manager: Bus, operator: Bus, lifecycle: ScriptedLifecycle, watch: ApprovalWatch
) -> None:
    settings = AgentSettings(persona="a clerk")
    await manager.request(RequestSpawn(agent="alice", settings=settings), caller="hm1nd")
    await operator.request(Approve(id=1))
    executing = await watch.state(1, EXECUTING)
    assert executing.job == "job-1"
    await lifecycle.finish(1)
    done = await watch.state(1, DONE)
    assert done.ended_at is not None
    assert lifecycle.book.carried_out == {1: 1}
    assert lifecycle.book.jobs[1].requested_by == "agent:hm1nd"
    await operator.request(ProposeSpawn(agent="bob"))
    await watch.state(2, ApprovalState.PENDING)
    ids = [message.id for message in await inbox_of(operator, "hm1nd")]
    assert ids == ["approval-1-approved", "approval-1-done"]


@pytest.mark.usefixtures("service")
async def test_an_approved_destroy_is_carried_out(
    manager: Bus, operator: Bus, lifecycle: ScriptedLifecycle, watch: ApprovalWatch
) -> None:
    lifecycle.book.state_dirs.add("alice")
    await manager.request(RequestDestroy(agent="alice"), caller="hm1nd")
    await operator.request(Approve(id=1))
    await watch.state(1, EXECUTING)
    await lifecycle.finish(1)
    await watch.state(1, DONE)
    assert [(job.verb, job.agent) for job in lifecycle.book.jobs.values()] == [("destroy", "alice")]


@pytest.mark.usefixtures("service")
async def test_a_failed_job_fails_the_approval_with_the_jobs_words(
    operator: Bus, lifecycle: ScriptedLifecycle, watch: ApprovalWatch
) -> None:
    await approved(operator)
    await watch.state(1, EXECUTING)
    await lifecycle.finish(1, ErrorDetail(code="no_disk", message="disk full", hint="make room"))
    assert (await watch.state(1, FAILED)).note == "disk full (make room)"


@pytest.mark.usefixtures("service")
async def test_what_lifecycle_refuses_fails_with_its_words(
    operator: Bus, lifecycle: ScriptedLifecycle, watch: ApprovalWatch
) -> None:
    asked = (await operator.request(ProposeSpawn(agent="uma"))).approval
    lifecycle.refusals["uma"] = HiveError("uma and victor share 8214", code="port_taken")
    await operator.request(Approve(id=asked.id))
    assert (await watch.state(1, FAILED)).note == "uma and victor share 8214"


@pytest.mark.usefixtures("service")
async def test_while_lifecycle_is_away_it_waits_says_so_and_then_goes_on(
    operator: Bus, own_broker: Broker, watch: ApprovalWatch
) -> None:
    await approved(operator, "alice")
    await approved(operator, "bob")
    for number in (1, 2):
        waiting = await watch.until(number, lambda a: bool(a.note))
        assert waiting.state is ApprovalState.APPROVED
        assert waiting.note.startswith("waits for lifecycle: nobody answers")
    async with scripted_lifecycle(own_broker, JobBook(), finish_at_once=True) as lifecycle:
        for number in (1, 2):
            assert (await watch.state(number, DONE, within_s=15)).note == ""
    assert lifecycle.book.carried_out == {1: 1, 2: 1}


@pytest.mark.usefixtures("service")
async def test_an_answer_that_was_lost_does_not_begin_a_second_job(
    operator: Bus, lifecycle: ScriptedLifecycle, watch: ApprovalWatch
) -> None:
    lifecycle.lose_answers = 1
    await approved(operator)
    await watch.state(1, EXECUTING, within_s=15)
    await lifecycle.finish(1)
    await watch.state(1, DONE)
    assert lifecycle.book.carried_out == {1: 1}


async def test_a_job_that_ended_while_the_service_was_away_is_noticed_at_its_start(
    serving: Serving, operator: Bus, lifecycle: ScriptedLifecycle, watch: ApprovalWatch
) -> None:
    async with serving():
        await approved(operator)
        await watch.state(1, EXECUTING)
    await lifecycle.finish(1)
    async with serving():
        await watch.state(1, DONE)
    assert lifecycle.book.carried_out == {1: 1}


async def test_a_job_that_lifecycle_has_forgotten_is_not_begun_again(
    serving: Serving, operator: Bus, lifecycle: ScriptedLifecycle, watch: ApprovalWatch
) -> None:
    async with serving():
        await approved(operator)
        await watch.state(1, EXECUTING)
        lifecycle.book.jobs.clear()
    async with serving():
        failed = await watch.state(1, FAILED)
    assert failed.note.startswith("lifecycle knows nothing of job job-1 any more")
    assert lifecycle.book.jobs == {}


@pytest.mark.usefixtures("service")
async def test_trouble_inside_lifecycle_is_no_verdict_on_the_change(
    operator: Bus, lifecycle: ScriptedLifecycle, watch: ApprovalWatch
) -> None:
    asked = [(await operator.request(ProposeSpawn(agent=name))).approval for name in ("a", "b")]
    lifecycle.refusals["a"] = HiveError("something went wrong inside", code="internal")
    for approval in asked:
        await operator.request(Approve(id=approval.id))
    waiting = await watch.until(1, lambda a: bool(a.note))
    assert waiting.state is ApprovalState.APPROVED
    await watch.state(2, EXECUTING)  # it holds up nobody else
    lifecycle.refusals.clear()
    await watch.state(1, EXECUTING, within_s=15)


@pytest.mark.usefixtures("service")
async def test_an_operators_own_spawn_is_followed_like_any_other(
    own_broker: Broker, connect: Connect, operator: Bus, lifecycle: ScriptedLifecycle,
    watch: ApprovalWatch,
) -> None:  # fmt: skip
    sender = await connect(own_broker.service_login("lifecycle"))
    record = RecordSpawn(agent="alice", settings=AgentSettings(), operator="anna")
    await sender.request(record)
    await watch.state(1, EXECUTING)
    await lifecycle.finish(1)
    await watch.state(1, DONE)
    assert (await operator.request(GetApproval(id=1))).approval.decided_by == "operator:anna"
