"""`hive diff|history|rollback|update`: what changes agents' systems, and what once did."""

import click
from hivecommon.contracts.changes import Base, DiffApproval, ListHistory, Rollback
from hivecommon.contracts.inputs import Update
from hivecommon.names import AgentName

from hivectl.changes import DIFF_S, show_changes
from hivectl.cli import AGENT, NUMBER, hive_command
from hivectl.following import announce, follow
from hivectl.shell import Shell
from hivectl.times import date_and_time


@hive_command(
    "diff",
    ("hive diff 7", "what approval 7 would change of what runs"),
    ("hive diff 7 --base previous", "what is new since the last request"),
)
@click.argument("number", metavar="ID", type=NUMBER)
@click.option(
    "--base", type=click.Choice([base.value for base in Base]), default=Base.RUNNING.value
)
@click.option("--path", help="Only this file.")
async def diff(shell: Shell, number: int, *, base: str, path: str | None) -> None:
    """Show what approval ID would change."""
    async with shell.bus() as bus:
        request = DiffApproval(id=number, base=Base(base), path=path)
        changes = await bus.request(request, timeout_s=DIFF_S)
    if shell.terminal.as_json:
        shell.terminal.json(changes)
    else:
        show_changes(shell, changes)


@hive_command("history", ("hive history alice", "what was asked for and deployed"))
@click.argument("agent", type=AGENT)
async def history(shell: Shell, agent: AgentName) -> None:
    """List the changes of AGENT, the newest first."""
    async with shell.bus() as bus:
        reply = await bus.request(ListHistory(agent=agent), timeout_s=DIFF_S)
    if shell.terminal.as_json:
        shell.terminal.json(reply)
        return
    rows = [
        (str(one.approval), one.commit[:10], ",".join(one.stages), "runs" if one.running else "",
         date_and_time(one.at), one.subject)
        for one in reply.revisions
    ]  # fmt: skip
    shell.terminal.table(("approval", "commit", "stages", "", "committed", "subject"), rows)


@hive_command("rollback", ("hive rollback alice --to 7", "run again what approval 7 deployed"))
@click.argument("agent", type=AGENT)
@click.option("--to", type=click.IntRange(0, 2**53), required=True,
              help="The approval that deployed it; 0 is what the agent was spawned with.")  # fmt: skip
@click.option("--reason", default="", help="Why; it is kept on record.")
@click.option("--no-wait", is_flag=True, help="Return as soon as the job is accepted.")
async def rollback(shell: Shell, agent: AgentName, *, to: int, reason: str, no_wait: bool) -> None:
    """Let AGENT run again what it once ran."""
    async with shell.bus() as bus:
        job = await bus.request(Rollback(agent=agent, to=to, reason=reason), timeout_s=DIFF_S)
        if no_wait:
            announce(shell, job)
        else:
            await follow(shell, bus, job)


@hive_command(
    "update",
    ("hive update", "newer versions of all that agents' systems are made from"),
    ("hive update nixpkgs", "of nixpkgs alone"),
)
@click.argument("inputs", nargs=-1, metavar="[INPUT]...")
@click.option("--reason", default="", help="Why; it is kept on record.")
@click.option("--no-wait", is_flag=True, help="Return as soon as the job is accepted.")
async def update(shell: Shell, inputs: tuple[str, ...], *, reason: str, no_wait: bool) -> None:
    """Lock newer flake INPUTs, once every agent can be built with them, and rebuild all agents."""
    async with shell.bus() as bus:
        job = await bus.request(Update(inputs=list(inputs), reason=reason), timeout_s=DIFF_S)
        if no_wait:
            announce(shell, job)
        else:
            await follow(shell, bus, job)
