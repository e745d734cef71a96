"""Orphans: a pending approval whose agent has lost its state directory fails and is kept."""

import asyncio
from collections.abc import Awaitable, Callable, Collection

import pytest
from hive_approvals import policy
from hive_approvals.kinds.kind import NoDetails
from hive_approvals.lifecycle import Lifecycle
from hive_approvals.store import ApprovalStore, Ask, Decision, encode_details
from hive_approvals.sweeper import Sweeper
from hivecommon.bus import Bus
from hivecommon.contracts.approvals import (
    ApprovalKind,
    ApprovalReply,
    ApprovalState,
    Approve,
    ListApprovals,
    RequestDestroy,
    RequestSchedule,
    RequestSpawn,
)
from hivecommon.contracts.base import Request
from hivecommon.contracts.changes import RequestApply
from hivecommon.contracts.events import AgentChanged
from hivecommon.contracts.inputs import RequestUpdate
from hivecommon.contracts.schedules import Timing
from hivecommon.errors import HiveError
from hivetesting.lifecycle import ScriptedLifecycle
from hivetesting.watch import ApprovalWatch, inbox_of
from typing_extensions import override

PENDING, FAILED = ApprovalState.PENDING, ApprovalState.FAILED


@pytest.fixture
async def asked(service: None, manager: Bus, lifecycle: ScriptedLifecycle) -> None:
    """1 destroys alice, 2 destroys bob, 3 spawns carol; all pending, all directories there."""
    lifecycle.book.state_dirs |= {"alice", "bob"}
    for wish in (
        RequestDestroy(agent="alice"),
        RequestDestroy(agent="bob"),
        RequestSpawn(agent="carol"),
    ):
        await manager.request(wish, caller="hm1nd")


@pytest.mark.usefixtures("asked")
async def test_a_list_finds_the_orphan_keeps_its_row_and_leaves_a_spawn_alone(
    operator: Bus, lifecycle: ScriptedLifecycle
) -> None:
    assert (await operator.request(ListApprovals())).pending == 3
    lifecycle.book.state_dirs.remove("alice")
    listed = await operator.request(ListApprovals())
    found = {a.id: (a.state, a.note) for a in listed.approvals}
    assert found == {1: (FAILED, "agent state dir missing"), 2: (PENDING, ""), 3: (PENDING, "")}
    assert listed.pending == 2
    assert listed.approvals[-1].ended_at is not None


@pytest.mark.usefixtures("asked")
async def test_the_requester_is_told_of_the_orphan_once(
    operator: Bus, manager: Bus, lifecycle: ScriptedLifecycle, watch: ApprovalWatch
) -> None:
    lifecycle.book.state_dirs.remove("alice")
    for _ in range(3):
        await operator.request(ListApprovals())
    await manager.request(RequestSpawn(agent="dora"), caller="hm1nd")
    await watch.state(4, PENDING)
    (message,) = await inbox_of(operator, "hm1nd")
    assert message.id == "approval-1-failed"
    assert message.body == "Your request 1 (destroy alice) failed: agent state dir missing"


async def test_nothing_is_swept_while_lifecycle_is_away(
    service: None, manager: Bus, operator: Bus
) -> None:
    await manager.request(RequestDestroy(agent="alice"), caller="hm1nd")
    listed = await operator.request(ListApprovals(), timeout_s=2)
    assert [a.state for a in listed.approvals] == [PENDING]


async def at_once() -> None:
    """Nothing has happened that would have to be taken in."""


class ScriptedDirectories(Lifecycle):
    """Says which directories exist when the test lets it, and counts how often it was asked."""

    def __init__(self, present: set[str]) -> None:
        self.present = present
        self.may_answer = asyncio.Event()
        self.asked = 0

    @override
    async def state_dirs(self, agents: Collection[str]) -> frozenset[str]:
        self.asked += 1
        await self.may_answer.wait()
        return frozenset(self.present)


@pytest.fixture
async def store(open_store: Callable[[], Awaitable[ApprovalStore]]) -> ApprovalStore:
    """A store in which 1 destroys alice and 2 spawns bob."""
    opened = await open_store()
    for kind, agent in ((ApprovalKind.DESTROY, "alice"), (ApprovalKind.SPAWN, "bob")):
        details = encode_details(NoDetails())
        await opened.ask(Ask(kind, agent, details, "", "agent:hm1nd", f"ask-{agent}"))
    return opened


