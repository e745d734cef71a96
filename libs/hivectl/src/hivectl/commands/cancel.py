"""`hive cancel`: take back what has not begun."""

import click
from hivecommon.contracts.approvals import CancelApproval
from hivecommon.contracts.jobs import CancelJob

from hivectl.cli import hive_command
from hivectl.shell import Shell


@hive_command(
    "cancel",
    ("hive cancel 7", "take pending approval 7 back"),
    ("hive cancel 01j9…", "cancel a job that has not started"),
)
@click.argument("what", metavar="APPROVAL|JOB")
async def cancel(shell: Shell, what: str) -> None:
    """Cancel a pending APPROVAL (a number) or a waiting JOB (any other id)."""
    async with shell.bus() as bus:
        if what.isdecimal():
            approval = await bus.request(CancelApproval(id=int(what)))
            if shell.terminal.as_json:
                shell.terminal.json(approval)
            else:
                shell.terminal.line(f"approval {what}: {approval.approval.state}")
            return
        job = await bus.request(CancelJob(job=what))
    if shell.terminal.as_json:
        shell.terminal.json(job)
    else:
        shell.terminal.line(f"job {what}: {job.job.state}")
