"""`hive schedule`: prompts at set times."""

from datetime import UTC
from pathlib import Path

import click
from hivecommon.contracts.base import Request
from hivecommon.contracts.schedules import (
    CreateSchedule,
    DeleteSchedule,
    EditSchedule,
    FireSchedule,
    ListSchedules,
    PauseSchedule,
    ResumeSchedule,
    Schedule,
    ScheduleReply,
    Timing,
)
from hivecommon.names import AgentName

from hivectl.cli import AGENT, NUMBER, hive_command, json_option
from hivectl.requests import build
from hivectl.shell import Shell


@click.group("schedule")
def schedule() -> None:
    """Send agents prompts at set times: list, add, edit, pause, resume, fire, delete."""


schedule.params.append(json_option())


def _timing(cron: str | None, once: str | None, zone: str) -> Timing:
    return build(Timing, cron=cron, once=once, zone=zone or _own_zone())


def _own_zone() -> str:
    """Return the zone of whoever types: theirs is meant, not that of the hive's host."""
    try:
        return str(Path("/etc/localtime").resolve(strict=True)).partition("/zoneinfo/")[2]
    except OSError:
        return ""


def _when(one: Schedule) -> str:
    return one.next_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC") if one.next_at else "-"


def _tell(shell: Shell, reply: ScheduleReply) -> None:
    one = reply.schedule
    if shell.terminal.as_json:
        shell.terminal.json(reply)
    else:
        shell.terminal.line(f"schedule {one.id} for {one.agent}: {one.state}, next {_when(one)}")


@hive_command("list", ("hive schedule list", "all of them, the next one first"))
@click.argument("agent", type=AGENT, required=False)
async def list_schedules(shell: Shell, agent: AgentName | None) -> None:
    """List schedules."""
    async with shell.bus() as bus:
        reply = await bus.request(ListSchedules(agent=agent))
    if shell.terminal.as_json:
        shell.terminal.json(reply)
        return
    rows = [
        (str(one.id), one.agent, one.state, one.cron or one.once or "", one.zone, _when(one),
         str(one.fired), one.prompt)
        for one in reply.schedules
    ]  # fmt: skip
    shell.terminal.table(("id", "agent", "state", "when", "zone", "next", "sent", "prompt"), rows)


@hive_command(
    "add",
    ("hive schedule add alice 'Report.' --cron '0 9 * * 1-5'", "each working day at nine"),
    ("hive schedule add alice 'Stop.' --once 2026-12-24T18:00", "once"),
)
@click.argument("agent", type=AGENT)
@click.argument("prompt")
@click.option("--cron", help="Minute, hour, day, month, weekday: crontab(5).")
@click.option("--once", help="A local time like 2026-12-24T18:00.")
@click.option("--zone", default="", help="An IANA time zone; without it, that of this machine.")
async def add(
    shell: Shell, agent: AgentName, prompt: str, *, cron: str | None, once: str | None, zone: str
) -> None:
    """Send AGENT the PROMPT at set times."""
    request = build(CreateSchedule, agent=agent, prompt=prompt, timing=_timing(cron, once, zone))
    async with shell.bus() as bus:
        _tell(shell, await bus.request(request))


@hive_command("edit", ("hive schedule edit 3 --cron '0 8 * * *'", "an hour earlier"))
@click.argument("number", metavar="ID", type=NUMBER)
@click.option("--prompt")
@click.option("--cron")
@click.option("--once")
@click.option("--zone", default="")
async def edit(
    shell: Shell, number: int, *, prompt: str | None, cron: str | None, once: str | None, zone: str
) -> None:
    """Change schedule ID; what is left out stays."""
    timing = _timing(cron, once, zone) if cron or once else None
    async with shell.bus() as bus:
        _tell(
            shell, await bus.request(build(EditSchedule, id=number, prompt=prompt, timing=timing))
        )


async def _act(shell: Shell, request: Request[ScheduleReply]) -> None:
    async with shell.bus() as bus:
        _tell(shell, await bus.request(request))


@hive_command("pause", ("hive schedule pause 3", "nothing is sent until it is resumed"))
@click.argument("number", metavar="ID", type=NUMBER)
async def pause(shell: Shell, number: int) -> None:
    """Let schedule ID rest."""
    await _act(shell, PauseSchedule(id=number))


@hive_command("resume", ("hive schedule resume 3", "it goes on from now"))
@click.argument("number", metavar="ID", type=NUMBER)
async def resume(shell: Shell, number: int) -> None:
    """Let schedule ID go on."""
    await _act(shell, ResumeSchedule(id=number))


@hive_command("fire", ("hive schedule fire 3", "besides its times"))
@click.argument("number", metavar="ID", type=NUMBER)
async def fire(shell: Shell, number: int) -> None:
    """Send the prompt of schedule ID now."""
    await _act(shell, FireSchedule(id=number))


@hive_command("delete", ("hive schedule delete 3", "it stays on record"))
@click.argument("number", metavar="ID", type=NUMBER)
async def delete(shell: Shell, number: int) -> None:
    """Remove schedule ID."""
    await _act(shell, DeleteSchedule(id=number))


for command in (list_schedules, add, edit, pause, resume, fire, delete):
    schedule.add_command(command)
