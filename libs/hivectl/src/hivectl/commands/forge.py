"""`hive forge`: the agents' accounts on the forge, and what is open there."""

import click
from hivecommon.contracts.forge import (
    ForgeAccount,
    ForgeItem,
    ForgeStatus,
    GetForgeWork,
    RotateForgeToken,
)
from hivecommon.errors import Unavailable
from hivecommon.names import AgentName

from hivectl.cli import AGENT, hive_command, json_option
from hivectl.forge import SERVICE, Forge, look_at_forge
from hivectl.shell import Shell
from hivectl.times import age

ROTATE_S = 30.0
"""Half a dozen requests to the forge."""


@click.group("forge")
def forge() -> None:
    """Look at the forge: accounts, tokens, open work. Agents use `hive-forge`."""


forge.params.append(json_option())


@hive_command("status", ("hive forge status", "the forge's state and every agent's account"))
async def status(shell: Shell) -> None:
    """Show the forge and the agents' accounts."""
    async with shell.bus() as bus:
        found = await look_at_forge(bus, shell.environment)
    reply = _status(found)
    if shell.terminal.as_json:
        shell.terminal.json(reply)
        return
    shell.terminal.line(f"forge: {found.words()}")
    if reply.accounts:
        shell.terminal.table(
            ("agent", "account", "token", "since", "delivered", "mirror", "says"),
            _rows(shell, reply),
        )


def _status(found: Forge) -> ForgeStatus:
    """Return what forge-gw says; raise `unavailable` when it does not run."""
    if found.status is None:
        raise Unavailable(
            f"no forge: {SERVICE} does not run",
            hint=found.cure()
            or "set HIVE_FORGE_URL and HIVE_FORGE_TOKEN_FILE where `hive up` runs",
        )
    return found.status


def _rows(shell: Shell, status: ForgeStatus) -> list[tuple[str, ...]]:
    def row(account: ForgeAccount) -> tuple[str, ...]:
        since = age(account.token_since, shell.now()) if account.token_since else ""
        token = f"…{account.token_last_eight}" if account.token_last_eight else ""
        delivered = str(account.delivered)
        return (
            account.agent, account.state, token, since, delivered, account.mirror, account.detail,
        )  # fmt: skip

    return [row(account) for account in status.accounts]


@hive_command("work", ("hive forge work alice", "her open issues and pull requests"))
@click.argument("agent", type=AGENT)
async def work(shell: Shell, agent: AgentName) -> None:
    """List what AGENT has open on the forge: written by it, assigned to it, or to be reviewed."""
    async with shell.bus() as bus:
        _status(await look_at_forge(bus, shell.environment))
        reply = await bus.request(GetForgeWork(agent=agent))
    if shell.terminal.as_json:
        shell.terminal.json(reply)
        return
    shell.terminal.note(f"open: {reply.issues} issues, {reply.pulls} pull requests")
    if reply.items:
        shell.terminal.table(("what", "kind", "its", "title", "where"), map(_item, reply.items))


def _item(item: ForgeItem) -> tuple[str, ...]:
    kind = "pull request" if item.pull else "issue"
    return f"{item.repo}#{item.number}", kind, item.role, item.title, item.url


@hive_command("rotate", ("hive forge rotate alice", "a new token; the old one opens nothing"))
@click.argument("agent", type=AGENT)
async def rotate(shell: Shell, agent: AgentName) -> None:
    """Give AGENT a new token and delete its old one."""
    async with shell.bus() as bus:
        _status(await look_at_forge(bus, shell.environment))
        reply = await bus.request(RotateForgeToken(agent=agent), timeout_s=ROTATE_S)
    if shell.terminal.as_json:
        shell.terminal.json(reply)
    else:
        shell.terminal.line(f"{agent} has a new token, …{reply.account.token_last_eight}")


for command in (status, work, rotate):
    forge.add_command(command)
