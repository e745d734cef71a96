"""What agents and other services ask of lifecycle."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

from hivecommon.bus import Bus
from hivecommon.callers import CallerKind
from hivecommon.contracts.approvals import ApprovalLog
from hivecommon.contracts.changes import JobLog
from hivecommon.contracts.harness import Hello, SetPaused
from hivecommon.contracts.jobs import Job, JobAccepted, JobReply
from hivecommon.contracts.lifecycle import (
    AgentLogs,
    AgentPower,
    AgentRoster,
    ApprovalJob,
    CheckName,
    Done,
    ExecuteDestroy,
    ExecuteSpawn,
    FindStateDirs,
    LogsReply,
    MayWrite,
    PauseMyself,
    RosterReply,
    StateDirs,
)
from hivecommon.contracts.lifecycle import AgentSettings as Settings
from hivecommon.errors import HiveError
from hivecommon.names import MANAGER, AgentName, parse_agent_name
from hivecommon.service import Call

from hive_lifecycle import agent_files
from hive_lifecycle.admission import Admission
from hive_lifecycle.capping import Capping
from hive_lifecycle.job_log import log_of
from hive_lifecycle.jobs import JobQueue
from hive_lifecycle.log_tail import LogTail
from hive_lifecycle.operations import Operations
from hive_lifecycle.orders import Order, Verb
from hive_lifecycle.pausing import Pausing
from hive_lifecycle.service import Endpoints, accepted, approval_key

_HARNESS_S: Final = 5.0


class PeerVerbs:
    """Answers `req.…` of agents and `svc.approvals.…`."""

    def __init__(
        self, operations: Operations, jobs: JobQueue, admission: Admission, bus: Bus,
        group: asyncio.TaskGroup,
    ) -> None:  # fmt: skip
        self._do = operations
        self._jobs = jobs
        self._admission = admission
        self._bus = bus
        self._group = group
        self._logs = LogTail(bus, lambda: datetime.now(UTC))  # noqa: TID251 - the clock of the stream
        self._pausing = Pausing(operations, admission, bus)
        self._capping = Capping(operations, admission, bus)

    def endpoints(self) -> Endpoints:
        """Return the request classes and who answers them."""
        return {
            Hello: self.hello,
            AgentRoster: self.roster,
            AgentPower: self.power,
            AgentLogs: self.logs,
            PauseMyself: self.pause,
            ExecuteSpawn: self.execute_spawn,
            ExecuteDestroy: self.execute_destroy,
            ApprovalJob: self.approval_job,
            JobLog: self.job_log,
            FindStateDirs: self.find_state_dirs,
            CheckName: self.check_name,
            MayWrite: self.may_write,
        }

    async def hello(self, call: Call, _request: Hello) -> Done:
        """Note that a harness is up; tell it when it was paused or resumed while it started."""
        name = AgentName(call.caller.name)
        agent = self._admission.living(name)
        await self._do.roster.hello(name)
        # Its configuration says so as well, but was written a moment earlier. In the background,
        # since the harness may answer nothing before it has this answer.
        self._group.create_task(self._tell_paused(name, paused=agent.paused))
        self._group.create_task(self._capping.remind(agent, timeout_s=_HARNESS_S))
        return Done()

    async def _tell_paused(self, name: AgentName, *, paused: bool) -> None:
        with suppress(HiveError):
            await self._bus.request(SetPaused(paused=paused), timeout_s=_HARNESS_S, agent=name)

    async def roster(self, _call: Call, _request: AgentRoster) -> RosterReply:
        """Tell an agent who there is."""
        return RosterReply(agents=self._do.roster.rows())

    async def power(self, call: Call, request: AgentPower) -> JobAccepted:
        """Let the manager start, stop, restart or rebuild another agent."""
        _manager_on_another(call, request.name, request.verb)
        order = Order(verb=Verb(request.verb), agent=request.agent)
        self._admission.living(request.name)
        return accepted(
            await self._jobs.submit(call.request_id, order, requested_by=str(call.caller))
        )

    async def logs(self, call: Call, request: AgentLogs) -> LogsReply:
        """Let the manager read what another agent logged."""
        _manager_on_another(call, request.name, "read the logs of")
        self._admission.living(request.name)
        return LogsReply(lines=await self._logs.newest(request.name, request.level, request.limit))

    async def pause(self, call: Call, request: PauseMyself) -> Done:
        """Park the caller's own turns, or let them go on; see `PauseMyself`."""
        if call.caller.kind is not CallerKind.AGENT:
            raise HiveError(f"{call.caller} is no agent", code="refused")
        name = AgentName(call.caller.name)
        return await self._pausing.set_paused(name, call.caller, paused=request.paused)

    async def execute_spawn(self, _call: Call, request: ExecuteSpawn) -> JobAccepted:
        """Carry an approved spawn out, once."""
        order = Order(
            verb=Verb.SPAWN, agent=request.agent, settings=request.settings, files=request.files
        )
        key = approval_key(request.approval)
        if (job := self._jobs.known(key, order)) is None:
            self._admission.spawn(request.name, request.settings)
            job = await self._jobs.submit(
                key, order, requested_by=request.requested_by, approval=request.approval
            )
        return accepted(job)

    async def execute_destroy(self, _call: Call, request: ExecuteDestroy) -> JobAccepted:
        """Carry an approved destroy out, once; of an agent that is gone it changes nothing."""
        order = Order(verb=Verb.DESTROY, agent=request.agent)
        job = await self._jobs.submit(
            approval_key(request.approval), order,
            requested_by=request.requested_by, approval=request.approval,
        )  # fmt: skip
        return accepted(job)

    async def approval_job(self, _call: Call, request: ApprovalJob) -> JobReply:
        """Tell how an approval's job is."""
        return JobReply(job=self._job_of(request.approval))

    async def job_log(self, _call: Call, request: JobLog) -> ApprovalLog:
        """Tell what an approval's job did, and what its build said."""
        job = self._job_of(request.approval)
        said = self._do.store.find_log(job.id)
        return ApprovalLog(approval=request.approval, text=log_of(job, said))

    def _job_of(self, approval: int) -> Job:
        stored = self._do.store.find_key(approval_key(approval))
        if stored is None:
            raise HiveError(f"approval {approval} has no job", code="unknown_job")
        return stored.job

    async def find_state_dirs(self, _call: Call, request: FindStateDirs) -> StateDirs:
        """Tell which agents have a state directory; a link in its place is none.

        One that is being renamed has not lost it: where it went is told when that is over.
        """
        names = [parse_agent_name(agent) for agent in request.agents]
        home = self._do.config.hive.home
        moving = {
            stored.order.agent
            for stored in self._do.store.active_jobs()
            if stored.order.verb is Verb.RENAME
        }
        present: list[str] = [
            name for name in names if name in moving or agent_files.has_state(home, name)
        ]
        return StateDirs(present=present)

    async def check_name(self, _call: Call, request: CheckName) -> Done:
        """Refuse as the spawn would be."""
        self._admission.spawn(request.name, Settings())
        if request.files:
            self._admission.begins_anew(request.name)
            await self._do.repos.check_files(request.files)
        return Done(changed=False)

    async def may_write(self, _call: Call, request: MayWrite) -> Done:
        """Refuse as the bus would refuse the message itself."""
        agent, to = self._admission.living(request.name), parse_agent_name(request.to)
        self._admission.living(to)
        allowed = agent.settings.recipients
        if allowed is not None and to not in allowed:
            raise HiveError(
                f"{agent.name} may not write to {to}", code="forbidden",
                hint=f"it may write to: {', '.join(['operator', *allowed])}",
            )  # fmt: skip
        return Done(changed=False)


def _manager_on_another(call: Call, agent: AgentName, what: str) -> None:
    """Raise `refused` unless the manager acts on another agent."""
    if call.caller.kind is not CallerKind.AGENT or call.caller.name != MANAGER:
        raise HiveError(
            f"{call.caller} may not {what} agents", code="refused",
            hint=f"ask {MANAGER} or an operator",
        )  # fmt: skip
    if agent == MANAGER:
        raise HiveError(
            f"the manager does not {what} itself", code="refused", hint="ask an operator"
        )
