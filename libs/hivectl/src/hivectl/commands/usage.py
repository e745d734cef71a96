"""`hive usage` and `hive cap`: what agents' turns took, and what a day may cost."""

from collections.abc import Sequence
from typing import Final

import click
from hivecommon.contracts.lifecycle import Cap, ListAgents, SetCap
from hivecommon.contracts.roster import ContainerState
from hivecommon.contracts.usage import DayUsage, ReadUsage, UsageReply
from hivecommon.errors import HiveError, Unavailable
from hivecommon.names import AgentName

from hivectl.cli import AGENT, hive_command
from hivectl.harnesses import ask_harness
from hivectl.requests import build
from hivectl.shell import Shell

_COLUMNS: Final = ("agent", "day", "turns", "cost", "time", "input", "output", "cached", "tools")


@hive_command(
    "usage",
    ("hive usage", "what all running agents took in the last week"),
    ("hive usage alice --days 30", "alice's last thirty days"),
    ("hive usage --json | jq '.agents.alice.days[0].cost_usd'", "for a script"),
)
@click.argument("agents", type=AGENT, nargs=-1)
@click.option(
    "--days", type=click.IntRange(1, 366), default=7, show_default=True,
    help="How many days to look back; days are those of UTC.",
)  # fmt: skip
@click.option(
    "--turns", type=click.IntRange(0, 200), default=0, help="Also each agent's last so many turns."
)
async def usage(shell: Shell, *, agents: tuple[AgentName, ...], days: int, turns: int) -> None:
    """Sum up what the turns of AGENTS (all that run, when none is named) took, by day.

    Each agent keeps its own account, so one that is stopped cannot be asked: start it first.
    """
    async with shell.bus() as bus:
        asked = list(dict.fromkeys(agents))
        stopped: list[str] = []
        if not asked:
            rows = (await bus.request(ListAgents())).agents
            runs = {row.name: row.state is ContainerState.RUNNING for row in rows}
            asked = [AgentName(name) for name, up in runs.items() if up]
            stopped = [name for name, up in runs.items() if not up]
        found: dict[str, UsageReply] = {}
        failure: HiveError | None = None
        for agent in asked:
            try:
                found[agent] = await ask_harness(bus, agent, ReadUsage(days=days, turns=turns))
            except Unavailable as error:
                failure = error
                stopped.append(agent)
    if shell.terminal.as_json:
        shell.terminal.json({"ok": not stopped, "agents": found, "not_asked": stopped})
    else:
        _show(shell, found, turns=turns)
        if stopped:
            shell.terminal.note(f"not running, so not asked: {', '.join(stopped)}")
    if failure is not None and agents:
        raise failure


def _show(shell: Shell, found: dict[str, UsageReply], *, turns: int) -> None:
    rows = [_day_row(agent, day) for agent, reply in found.items() for day in reply.days]
    if not rows:
        shell.terminal.note("no turn in these days")
        return
    if len(rows) > 1:
        rows.append(_sum_row([day for reply in found.values() for day in reply.days]))
    shell.terminal.table(_COLUMNS, rows)
    for agent, reply in found.items():
        if reply.cap_usd is not None:
            shell.terminal.note(f"{agent} may cost ${reply.cap_usd:.2f} a day")
    if turns:
        shell.terminal.table(
            ("agent", "turn", "ended", "from", "outcome", "cost", "time", "tokens", "tools"),
            [
                (
                    agent, str(turn.turn), f"{turn.at:%Y-%m-%d %H:%M}", turn.sender, turn.outcome,
                    f"${turn.cost_usd:.4f}", _span(turn.duration_s),
                    str(turn.input_tokens + turn.output_tokens), _tools(turn.tools),
                )
                for agent, reply in found.items()
                for turn in reply.turns
            ],
        )  # fmt: skip


def _day_row(agent: str, day: DayUsage) -> tuple[str, ...]:
    return (agent, day.day.isoformat(), *_amounts([day]), _tools(day.tools))


def _sum_row(days: Sequence[DayUsage]) -> tuple[str, ...]:
    return ("all", "", *_amounts(days), "")


def _amounts(days: Sequence[DayUsage]) -> tuple[str, ...]:
    return (
        str(sum(day.turns for day in days)),
        f"${sum(day.cost_usd for day in days):.2f}",
        _span(sum(day.duration_s for day in days)),
        str(sum(day.input_tokens + day.cache_write_tokens for day in days)),
        str(sum(day.output_tokens for day in days)),
        str(sum(day.cache_read_tokens for day in days)),
    )


def _span(seconds: float) -> str:
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def _tools(tools: dict[str, int]) -> str:
    most = sorted(tools.items(), key=lambda item: (-item[1], item[0]))
    shown = ", ".join(f"{name} {count}" for name, count in most[:4])
    return f"{shown}, …" if len(most) > 4 else shown  # noqa: PLR2004 - what fits


@hive_command(
    "cap",
    ("hive cap alice 5.0", "alice's turns may cost 5 US dollars a day, from now on"),
    ("hive cap alice off", "no cap, whatever her agent.toml says"),
    ("hive cap alice config", "what her agent.toml says"),
)
@click.argument("agent", type=AGENT)
@click.argument("cap", metavar="USD|off|config")
async def cap(shell: Shell, agent: AgentName, cap: str) -> None:
    """Bound what AGENT's turns may cost in a day (UTC); it goes before `[spend]` in agent.toml.

    An agent that reaches its cap waits until midnight UTC, until the cap is raised, or until
    `hive retry` lifts it for the day.
    """
    request = build(SetCap, agent=agent, cap=_cap(cap))
    async with shell.bus() as bus:
        done = await bus.request(request)
    if shell.terminal.as_json:
        shell.terminal.json(done)
    elif not done.changed:
        shell.terminal.line(f"{agent}'s cap was {cap} already")
    else:
        words = {"off": "has no cap", "config": "has the cap of its agent.toml"}
        shell.terminal.line(f"{agent} {words.get(cap, f'may cost ${cap} a day')}")


def _cap(text: str) -> Cap | str:
    try:
        return float(text)
    except ValueError:
        return text
