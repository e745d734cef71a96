"""What approvals and operators ask about agents' configurations."""

from typing import Final

from hivecommon.bus import Bus
from hivecommon.contracts.agent_toml import AgentToml
from hivecommon.contracts.changes import (
    ChangesReply,
    CompareCommit,
    DigestCommit,
    Digests,
    ExecuteApply,
    HistoryReply,
    ListHistory,
    MarkCommit,
    PinCommit,
    Pinned,
    RecordRollback,
    Rollback,
    Stage,
)
from hivecommon.contracts.jobs import JobAccepted
from hivecommon.contracts.lifecycle import Done
from hivecommon.errors import HiveError
from hivecommon.service import Call

from hive_lifecycle.admission import Admission
from hive_lifecycle.agents import check_recipients
from hive_lifecycle.comparing import Comparing
from hive_lifecycle.jobs import JobQueue
from hive_lifecycle.operations import Operations
from hive_lifecycle.orders import Order, Verb
from hive_lifecycle.service import Endpoints, accepted, approval_key

_RECORD_S: Final = 3.0


class ConfigVerbs:
    """Answers `svc.approvals.…` about commits, and `hive.history` and `hive.rollback`."""

    def __init__(
        self, operations: Operations, jobs: JobQueue, admission: Admission, bus: Bus
    ) -> None:
        self._do = operations
        self._jobs = jobs
        self._admission = admission
        self._bus = bus

    def endpoints(self) -> Endpoints:
        """Return the request classes and who answers them."""
        return {
            PinCommit: self.pin,
            MarkCommit: self.mark,
            CompareCommit: self.compare,
            DigestCommit: self.digests,
            ExecuteApply: self.execute_apply,
            ListHistory: self.history,
            Rollback: self.rollback,
        }

    async def pin(self, _call: Call, request: PinCommit) -> Pinned:
        """Take a commit over, or refuse it with the reason."""
        self._admission.living(request.name)
        return await self._do.repos.pin(request.name, request.commit, _check)

    async def mark(self, _call: Call, request: MarkCommit) -> Done:
        """Tag it; an agent that was purged has nothing to tag."""
        changed = await self._do.repos.mark(
            request.name, request.stage, request.approval, request.commit
        )
        return Done(changed=changed)

    async def compare(self, _call: Call, request: CompareCommit) -> ChangesReply:
        """Show the difference."""
        return await Comparing(self._do.repos).compare(request)

    async def digests(self, _call: Call, request: DigestCommit) -> Digests:
        """Tell what an approval may be bound to now."""
        return await Comparing(self._do.repos).digests(request)

    async def execute_apply(self, _call: Call, request: ExecuteApply) -> JobAccepted:
        """Carry an approved commit out, once."""
        order = Order(
            verb=Verb.APPLY, agent=request.agent, commit=request.commit,
            approval=request.approval, base=request.base,
        )  # fmt: skip
        key = approval_key(request.approval)
        if (job := self._jobs.known(key, order)) is None:
            self._admission.living(request.name)
            job = await self._jobs.submit(
                key, order, requested_by=request.requested_by, approval=request.approval
            )
        return accepted(job)

    async def history(self, _call: Call, request: ListHistory) -> HistoryReply:
        """List what was asked for and deployed."""
        return HistoryReply(
            agent=request.agent, revisions=await self._do.repos.history(request.name, limit=20)
        )

    async def rollback(self, call: Call, request: Rollback) -> JobAccepted:
        """Have approvals record the operator's decision, and deploy it again."""
        if stored := self._do.store.find_key(call.request_id):
            return accepted(stored.job)
        self._admission.living(request.name)
        commit = await self._do.repos.tagged(request.name, Stage.DEPLOYED, request.to)
        if not commit:
            raise HiveError(
                f"nothing of {request.agent} was deployed by approval {request.to}",
                code="unknown_revision",
                hint=f"`hive history {request.agent}` lists what was",
            )
        record = RecordRollback(
            agent=request.agent, commit=commit, to=request.to, reason=request.reason,
            operator=call.caller.name,
        )  # fmt: skip
        reply = await self._bus.request(record, timeout_s=_RECORD_S, request_id=call.request_id)
        number = reply.approval.id
        order = Order(verb=Verb.APPLY, agent=request.agent, commit=commit, approval=number)
        job = await self._jobs.submit(
            approval_key(number), order, requested_by=str(call.caller), approval=number
        )
        self._jobs.remember(call.request_id, job)
        return accepted(job)


def _check(config: AgentToml) -> None:
    check_recipients(config.settings)
