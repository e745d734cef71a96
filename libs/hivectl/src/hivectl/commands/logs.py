"""`hive logs`: what the services and agents log, from the bus."""

import re
from collections.abc import Sequence

import click
from hivecommon.contracts.logs import Level, LogLine
from hivecommon.contracts.streams import LOGS
from hivecommon.errors import HiveError

from hivectl.cli import NameParam, hive_command
from hivectl.log_lines import STYLES, LogRecord, parse_level, read_record
from hivectl.shell import Shell
from hivectl.tail import Entry, Start, follow, history
from hivectl.times import parse_since


def _source(text: str) -> str:
    """Return the name of an agent or a service, unless it could widen a subject."""
    LogLine.subject_for(source=text, level="info")
    return text


@hive_command(
    "logs",
    ("hive logs", "the last ten minutes"),
    ("hive logs -f alice lifecycle", "two sources, and what comes"),
    ("hive logs --since 1d --level warning", "what went wrong since yesterday"),
    ("hive logs -f --grep 'spawn|destroy' --json", "matching lines, as they were written"),
)
@click.argument("sources", metavar="[SOURCE]...", type=NameParam("source", _source), nargs=-1)
@click.option("-f", "--follow", "live", is_flag=True, help="Go on with what comes.")
@click.option("--since", default="10m", show_default=True, help="30s, 10m, 2h, 7d, or a date.")
@click.option(
    "--level", type=click.Choice([level.value for level in Level]), default="debug",
    show_default=True, help="This level and the worse ones.",
)  # fmt: skip
@click.option("--grep", metavar="REGEX", help="Only lines that match.")
async def logs(
    shell: Shell, *, sources: tuple[str, ...], live: bool, since: str, level: str, grep: str | None
) -> None:
    """Show log lines of SOURCEs (agents, services), or of all: history first, then live."""
    pattern = _pattern(grep)
    subjects = log_subjects(sources, Level(level))
    start = Start(parse_since(since, shell.now()))
    shown = 0
    async with shell.bus() as bus:
        read = follow if live else history
        async for entry in read(bus, LOGS.name, subjects, start):
            if _show(shell, entry, pattern):
                shown += 1
    if not shown:
        shell.terminal.note(f"no such line since {since}: see --since and --level")


def _pattern(grep: str | None) -> re.Pattern[str] | None:
    try:
        return None if grep is None else re.compile(grep)
    except re.error as error:
        raise HiveError(
            f"--grep {grep!r} is no regular expression: {error}", code="bad_argument",
            hint="put a backslash before a character that is meant as itself",
        ) from error  # fmt: skip


def _show(shell: Shell, entry: Entry, pattern: re.Pattern[str] | None) -> bool:
    record = _record(entry)
    text = record.text()
    if pattern is not None and not pattern.search(text):
        return False
    if shell.terminal.as_json:
        shell.terminal.json(record.as_json())
    else:
        shell.terminal.line(text, style=STYLES.get(record.level))
    return True


def _record(entry: Entry) -> LogRecord:
    _, source, level = entry.subject.split(".", 2)
    return read_record(entry.data, source=source, level=parse_level(level), at=entry.at)


def log_subjects(sources: Sequence[str], least: Level) -> list[str]:
    """Return the subjects of these sources' lines from level `least` on; no two of them overlap."""
    names = list(dict.fromkeys(sources)) or ["*"]
    if least is Level.DEBUG:
        return [f"log.{name}.>" for name in names]
    levels = [level for level in Level if level.rank >= least.rank]
    return [f"log.{name}.{level}" for name in names for level in levels]
