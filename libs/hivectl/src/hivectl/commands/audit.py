"""`hive audit`: who did what, when, on what, with which result."""

from datetime import datetime

import click
import msgspec
from hivecommon.contracts.audit import ListAudit

from hivectl.cli import hive_command
from hivectl.requests import build
from hivectl.shell import Shell
from hivectl.times import date_and_time

_PAGE = 1000


@hive_command(
    "audit",
    ("hive audit --who operator:", "what operators did"),
    ("hive audit --target agent:alice", "what happened to alice"),
    ("hive audit --export > audit.jsonl", "all of it, as JSON lines, the newest first"),
)
@click.option("--who", help="E.g. operator:anna; a trailing ':' or '*' takes every beginning.")
@click.option("--what", help="E.g. approve, spawned, destroy.")
@click.option("--target", help="E.g. approval:7, agent:alice.")
@click.option("--result", help="The new state, done, or the code of a refusal.")
@click.option("--since", type=click.DateTime())
@click.option("--until", type=click.DateTime())
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True)
@click.option("--export", is_flag=True, help="Every entry, one JSON object a line.")
async def audit(  # noqa: PLR0913 - one for each option
    shell: Shell, *, who: str | None, what: str | None, target: str | None, result: str | None,
    since: datetime | None, until: datetime | None, limit: int, export: bool,
) -> None:  # fmt: skip
    """Search the audit."""
    request = build(
        ListAudit, who=who, what=what, target=target, result=result,
        since=since.astimezone() if since else None, until=until.astimezone() if until else None,
        limit=_PAGE if export else limit,
    )  # fmt: skip
    async with shell.bus() as bus:
        reply = await bus.request(request)
        while export:
            for entry in reply.entries:
                shell.terminal.line(msgspec.json.encode(entry).decode())
            if not reply.more:
                return
            following = msgspec.structs.replace(request, before=reply.entries[-1].id)
            reply = await bus.request(following)
    if shell.terminal.as_json:
        shell.terminal.json(reply)
        return
    rows = [
        (date_and_time(one.at), one.who, one.what, one.target, one.result, one.detail)
        for one in reply.entries
    ]
    shell.terminal.table(("when", "who", "what", "on", "result", "detail"), rows)
    if reply.more:
        shell.terminal.note("there are more: see --limit, or --export")
