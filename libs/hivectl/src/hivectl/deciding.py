"""Following an approved change until it is carried out."""

import asyncio
from contextlib import suppress
from typing import Final

import msgspec
from hivecommon.bus import Bus
from hivecommon.contracts.approvals import Approval, ApprovalState, GetApproval
from hivecommon.contracts.events import ApprovalChanged, HiveEvent
from hivecommon.contracts.jobs import JobId, JobStep
from hivecommon.errors import HiveError, Unavailable
from nats.aio.msg import Msg

from hivectl.following import JobFollower
from hivectl.shell import Shell

POLL_S: Final = 1.0
_OPEN: Final = (ApprovalState.PENDING, ApprovalState.APPROVED, ApprovalState.EXECUTING)


async def follow_approval(shell: Shell, bus: Bus, approval: Approval) -> None:
    """Wait until an approved change is done; raise `job_failed` with the note when it failed."""
    ended = await _to_its_end(shell, bus, approval)
    if shell.terminal.as_json:
        shell.terminal.json({"ok": ended.state is ApprovalState.DONE, "approval": ended})
    what = f"approval {ended.id}: {ended.kind} {ended.agent}"
    if ended.state is not ApprovalState.DONE:
        raise HiveError(
            f"{what}: {ended.state}: {ended.note or 'no reason was given'}",
            code="job_failed",
            hint=f"`hive approval {ended.id}` shows the log" if ended.job else "",
        )
    if not shell.terminal.as_json:
        shell.terminal.line(f"{what}: done", style="green")


async def _tell_steps(shell: Shell, bus: Bus, job: JobId) -> None:
    """Tell what is done step by step, until lifecycle has done it; the approval follows."""

    def told(step: JobStep) -> None:
        shell.terminal.note(f"    {step.text}")

    def away() -> None:
        shell.terminal.note("  lifecycle does not answer; its jobs are kept, so this waits for it")

    with suppress(HiveError):  # whatever became of it is asked of approvals
        await JobFollower(bus, job, told).to_its_end(away=away)


async def _to_its_end(shell: Shell, bus: Bus, approval: Approval) -> Approval:
    wake = asyncio.Event()

    async def heard(msg: Msg) -> None:
        event = msgspec.json.decode(msg.data, type=HiveEvent)
        if isinstance(event.body, ApprovalChanged) and event.body.approval.id == approval.id:
            wake.set()

    told, followed = approval.state, False
    shell.terminal.note(f"  {told}")
    events = await bus.subscribe(HiveEvent.filter_for("approvals"), heard)
    try:
        while approval.state in _OPEN:
            try:
                async with asyncio.timeout(POLL_S):
                    await wake.wait()
            except TimeoutError:
                pass  # ask anyway: an event may have been lost in an outage
            wake.clear()
            try:
                approval = (await bus.request(GetApproval(id=approval.id), timeout_s=10)).approval
            except Unavailable:
                shell.terminal.note("  approvals does not answer; what was approved is kept")
            if approval.state is not told:
                told = approval.state
                shell.terminal.note(f"  {told}")
            if approval.job is not None and not followed:
                followed = True
                await _tell_steps(shell, bus, approval.job)
    finally:
        await events.unsubscribe()
    return approval