async def test_orphans_are_found_without_anybody_listing(store: ApprovalStore) -> None:
    directories = ScriptedDirectories({"alice"})
    directories.may_answer.set()
    sweeper = Sweeper(store, directories, [ApprovalKind.DESTROY], every_s=0.01, caught_up=at_once)
    changed = store.watch()
    async with asyncio.TaskGroup() as group, asyncio.timeout(10):
        task = group.create_task(sweeper.run())
        changed.clear()
        directories.present.clear()
        await changed.wait()
        task.cancel()
    assert [(await store.get(number)).state for number in (1, 2)] == [FAILED, PENDING]


async def test_those_who_list_at_the_same_time_share_a_sweep_that_is_fresh(
    store: ApprovalStore,
) -> None:
    directories = ScriptedDirectories({"alice"})
    sweeper = Sweeper(store, directories, [ApprovalKind.DESTROY], every_s=30, caught_up=at_once)
    async with asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(sweeper.sweep())
        await asyncio.sleep(0)
        directories.may_answer.set()
    assert directories.asked == 2


async def test_a_decision_that_comes_between_is_not_undone(store: ApprovalStore) -> None:
    directories = ScriptedDirectories(set())
    sweeper = Sweeper(store, directories, [ApprovalKind.DESTROY], every_s=30, caught_up=at_once)
    async with asyncio.TaskGroup() as group:
        group.create_task(sweeper.sweep())
        approve = Decision(policy.Event.APPROVE, "operator:anna", "x")
        await store.decide(1, approve)
        directories.may_answer.set()
    assert (await store.get(1)).state is ApprovalState.APPROVED


async def test_what_waits_for_an_agent_goes_with_it_to_its_new_name(
    service: None, manager: Bus, operator: Bus, lifecycle: ScriptedLifecycle
) -> None:
    lifecycle.book.state_dirs |= {"alice"}
    lifecycle.book.commits |= {"a" * 40: "a" * 40}
    plan = {"prompt": "Report.", "timing": Timing(cron="0 9 * * *", zone="UTC")}
    for wish in (
        RequestDestroy(agent="alice"),
        RequestApply(agent="alice", commit="a" * 40),
        RequestSchedule(agent="alice", **plan),  # type: ignore[arg-type] # both are named above
        RequestSpawn(agent="bob"),
    ):
        await manager.request(wish, caller="hm1nd")
    before = {one.id: one for one in (await operator.request(ListApprovals())).approvals}
    lifecycle.book.state_dirs = {"anna"}
    change = AgentChanged(agent="anna", what="renamed", by="operator:ben", detail="was alice")
    await lifecycle.bus.publish_event("lifecycle", change)
    after = {one.id: one for one in (await operator.request(ListApprovals())).approvals}
    assert {one.state for one in after.values()} == {PENDING}
    assert [after[number].agent for number in (1, 2, 3, 4)] == ["anna", "anna", "anna", "bob"]
    with pytest.raises(HiveError) as caught:
        await operator.request(Approve(id=1, digest=before[1].digest))
    assert caught.value.code == "changed"
    approved = await operator.request(Approve(id=1, digest=after[1].digest))
    assert approved.approval.agent == "anna"


@pytest.mark.parametrize(
    ("kind", "orphan"),
    [("destroy", True), ("apply", True), ("schedule", True), ("spawn", False), ("update", False)],
)
async def test_each_kind_knows_whether_it_can_be_an_orphan(
    service: None, manager: Bus, operator: Bus, lifecycle: ScriptedLifecycle, kind: str,
    orphan: bool,  # noqa: FBT001 - a parameter of the test
) -> None:  # fmt: skip
    lifecycle.book.state_dirs |= {"alice"}
    lifecycle.book.commits |= {"a" * 40: "a" * 40}
    timing = Timing(cron="0 9 * * *", zone="UTC")
    wishes: dict[str, Request[ApprovalReply]] = {
        "destroy": RequestDestroy(agent="alice"),
        "apply": RequestApply(agent="alice", commit="a" * 40),
        "schedule": RequestSchedule(agent="alice", prompt="Report.", timing=timing),
        "spawn": RequestSpawn(agent="alice"),
        "update": RequestUpdate(),
    }
    await manager.request(wishes[kind], caller="hm1nd")
    lifecycle.book.state_dirs.clear()
    (found,) = (await operator.request(ListApprovals())).approvals
    expected = (FAILED, "agent state dir missing") if orphan else (PENDING, "")
    assert (found.state, found.note) == expected
