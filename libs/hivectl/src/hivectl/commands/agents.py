"""`hive ls` and `hive status`: who there is, and how they are."""

from datetime import datetime

import click
from hivecommon.contracts.lifecycle import GetStatus, ListAgents
from hivecommon.contracts.roster import Activity, ContainerState, RosterRow
from hivecommon.names import AgentName

from hivectl.cli import AGENT, hive_command
from hivectl.overview import show_overview
from hivectl.shell import Shell
from hivectl.times import age, date_and_time


@hive_command(
    "ls",
    ("hive ls", "all agents and what they do"),
    ("hive ls --json | jq '.agents[].name'", "their names"),
)
async def ls(shell: Shell) -> None:
    """List all agents."""
    async with shell.bus() as bus:
        reply = await bus.request(ListAgents())
    if shell.terminal.as_json:
        shell.terminal.json(reply)
        return
    if reply.agents:
        now = shell.now()
        shell.terminal.table(
            ("agent", "state", "doing", "since", "unread", "port", "flags", "says"),
            [_row(agent, now) for agent in reply.agents],
        )
    else:
        shell.terminal.note("no agents yet: `hive spawn NAME` makes one")
    if reply.kept:
        shell.terminal.note(
            f"destroyed, login and notes kept: {', '.join(reply.kept)}"
            " (`hive spawn` revives, `hive destroy --purge` wipes)"
        )
    if reply.strangers:
        shell.terminal.note(
            f"containers without an agent: {', '.join(reply.strangers)}"
            " (`hive spawn` takes one over, `nixos-container destroy h-NAME` removes it)"
        )


def _row(agent: RosterRow, now: datetime) -> tuple[str, ...]:
    harness = agent.harness
    return (
        agent.name,
        agent.state,
        doing(agent),
        age(harness.since or agent.since, now),
        str(harness.unread),
        str(agent.port),
        ",".join(flags(agent)),
        harness.status_text or agent.note,
    )


def doing(agent: RosterRow) -> str:
    """Return what an agent does at the moment, in a word or two."""
    if agent.state is not ContainerState.RUNNING or agent.harness.activity is Activity.AWAY:
        return "-"
    tool = agent.harness.current_tool
    return f"{agent.harness.activity} ({tool})" if tool else str(agent.harness.activity)


def flags(agent: RosterRow) -> list[str]:
    """Return what is to be known of an agent besides its state."""
    harness = agent.harness
    marks = {
        "unsandboxed": not agent.sandboxed,
        "paused": harness.paused,
        "needs-login": harness.needs_login,
        "rate-limited": harness.rate_limited,
        "needs-update": agent.needs_update,
        f"{harness.parked}-parked": harness.parked > 0,
        harness.trouble.replace("_", "-"): bool(harness.trouble),
        f"{agent.restarts}-restarts": agent.restarts > 0,
    }
    return [flag for flag, holds in marks.items() if holds]


@hive_command(
    "status",
    ("hive status", "the services, and how many agents there are"),
    ("hive status alice", "all that is known of alice"),
)
@click.argument("agent", type=AGENT, required=False)
async def status(shell: Shell, agent: AgentName | None) -> None:
    """Show an AGENT, or without one the hive."""
    async with shell.bus() as bus:
        if agent is None:
            await show_overview(shell, bus)
            return
        reply = await bus.request(GetStatus(agent=agent))
    if shell.terminal.as_json:
        shell.terminal.json(reply)
        return
    for name, value in _details(reply.agent):
        if value:
            shell.terminal.line(f"{name + ':':<12} {value}")
    if (hint := _hint(reply.agent)) is not None:
        shell.terminal.note(hint)


def _hint(agent: RosterRow) -> str | None:
    """Return the command that helps an agent on, if one does."""
    if agent.harness.needs_login:
        return f"`hive login {agent.name}` logs it in; what waits goes on then"
    if agent.harness.trouble == "spend_cap":
        return f"`hive cap {agent.name} USD` raises its cap, `hive retry {agent.name}` lifts it for today"
    return None


def _details(agent: RosterRow) -> list[tuple[str, str]]:
    harness = agent.harness
    used = "" if harness.context_used is None else f"{harness.context_used:.0%}"
    return [
        ("agent", f"{agent.name} (manager)" if agent.manager else agent.name),
        ("state", f"{agent.state} since {date_and_time(agent.since)}"),
        ("wanted", agent.wanted),
        ("doing", doing(agent)),
        ("says", harness.status_text),
        ("flags", ", ".join(flags(agent))),
        ("note", agent.note),
        ("trouble", harness.trouble_text),
        ("goes on at", date_and_time(harness.retry_at) if harness.retry_at else ""),
        ("unread", str(harness.unread)),
        ("parked", f"{harness.parked} (see `hive inbox {agent.name}`)" if harness.parked else ""),
        ("turns", str(harness.turn)),
        (
            "model",
            f"{harness.model} ({harness.effort} effort)" if harness.effort else harness.model,
        ),
        ("context", used),
        ("cost today", f"${harness.cost_today_usd:.2f}" if harness.cost_today_usd else ""),
        ("session", harness.session_id),
        ("runtime", agent.runtime),
        ("pid", str(agent.pid) if agent.pid else ""),
        ("port", str(agent.port)),
        ("deployed", agent.deployed),
    ]
