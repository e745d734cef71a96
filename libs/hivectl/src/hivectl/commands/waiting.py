"""What waits for an agent, and `hive resend`: another try for a message that could not be handled."""

import click
from hivecommon.bus import Bus
from hivecommon.contracts.harness import OpenItemsReply, ReadOpenItems, ResendParked
from hivecommon.names import AgentName

from hivectl.cli import AGENT, hive_command
from hivectl.harnesses import ask_harness, report
from hivectl.requests import build
from hivectl.shell import Shell
from hivectl.times import date_and_time


async def show_waiting(shell: Shell, bus: Bus, agent: AgentName) -> None:
    """Print what an agent has before it: messages, questions, reminders, requests."""
    items = await ask_harness(bus, agent, ReadOpenItems())
    if shell.terminal.as_json:
        shell.terminal.json(items)
        return
    for line in _messages(items):
        shell.terminal.line(line)
    for line in _others(items):
        shell.terminal.line(line)
    if items.parked:
        shell.terminal.note(f"`hive resend {agent} NUMBER` gives a parked message another try")
    if items.incomplete:
        shell.terminal.note(f"questions, reminders, requests are not known: {items.incomplete}")


def _messages(items: OpenItemsReply) -> list[str]:
    lines = [f"unread: {items.unread}"]
    for one in items.waiting:
        tried = f"  (cut off {one.attempts} times)" if one.attempts else ""
        lines.append(f"  {date_and_time(one.sent_at)}  {one.sender}  {one.first_line}{tried}")
    if items.parked:
        lines.append(f"parked: {len(items.parked)}")
    lines += [
        f"  {one.number}  {date_and_time(one.parked_at)}  {one.sender}  {one.first_line}"
        f"  ({one.reason})"
        for one in items.parked
    ]
    return lines


def _others(items: OpenItemsReply) -> list[str]:
    lines = []
    if items.questions:
        lines.append(f"questions: {len(items.questions)}")
    lines += [
        f"  {one.id}  {one.asker} to {one.answerer}  {one.text.strip().splitlines()[0][:120]}"
        for one in items.questions
    ]
    if items.reminders:
        lines.append(f"reminders: {len(items.reminders)}")
    lines += [
        f"  {one.id}  {date_and_time(one.next_at) if one.next_at else one.state}"
        f"  {one.prompt.strip().splitlines()[0][:120]}"
        for one in items.reminders
    ]
    if items.requests:
        lines.append(f"requests: {len(items.requests)}")
    lines += [f"  {one.id}  {one.kind} {one.agent}" for one in items.requests]
    return lines


@hive_command(
    "resend", ("hive resend alice 3", "number 3 of what `hive inbox alice` shows as parked")
)
@click.argument("agent", type=AGENT)
@click.argument("number", type=int)
async def resend(shell: Shell, agent: AgentName, number: int) -> None:
    """Give parked message NUMBER of AGENT another try."""
    async with shell.bus() as bus:
        done = await ask_harness(bus, agent, build(ResendParked, number=number))
    report(shell, done, f"{agent} gets message {number} again", "that was asked for already")
