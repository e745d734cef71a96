"""Verbs that begin jobs, and following those, with a scripted lifecycle."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec
import pytest
from hivecommon.bus import Bus
from hivecommon.contracts.approvals import (
    Approval,
    ApprovalKind,
    ApprovalReply,
    ApprovalState,
    ProposeSpawn,
)
from hivecommon.contracts.base import AgentRequest, ErrorDetail
from hivecommon.contracts.events import JobChanged
from hivecommon.contracts.jobs import (
    CancelJob,
    GetJob,
    Job,
    JobAccepted,
    JobReply,
    JobsReply,
    JobState,
    JobStep,
    ListJobs,
)
from hivecommon.contracts.lifecycle import (
    AgentSettings,
    Destroy,
    Done,
    Pause,
    Rebuild,
    Rename,
    Resume,
    SetCap,
    Spawn,
    Stop,
)
from hivecommon.errors import HiveError
from hivecommon.service import Call
from hivetesting.broker import Broker
from hivetesting.commands import Endpoints, HiveCommand, Serve, serving
from hivetesting.fixtures import Connect

AT = datetime(2026, 11, 22, tzinfo=UTC)


@dataclass
class Jobs:
    """A lifecycle whose jobs the test moves on."""

    bus: Bus | None = None
    jobs: dict[str, Job] = field(default_factory=dict)
    asked: list[AgentRequest[JobAccepted]] = field(default_factory=list)
    followed: asyncio.Event = field(default_factory=asyncio.Event)
    ends_as: JobState | None = JobState.DONE

    async def accept(self, call: Call, request: AgentRequest[JobAccepted]) -> JobAccepted:
        if request.agent == "nobody":
            raise HiveError("there is no agent 'nobody'", code="unknown_agent")
        if request.agent == "uma":
            raise HiveError("uma and victor share port 8214", code="port_taken")
        self.asked.append(request)
        verb = type(request).__name__.lower()
        job = Job(
            id=f"{verb}-{request.agent}", verb=verb, agent=request.agent, state=JobState.ACCEPTED,
            requested_by=str(call.caller), created_at=AT,
        )  # fmt: skip
        self.jobs[job.id] = job
        if self.ends_as is not None:
            self.move(job.id, self.ends_as, "looked", "repaired")
        return JobAccepted(job=job.id, state=job.state, agent=job.agent, verb=verb)

    async def get(self, _call: Call, request: GetJob) -> JobReply:
        self.followed.set()
        if request.job not in self.jobs:
            raise HiveError(f"there is no job {request.job!r}", code="unknown_job")
        return JobReply(job=self.jobs[request.job])

    async def list(self, _call: Call, _request: ListJobs) -> JobsReply:
        return JobsReply(jobs=list(self.jobs.values()))

    async def cancel(self, _call: Call, _request: CancelJob) -> JobReply:
        raise HiveError("it runs already", code="too_late")

    def move(self, job: str, state: JobState, *steps: str) -> None:
        old = self.jobs[job]
        told = [*old.steps, *(JobStep(at=AT, text=step) for step in steps)]
        error = ErrorDetail(code="start_failed", message="it died", hint="see its log")
        self.jobs[job] = msgspec.structs.replace(
            old, state=state, steps=told, error=error if state is JobState.FAILED else None
        )

    @property
    def endpoints(self) -> Endpoints:
        verbs = (Rebuild, Stop, Rename, Destroy, Spawn)
        return {
            **dict.fromkeys(verbs, self.accept), GetJob: self.get, ListJobs: self.list,
            CancelJob: self.cancel,
        }  # fmt: skip


@pytest.fixture
def jobs() -> Jobs:
    return Jobs()


async def test_a_job_is_followed_to_its_end(hive: HiveCommand, serve: Serve, jobs: Jobs) -> None:
    async with serve("lifecycle", jobs.endpoints):
        said = await hive("rebuild", "alice")
    assert (said.code, said.out) == (0, "rebuild alice: done\n")
    assert said.err == "  looked\n  repaired\n"


async def test_a_followed_job_is_json_with_its_steps(
    hive: HiveCommand, serve: Serve, jobs: Jobs
) -> None:
    async with serve("lifecycle", jobs.endpoints):
        said = await hive("rebuild", "alice", "--json")
    assert said.json["ok"] is True
    assert said.json["job"]["id"] == "rebuild-alice"
    assert [step["text"] for step in said.json["job"]["steps"]] == ["looked", "repaired"]


async def test_no_wait_returns_the_jobs_id(hive: HiveCommand, serve: Serve, jobs: Jobs) -> None:
    jobs.ends_as = None
    async with serve("lifecycle", jobs.endpoints):
        said = await hive("stop", "alice", "--no-wait", "--json")
    assert said.json == {
        "ok": True, "job": "stop-alice", "state": "accepted", "agent": "alice", "verb": "stop",
    }  # fmt: skip


async def test_a_job_that_fails_is_told_with_its_reason(
    hive: HiveCommand, serve: Serve, jobs: Jobs
) -> None:
    jobs.ends_as = JobState.FAILED
    async with serve("lifecycle", jobs.endpoints):
        said = await hive("rebuild", "alice", "--json")
    assert said.code == 1
    assert said.json["ok"] is False
    assert said.json["job"]["error"]["code"] == "start_failed"
    assert said.err.endswith("error: rebuild alice: it died\nhint: see its log\n")


async def test_what_fails_for_one_agent_does_not_stop_the_others(
    hive: HiveCommand, serve: Serve, jobs: Jobs
) -> None:
    async with serve("lifecycle", jobs.endpoints):
        said = await hive("rebuild", "alice", "nobody", "bob", "alice")
    assert said.code == 1
    assert said.out == "rebuild alice: done\nrebuild bob: done\n"
    assert "error: there is no agent 'nobody'" in said.err
    assert len(jobs.asked) == 2


async def test_a_refusal_is_status_3(hive: HiveCommand, serve: Serve, jobs: Jobs) -> None:
    async with serve("lifecycle", jobs.endpoints):
        said = await hive("spawn", "uma")
    assert said.code == 3
    assert "victor" in said.err


async def test_spawn_carries_the_settings(
    hive: HiveCommand, serve: Serve, jobs: Jobs, tmp_path: object
) -> None:
    async with serve("lifecycle", jobs.endpoints):
        said = await hive(
            "spawn", "alice", "--persona", "You test.", "--model", "claude-x", "--recipient", "bob",
            "--recipient", "carl", "--reason", "because",
        )  # fmt: skip
    assert said.code == 0
    settings = AgentSettings(persona="You test.", model="claude-x", recipients=["bob", "carl"])
    assert jobs.asked == [Spawn(agent="alice", settings=settings, reason="because")]


async def test_a_persona_can_come_from_stdin(hive: HiveCommand, serve: Serve, jobs: Jobs) -> None:
    async with serve("lifecycle", jobs.endpoints):
        said = await asyncio.to_thread(
            hive.process, "spawn", "alice", "--persona-file", "-", stdin="You read.\n"
        )
    assert said.code == 0, said.err
    assert jobs.asked == [Spawn(agent="alice", settings=AgentSettings(persona="You read.\n"))]


async def test_a_requested_spawn_waits_for_an_approval(hive: HiveCommand, serve: Serve) -> None:
    async def propose(call: Call, request: ProposeSpawn) -> ApprovalReply:
        return ApprovalReply(
            approval=Approval(
                id=7, kind=ApprovalKind.SPAWN, agent=request.agent, state=ApprovalState.PENDING,
                requested_by=str(call.caller), requested_at=AT, reason=request.reason,
            )
        )  # fmt: skip

    async with serve("approvals", {ProposeSpawn: propose}):
        said = await hive("spawn", "eve", "--request", "--reason", "to test")
        whole = await hive("spawn", "eve", "--request", "--json")
    assert said.out == "approval 7 pending: `hive approve 7` spawns it\n"
    assert whole.json["approval"]["state"] == "pending"


async def test_rename_and_destroy_say_what_they_mean(
    hive: HiveCommand, serve: Serve, jobs: Jobs
) -> None:
    async with serve("lifecycle", jobs.endpoints):
        assert (await hive("rename", "victor", "vic")).code == 0
        assert (await hive("destroy", "vic", "--purge", "--yes")).code == 0
    assert jobs.asked == [Rename(agent="victor", to="vic"), Destroy(agent="vic", purge=True)]


async def test_a_restart_of_lifecycle_in_the_middle_loses_nothing(
    broker: Broker, connect: Connect, hive: HiveCommand, jobs: Jobs
) -> None:
    jobs.ends_as = None

    @asynccontextmanager
    async def lifecycle() -> AsyncIterator[None]:
        bus = await connect(broker.service_login("lifecycle"))
        async with serving(broker, bus, "lifecycle", jobs.endpoints):
            yield
        await bus.drain()

    async with asyncio.TaskGroup() as group:
        async with lifecycle():
            command = group.create_task(hive("rebuild", "alice"))
            await jobs.followed.wait()
        jobs.move("rebuild-alice", JobState.DONE, "adopted")
        async with lifecycle():
            said = await command
    assert (said.code, said.out) == (0, "rebuild alice: done\n")
    assert said.err.count("adopted") == 1


async def test_an_event_ends_the_wait_before_the_next_question(
    broker: Broker, connect: Connect, hive: HiveCommand, jobs: Jobs
) -> None:
    jobs.ends_as = None
    bus = await connect(broker.service_login("lifecycle"))
    async with (
        serving(broker, bus, "lifecycle", jobs.endpoints),
        asyncio.TaskGroup() as group,
    ):
        command = group.create_task(hive("rebuild", "alice"))
        await jobs.followed.wait()
        jobs.move("rebuild-alice", JobState.DONE, "told by event")
        await bus.publish_event("lifecycle", JobChanged(jobs.jobs["rebuild-alice"]))
        assert (await command).err.count("told by event") == 1


async def test_jobs_are_listed_and_shown(hive: HiveCommand, serve: Serve, jobs: Jobs) -> None:
    jobs.ends_as = JobState.FAILED
    async with serve("lifecycle", jobs.endpoints):
        await hive("rebuild", "alice")
        listed = await hive("jobs", "--active")
        shown = await hive("jobs", "rebuild-alice")
        missing = await hive("jobs", "no-such-job")
        too_late = await hive("cancel", "rebuild-alice")
    assert "rebuild-alice  rebuild  alice  failed" in listed.out
    assert "start_failed: it died" in shown.out
    assert missing.code == 1
    assert too_late.code == 3


async def test_pause_and_resume_tell_whether_anything_changed(
    hive: HiveCommand, serve: Serve
) -> None:
    async def pause(call: Call, request: Pause) -> Done:
        return Done(changed=True)

    async def resume(call: Call, request: Resume) -> Done:
        return Done(changed=False)

    async with serve("lifecycle", {Pause: pause, Resume: resume}):
        assert (await hive("pause", "alice")).out == "alice is paused\n"
        assert (await hive("resume", "alice")).out == "alice was not paused\n"
        assert (await hive("resume", "alice", "--json")).json == {"ok": True, "changed": False}


async def test_a_cap_is_a_sum_or_one_of_two_words(hive: HiveCommand, serve: Serve) -> None:
    asked: list[object] = []

    async def cap(_call: Call, request: SetCap) -> Done:
        asked.append(request.cap)
        return Done(changed=request.cap != "config")

    async with serve("lifecycle", {SetCap: cap}):
        assert (await hive("cap", "alice", "5.0")).out == "alice may cost $5.0 a day\n"
        assert (await hive("cap", "alice", "off")).out == "alice has no cap\n"
        assert (await hive("cap", "alice", "config")).out == "alice's cap was config already\n"
        for wrong in ("0", "-1", "nan", "inf", "much", "1e9"):
            said = await hive("cap", "alice", wrong)
            assert (said.code, said.out) == (2, ""), wrong
    assert asked == [5.0, "off", "config"]
