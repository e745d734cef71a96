"""What happens to agents: on record and told to the manager, each once, over restarts too."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime

import msgspec
import pytest
from hivecommon.bus import Bus
from hivecommon.contracts.audit import AuditEntry, ListAudit
from hivecommon.contracts.base import ErrorDetail
from hivecommon.contracts.events import (
    AgentChanged,
    AgentEvent,
    JobChanged,
    OperatorChanged,
    StatusChanged,
)
from hivecommon.contracts.jobs import Job, JobState
from hivecommon.contracts.roster import HarnessStatus
from hivecommon.errors import HiveError
from hivetesting.broker import Broker
from hivetesting.fixtures import Connect
from hivetesting.watch import inbox_with

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
Serving = Callable[[], AbstractAsyncContextManager[None]]


@pytest.fixture
async def source(own_broker: Broker, connect: Connect) -> Bus:
    return await connect(own_broker.service_login("lifecycle"))


async def audited(operator: Bus, count: int, **wanted: str) -> list[AuditEntry]:
    async with asyncio.timeout(10):
        while len(found := (await operator.request(ListAudit(**wanted))).entries) < count:  # type: ignore[arg-type] # all are filters
            await asyncio.sleep(0.02)
    return found


async def told(operator: Bus, count: int) -> list[str]:
    return [message.body for message in await inbox_with(operator, "hm1nd", count)]


async def test_what_happened_while_the_service_was_away_is_told_once(
    serving: Serving, source: Bus, operator: Bus
) -> None:
    async with serving():
        await audited(operator, 0)
        await source.publish_event(
            "lifecycle", AgentChanged(agent="alice", what="spawned", by="operator:anna")
        )
        await told(operator, 1)
    await source.publish_event(
        "lifecycle", AgentChanged(agent="alice", what="crashed", detail="killed")
    )
    async with serving():
        assert await told(operator, 2) == [
            "alice: spawned by operator anna", "alice: crashed: killed",
        ]  # fmt: skip
        entries = await audited(operator, 2, target="agent:alice")
        assert [(one.who, one.what) for one in entries] == [
            ("service:lifecycle", "crashed"), ("operator:anna", "spawned"),
        ]  # fmt: skip
    async with serving():
        await source.publish_event("lifecycle", AgentChanged(agent="bob", what="stopped"))
        assert len(await told(operator, 3)) == 3


async def test_the_manager_is_not_told_of_its_own_doing(
    serving: Serving, source: Bus, operator: Bus
) -> None:
    async with serving():
        await audited(operator, 0)
        for change in (
            AgentChanged(agent="alice", what="stopped", by="agent:hm1nd"),
            AgentChanged(agent="hm1nd", what="crashed"),
            AgentChanged(agent="alice", what="paused", by="operator:anna"),
            AgentChanged(agent="alice", what="rebuilt", by="operator:anna"),
        ):
            await source.publish_event("lifecycle", change)
        assert await told(operator, 1) == ["alice: rebuilt by operator anna"]
        assert len(await audited(operator, 4, target="agent:")) == 4


async def test_an_update_that_is_needed_is_told_once_until_the_agent_has_it(
    serving: Serving, source: Bus, operator: Bus
) -> None:
    def said(what: str, by: str = "") -> AgentChanged:
        return AgentChanged(agent="alice", what=what, by=by)

    async with serving():
        await audited(operator, 0)
        for change in (said("needs update"), said("needs update")):  # again after a restart
            await source.publish_event("lifecycle", change)
        assert await told(operator, 1) == ["alice: needs update"]
    async with serving():
        for change in (
            said("needs update"),
            said("rebuilt", by="agent:hm1nd"),
            said("needs update"),
            said("up to date"),
            said("needs update"),
        ):
            await source.publish_event("lifecycle", change)
        assert await told(operator, 3) == ["alice: needs update"] * 3
        assert len(await audited(operator, 3, what="needs update")) == 3


async def test_what_is_published_twice_under_one_id_is_told_and_recorded_once(
    serving: Serving, source: Bus, operator: Bus
) -> None:
    async with serving():
        await audited(operator, 0)
        for _ in range(2):
            change = AgentChanged(agent="alice", what="rebuilt", by="operator:anna")
            await source.publish_event("lifecycle", change, event_id="job-1")
        await source.publish_event("lifecycle", AgentChanged(agent="bob", what="crashed"))
        assert await told(operator, 2) == ["alice: rebuilt by operator anna", "bob: crashed"]
        assert len(await audited(operator, 1, what="rebuilt")) == 1


async def test_who_was_made_an_operator_by_whom_is_on_record(
    serving: Serving, source: Bus, operator: Bus
) -> None:
    async with serving():
        await audited(operator, 0)
        await source.publish_event("lifecycle", OperatorChanged("ben", "added", "operator:anna"))
        (entry,) = await audited(operator, 1, target="operator:")
        assert (entry.who, entry.what, entry.target) == ("operator:anna", "added", "operator:ben")


async def test_a_failed_job_is_on_record_with_its_code(
    serving: Serving, source: Bus, operator: Bus
) -> None:
    job = Job(
        id="j1", verb="rebuild", agent="alice", state=JobState.FAILED, requested_by="operator:anna",
        created_at=NOW, error=ErrorDetail(code="build_failed", message="line 3"),
    )  # fmt: skip
    async with serving():
        await audited(operator, 0)
        await source.publish_event("lifecycle", JobChanged(job=job))
        (entry,) = await audited(operator, 1, result="build_failed")
        assert (entry.who, entry.what, entry.target) == ("operator:anna", "rebuild", "agent:alice")


async def test_a_lost_login_and_its_return_are_told_once_each(
    serving: Serving, own_broker: Broker, connect: Connect, operator: Bus
) -> None:
    alice = await connect(await own_broker.register("alice"))

    async def say(seq: int, *, needs_login: bool) -> None:
        body = StatusChanged(status=HarnessStatus(needs_login=needs_login))
        event = AgentEvent(seq=seq, at=NOW, body=body)
        await alice.publish(event.subject_for("alice"), msgspec.json.encode(event))

    async with serving():
        await audited(operator, 0)
        for seq, needs in enumerate((False, True, True, False, False)):
            await say(seq, needs_login=needs)
        assert await told(operator, 2) == ["alice: needs a login", "alice: is logged in again"]
        assert len(await audited(operator, 2, who="agent:alice")) == 2


async def test_the_audit_is_filtered_and_paged(
    serving: Serving, source: Bus, operator: Bus
) -> None:
    async with serving():
        await audited(operator, 0)
        for number in range(5):
            change = AgentChanged(agent=f"a{number}", what="started", by="operator:anna")
            await source.publish_event("lifecycle", change)
        await audited(operator, 5, who="operator:")
        page = await operator.request(ListAudit(who="operator:anna", limit=2))
        assert ([one.target for one in page.entries], page.more) == (["agent:a4", "agent:a3"], True)
        rest = await operator.request(ListAudit(who="operator:*", before=page.entries[-1].id))
        assert ([one.target for one in rest.entries], rest.more) == (
            ["agent:a2", "agent:a1", "agent:a0"], False,
        )  # fmt: skip
        after = await operator.request(ListAudit(since=datetime(2100, 1, 1, tzinfo=UTC)))
        assert after.entries == []
        with pytest.raises(HiveError):
            await operator.request(ListAudit(who=""))
