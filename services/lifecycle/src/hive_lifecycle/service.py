"""What operators ask of lifecycle: the verbs on agents, jobs and operators."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final

from hivecommon.bus import Bus
from hivecommon.contracts.approvals import RecordSpawn
from hivecommon.contracts.base import Request
from hivecommon.contracts.events import OperatorChanged
from hivecommon.contracts.jobs import (
    CancelJob,
    GetJob,
    Job,
    JobAccepted,
    JobReply,
    JobsReply,
    ListJobs,
    WaitJob,
)
from hivecommon.contracts.lifecycle import (
    AgentReply,
    Destroy,
    Done,
    GetStatus,
    ListAgents,
    Pause,
    Rebuild,
    Rename,
    Restart,
    Resume,
    RosterReply,
    SetCap,
    Spawn,
    Start,
    Stop,
)
from hivecommon.contracts.operators import (
    AddOperator,
    ListOperators,
    OperatorsReply,
    RemoveOperator,
)
from hivecommon.errors import HiveError
from hivecommon.names import parse_agent_name
from hivecommon.service import Call, Handler

from hive_lifecycle.admission import Admission, Check
from hive_lifecycle.capping import Capping
from hive_lifecycle.jobs import JobQueue
from hive_lifecycle.operations import Operations
from hive_lifecycle.orders import Order, Verb
from hive_lifecycle.pausing import Pausing

# Enough for approvals to come back from a restart, and less than natscli's 5 s.
_RECORD_S: Final = 3.0
# An answer is to come within a second; a harness that misses it asks when it says hello.
_HARNESS_S: Final = 0.7

Endpoints = Mapping[type[Request[Any]], Handler[Any]]


def accepted(job: Job) -> JobAccepted:
    """Return the answer that tells of a job."""
    return JobAccepted(job=job.id, state=job.state, agent=job.agent, verb=job.verb)


class OperatorVerbs:
    """Answers `hive.…`."""

    def __init__(
        self, operations: Operations, jobs: JobQueue, admission: Admission, bus: Bus
    ) -> None:
        self._do = operations
        self._jobs = jobs
        self._admission = admission
        self._bus = bus
        self._pausing = Pausing(operations, admission, bus)
        self._capping = Capping(operations, admission, bus)
        # Two identical spawns at once must not be recorded as two decisions.
        self._spawning: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def endpoints(self) -> Endpoints:
        """Return the request classes and who answers them."""
        return {
            ListAgents: self.list_agents,
            GetStatus: self.get_status,
            Spawn: self.spawn,
            Start: self.start,
            Stop: self.stop,
            Restart: self.restart,
            Rebuild: self.rebuild,
            Rename: self.rename,
            Destroy: self.destroy,
            Pause: self.pause,
            Resume: self.resume,
            SetCap: self.set_cap,
            GetJob: self.get_job,
            WaitJob: self.wait_job,
            ListJobs: self.list_jobs,
            CancelJob: self.cancel_job,
            ListOperators: self.list_operators,
            AddOperator: self.add_operator,
            RemoveOperator: self.remove_operator,
        }

    def list_agents(self, _call: Call, _request: ListAgents) -> RosterReply:
        """Answer from memory: the roster is kept up to date."""
        roster, store = self._do.roster, self._do.store
        strangers = [str(name) for name in roster.strangers if store.find(name) is None]
        return RosterReply(agents=roster.rows(), kept=list(store.kept()), strangers=strangers)

    async def get_status(self, _call: Call, request: GetStatus) -> AgentReply:
        """Look at the agent now, and answer with its row."""
        self._admission.living(request.name)
        await self._do.observe(request.name)
        row = self._do.roster.row(request.name)
        if row is None:
            raise HiveError(f"{request.agent} was just destroyed", code="unknown_agent")
        return AgentReply(agent=row)

    async def spawn(self, call: Call, request: Spawn) -> JobAccepted:
        """Have approvals record the operator's decision, and begin."""
        order = Order(verb=Verb.SPAWN, agent=request.agent, settings=request.settings)
        async with self._spawning[request.agent]:
            if job := self._earlier(call, order):
                return accepted(job)
            self._admission.spawn(request.name, request.settings)
            record = RecordSpawn(
                agent=request.agent,
                settings=request.settings,
                reason=request.reason,
                operator=call.caller.name,
            )
            reply = await self._bus.request(record, timeout_s=_RECORD_S, request_id=call.request_id)
            number = reply.approval.id
            job = await self._jobs.submit(
                approval_key(number), order, requested_by=str(call.caller), approval=number
            )
            self._jobs.remember(call.request_id, job)
            return accepted(job)

    async def start(self, call: Call, request: Start) -> JobAccepted:
        """Take the order; see `Start`."""
        return await self._order(call, Order(verb=Verb.START, agent=request.agent))

    async def stop(self, call: Call, request: Stop) -> JobAccepted:
        """Take the order; see `Stop`."""
        return await self._order(call, Order(verb=Verb.STOP, agent=request.agent))

    async def restart(self, call: Call, request: Restart) -> JobAccepted:
        """Take the order; see `Restart`."""
        return await self._order(call, Order(verb=Verb.RESTART, agent=request.agent))

    async def rebuild(self, call: Call, request: Rebuild) -> JobAccepted:
        """Take the order; see `Rebuild`."""
        return await self._order(call, Order(verb=Verb.REBUILD, agent=request.agent))

    async def rename(self, call: Call, request: Rename) -> JobAccepted:
        """Take the order; see `Rename`."""
        new = parse_agent_name(request.to)
        order = Order(verb=Verb.RENAME, agent=request.agent, to=new)
        return await self._order(call, order, lambda: self._admission.rename(request.name, new))

    async def destroy(self, call: Call, request: Destroy) -> JobAccepted:
        """Take the order; see `Destroy`."""
        order = Order(verb=Verb.DESTROY, agent=request.agent, purge=request.purge)
        return await self._order(
            call, order, lambda: self._admission.destroy(request.name, purge=request.purge)
        )

    async def _order(self, call: Call, order: Order, check: Check | None = None) -> JobAccepted:
        if job := self._earlier(call, order):
            return accepted(job)
        if check is None:
            self._admission.living(order.name)
        else:
            check()
        return accepted(
            await self._jobs.submit(call.request_id, order, requested_by=str(call.caller))
        )

    def _earlier(self, call: Call, order: Order) -> Job | None:
        """Return the job of the same command, or one that wants the same; before any other check."""
        return self._jobs.known(call.request_id, order) or self._jobs.join(call.request_id, order)

    async def pause(self, call: Call, request: Pause) -> Done:
        """Write it down, then tell the harness."""
        return await self._pausing.set_paused(request.name, call.caller, paused=True)

    async def resume(self, call: Call, request: Resume) -> Done:
        """Write it down, then tell the harness."""
        return await self._pausing.set_paused(request.name, call.caller, paused=False)

    async def set_cap(self, call: Call, request: SetCap) -> Done:
        """Write it down, then tell the harness."""
        return await self._capping.set_cap(request.name, call.caller, request.cap)

    async def get_job(self, _call: Call, request: GetJob) -> JobReply:
        """Answer with the job."""
        return JobReply(job=self._jobs.get(request.job))

    async def wait_job(self, _call: Call, request: WaitJob) -> JobReply:
        """Answer once the job has ended or the time is over."""
        return JobReply(job=await self._jobs.wait(request.job, request.timeout_s))

    async def list_jobs(self, _call: Call, request: ListJobs) -> JobsReply:
        """Answer with jobs, the newest first."""
        if request.agent is not None:
            parse_agent_name(request.agent)
        return JobsReply(
            jobs=self._do.store.list_jobs(request.agent, request.limit, active=request.active)
        )

    async def cancel_job(self, _call: Call, request: CancelJob) -> JobReply:
        """Cancel a job that has not begun."""
        return JobReply(job=await self._jobs.cancel(request.job))

    async def list_operators(self, _call: Call, _request: ListOperators) -> OperatorsReply:
        """Answer with the operators' names."""
        return OperatorsReply(operators=self._do.registry.operators())

    async def add_operator(self, call: Call, request: AddOperator) -> OperatorsReply:
        """Make an operator, or find one."""
        known = request.name in self._do.registry.operators()
        await self._do.registry.add_operator(request.name)
        if not known:
            await self._do.tell(OperatorChanged(request.name, "added", str(call.caller)))
        return OperatorsReply(operators=self._do.registry.operators())

    async def remove_operator(self, call: Call, request: RemoveOperator) -> OperatorsReply:
        """Cut an operator off."""
        await self._do.registry.remove_operator(request.name)
        await self._do.tell(OperatorChanged(request.name, "removed", str(call.caller)))
        return OperatorsReply(operators=self._do.registry.operators())


def approval_key(number: int) -> str:
    """Return the key of the one job that an approval has."""
    return f"approval-{number}"
