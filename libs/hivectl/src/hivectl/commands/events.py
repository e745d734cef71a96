"""`hive events`: what happened, and what happens."""

from collections.abc import Sequence

import click
from hivecommon.contracts.base import fill
from hivecommon.contracts.streams import EVENTS
from hivecommon.names import parse_agent_name

from hivectl.cli import NameParam, hive_command
from hivectl.event_lines import HIVE, event_json, event_line
from hivectl.shell import Shell
from hivectl.tail import Entry, Start, follow, history
from hivectl.times import parse_since


def _source(text: str) -> str:
    return HIVE if text == HIVE else parse_agent_name(text)


@hive_command(
    "events",
    ("hive events -f", "everything, as it happens"),
    ("hive events -f alice bob", "what two agents do"),
    ("hive events hive --since 1d", "approvals, jobs, crashes of the last day"),
    ("hive events -f --kind tool_call --json", "tool calls, a JSON line each"),
)
@click.argument("sources", metavar="[AGENT|hive]...", type=NameParam("source", _source), nargs=-1)
@click.option("-f", "--follow", "live", is_flag=True, help="Go on with what comes.")
@click.option("--kind", "kinds", multiple=True, help="Only this kind; can be repeated.")
@click.option(
    "--since", help="History from here on: 10m, 2h, or a date. Default: 10m; with -f none."
)
async def events(
    shell: Shell, *, sources: tuple[str, ...], live: bool, kinds: tuple[str, ...], since: str | None
) -> None:
    """Show events of AGENTs, or of `hive` for those of the services; without any, of all."""
    subjects = event_subjects(sources, kinds)
    start = Start() if live and since is None else Start(parse_since(since or "10m", shell.now()))
    async with shell.bus() as bus:
        read = follow if live else history
        async for entry in read(bus, EVENTS.name, subjects, start):
            _show(shell, entry)


def _show(shell: Shell, entry: Entry) -> None:
    if shell.terminal.as_json:
        shell.terminal.json(event_json(entry))
    else:
        shell.terminal.line(event_line(entry))


def event_subjects(sources: Sequence[str], kinds: Sequence[str]) -> list[str]:
    """Return the subjects of these sources' events of these kinds; no two of them overlap."""
    if not kinds:
        wanted = [f"events.{source}.>" for source in dict.fromkeys(sources)]
        return wanted or ["events.>"]
    subjects: list[str] = []
    for kind in dict.fromkeys(kinds):
        fill("{kind}", kind=kind)  # refuses what would widen the subject
        for source in dict.fromkeys(sources) or ("*", HIVE):
            if source != HIVE:
                subjects.append(f"events.{source}.{kind}")
            else:
                subjects.append("events.hive.job.*" if kind == "job" else f"events.hive.*.{kind}")
    return subjects
