"""What this service asks of lifecycle, which may be away at any moment."""

from collections.abc import Collection
from typing import Final

from hivecommon.bus import Bus
from hivecommon.contracts.approvals import ApprovalLog, FlakeInput
from hivecommon.contracts.base import Request
from hivecommon.contracts.changes import (
    Base,
    ChangesReply,
    CompareCommit,
    DigestCommit,
    Digests,
    JobLog,
    MarkCommit,
    PinCommit,
    Pinned,
)
from hivecommon.contracts.inputs import FindInputs
from hivecommon.contracts.jobs import Job, JobAccepted, JobId
from hivecommon.contracts.lifecycle import ApprovalJob, CheckName, FindStateDirs, MayWrite
from hivecommon.errors import Unavailable

# A caller waits for these, at worst for two of them, and is to have an answer within a second.
_SHORT_S: Final = 0.4
# Every answer comes within a second, a restart takes less than another.
_EXECUTE_S: Final = 2.0
# lifecycle gives git 20 s to take a commit over.
_PIN_S: Final = 25.0
# Nix parses each file that is its own.
_CHECK_S: Final = 5.0
_COMPARE_S: Final = 5.0


class Lifecycle:
    """lifecycle, as seen from here."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def check_spawn(self, agent: str, files: dict[str, str]) -> None:
        """Raise what a spawn of `agent` would be refused with; nothing while lifecycle is away.

        A wish must not be lost over a restart; the spawn itself is checked again.
        """
        try:
            await self._bus.request(
                CheckName(agent=agent, files=files), timeout_s=_CHECK_S if files else _SHORT_S
            )
        except Unavailable:
            return

    async def state_dirs(self, agents: Collection[str]) -> frozenset[str]:
        """Return which of `agents` have a state directory; raise `Unavailable`."""
        asked = FindStateDirs(agents=sorted(set(agents)))
        answer = await self._bus.request(asked, timeout_s=_SHORT_S)
        return frozenset(answer.present)

    async def may_write(self, agent: str, to: str) -> None:
        """Raise `forbidden` or `unknown_agent` unless `agent` may write to `to`; or `Unavailable`."""
        await self._bus.request(MayWrite(agent=agent, to=to), timeout_s=_SHORT_S)

    async def pin(self, agent: str, commit: str) -> Pinned:
        """Have a commit taken over; raise why it cannot be, or `Unavailable`."""
        return await self._bus.request(PinCommit(agent=agent, commit=commit), timeout_s=_PIN_S)

    async def mark(self, mark: MarkCommit) -> None:
        """Have a commit tagged; repeating it changes nothing."""
        await self._bus.request(mark, timeout_s=_COMPARE_S)

    async def compare(
        self, agent: str, approval: int, commit: str, base: Base, path: str | None
    ) -> ChangesReply:
        """Return how a commit differs from a base."""
        asked = CompareCommit(agent=agent, approval=approval, commit=commit, base=base, path=path)
        return await self._bus.request(asked, timeout_s=_COMPARE_S)

    async def digests(self, agent: str, approval: int, commit: str) -> Digests:
        """Return what an approval of a commit may be bound to at this moment."""
        asked = DigestCommit(agent=agent, approval=approval, commit=commit)
        return await self._bus.request(asked, timeout_s=_COMPARE_S)

    async def inputs(self, wanted: list[str]) -> list[FlakeInput]:
        """Return how inputs of the agents' flake are locked; raise `no_inputs`, `unknown_input`."""
        return (await self._bus.request(FindInputs(inputs=wanted), timeout_s=_SHORT_S)).inputs

    async def log(self, approval: int) -> ApprovalLog:
        """Return what an approval led to; raise `unknown_job` when nothing was begun."""
        return await self._bus.request(JobLog(approval=approval), timeout_s=_EXECUTE_S)

    async def execute(self, command: Request[JobAccepted]) -> JobId:
        """Have `command` carried out; return the job, an earlier one if it was asked before."""
        return (await self._bus.request(command, timeout_s=_EXECUTE_S)).job

    async def job(self, approval: int) -> Job:
        """Return the job of an approval; raise `unknown_job` when there is none."""
        answer = await self._bus.request(ApprovalJob(approval=approval), timeout_s=_EXECUTE_S)
        return answer.job
