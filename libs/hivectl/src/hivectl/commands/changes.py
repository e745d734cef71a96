"""`hive rename|destroy`: changes to who there is."""

import sys

import click
from hivecommon.contracts.lifecycle import Destroy, Rename
from hivecommon.errors import HiveError
from hivecommon.names import AgentName

from hivectl.cli import AGENT, hive_command
from hivectl.escaping import one_line
from hivectl.following import announce, follow
from hivectl.shell import Shell


@hive_command("rename", ("hive rename victor vic", "another name, and with it another port"))
@click.argument("agent", type=AGENT)
@click.argument("to", type=AGENT)
@click.option("--no-wait", is_flag=True, help="Return as soon as the job is accepted.")
async def rename(shell: Shell, agent: AgentName, to: AgentName, no_wait: bool) -> None:  # noqa: FBT001 - click passes options by name
    """Call AGENT by the name TO; login, notes, history and unread messages stay its own."""
    async with shell.bus() as bus:
        accepted = await bus.request(Rename(agent=agent, to=to))
        if no_wait:
            announce(shell, accepted)
        else:
            await follow(shell, bus, accepted)


@hive_command(
    "destroy",
    ("hive destroy alice", "asks first; login and notes are kept, `hive spawn alice` revives"),
    ("hive destroy alice --purge --yes", "gone for good, without a question"),
)
@click.argument("agent", type=AGENT)
@click.option("--purge", is_flag=True, help="Remove login, notes and history, too.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--no-wait", is_flag=True, help="Return as soon as the job is accepted.")
async def destroy(shell: Shell, agent: AgentName, purge: bool, yes: bool, no_wait: bool) -> None:  # noqa: FBT001 - as above
    """Remove AGENT; its login and notes are kept unless --purge."""
    if not yes:
        _confirm(agent, "and all its notes, login and history" if purge else "(its notes are kept)")
    async with shell.bus() as bus:
        accepted = await bus.request(Destroy(agent=agent, purge=purge))
        if no_wait:
            announce(shell, accepted)
        else:
            await follow(shell, bus, accepted)


def _confirm(agent: AgentName, extent: str) -> None:
    if not sys.stdin.isatty():
        raise HiveError(
            f"destroying {agent} needs a confirmation, and nobody is at the keyboard",
            code="not_confirmed",
            hint=f"add --yes: `hive destroy {agent} --yes`",
        )
    typed: str = click.prompt(
        f"This destroys {agent} {extent}. Type its name to go on", default="", show_default=False,
        err=True,
    )  # fmt: skip
    if typed.strip() != agent:
        raise HiveError(
            f"{one_line(typed)!r} is not {agent!r}: nothing was destroyed", code="not_confirmed"
        )
