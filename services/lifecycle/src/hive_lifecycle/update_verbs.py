"""What approvals and operators ask about the flake inputs that all agents are made from."""

from typing import Final

from hivecommon.bus import Bus
from hivecommon.contracts.inputs import (
    EVERY_AGENT,
    ExecuteUpdate,
    FindInputs,
    InputsReply,
    RecordUpdate,
    Update,
)
from hivecommon.contracts.jobs import JobAccepted
from hivecommon.service import Call

from hive_lifecycle.flake_lock import pick
from hive_lifecycle.jobs import JobQueue
from hive_lifecycle.operations import Operations
from hive_lifecycle.orders import Order, Verb
from hive_lifecycle.service import Endpoints, accepted, approval_key

_RECORD_S: Final = 3.0


class UpdateVerbs:
    """Answers `svc.approvals.inputs|update` and `hive.update`."""

    def __init__(self, operations: Operations, jobs: JobQueue, bus: Bus) -> None:
        self._do = operations
        self._jobs = jobs
        self._bus = bus

    def endpoints(self) -> Endpoints:
        """Return the request classes and who answers them."""
        return {FindInputs: self.find, ExecuteUpdate: self.execute, Update: self.update}

    async def find(self, _call: Call, request: FindInputs) -> InputsReply:
        """Tell what is locked now."""
        return InputsReply(inputs=pick(await self._do.runtime.inputs(), request.inputs))

    async def execute(self, _call: Call, request: ExecuteUpdate) -> JobAccepted:
        """Carry an approved update out, once."""
        job = await self._jobs.submit(
            approval_key(request.approval), _order(request.approval, request.inputs),
            requested_by=request.requested_by, approval=request.approval,
        )  # fmt: skip
        return accepted(job)

    async def update(self, call: Call, request: Update) -> JobAccepted:
        """Have approvals record the operator's decision, and begin."""
        if stored := self._do.store.find_key(call.request_id):
            return accepted(stored.job)
        chosen = pick(await self._do.runtime.inputs(), request.inputs)
        record = RecordUpdate(inputs=chosen, reason=request.reason, operator=call.caller.name)
        reply = await self._bus.request(record, timeout_s=_RECORD_S, request_id=call.request_id)
        number = reply.approval.id
        job = await self._jobs.submit(
            approval_key(number), _order(number, [one.name for one in chosen]),
            requested_by=str(call.caller), approval=number,
        )  # fmt: skip
        self._jobs.remember(call.request_id, job)
        return accepted(job)


def _order(approval: int, inputs: list[str]) -> Order:
    return Order(verb=Verb.UPDATE, agent=EVERY_AGENT, approval=approval, inputs=sorted(inputs))
