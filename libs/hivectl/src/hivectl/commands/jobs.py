"""`hive jobs`: long operations, running and past."""

import click
from hivecommon.contracts.jobs import GetJob, Job, JobAccepted, ListJobs
from hivecommon.errors import HiveError

from hivectl.cli import hive_command
from hivectl.following import follow
from hivectl.shell import Shell
from hivectl.times import age, date_and_time


@hive_command(
    "jobs",
    ("hive jobs", "the last 50"),
    ("hive jobs --active", "those that wait or run"),
    ("hive jobs 01j9…", "one, with its steps"),
    ("hive jobs 01j9… --wait", "follow it to its end"),
)
@click.argument("job", required=False)
@click.option("--active", is_flag=True, help="Only those that have not ended.")
@click.option("--agent", help="Only those on this agent.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@click.option("--wait", is_flag=True, help="Follow the one job to its end.")
async def jobs(
    shell: Shell, *, job: str | None, active: bool, agent: str | None, limit: int, wait: bool
) -> None:
    """List jobs, the newest first, or show one JOB."""
    if wait and job is None:
        raise HiveError("--wait needs a job", code="bad_argument", hint="`hive jobs --active`")
    async with shell.bus() as bus:
        if job is None:
            reply = await bus.request(ListJobs(active=active, agent=agent, limit=limit))
            if shell.terminal.as_json:
                shell.terminal.json(reply)
            else:
                _list(shell, reply.jobs)
            return
        one = await bus.request(GetJob(job=job))
        if wait:
            found = one.job
            await follow(
                shell,
                bus,
                JobAccepted(job=found.id, state=found.state, agent=found.agent, verb=found.verb),
            )
        elif shell.terminal.as_json:
            shell.terminal.json(one)
        else:
            _show(shell, one.job)


def _list(shell: Shell, found: list[Job]) -> None:
    now = shell.now()
    rows = [
        (job.id, job.verb, job.agent, job.state, age(job.created_at, now), job.requested_by,
         job.error.message if job.error else "")
        for job in found
    ]  # fmt: skip
    shell.terminal.table(("job", "verb", "agent", "state", "age", "by", "error"), rows)


def _show(shell: Shell, job: Job) -> None:
    terminal = shell.terminal
    terminal.line(f"{job.verb} {job.agent}: {job.state}, asked for by {job.requested_by}")
    for step in job.steps:
        terminal.line(f"  {date_and_time(step.at)}  {step.text}")
    if job.error is not None:
        terminal.line(f"  {job.error.code}: {job.error.message}")
        if job.error.hint:
            terminal.line(f"  hint: {job.error.hint}")
