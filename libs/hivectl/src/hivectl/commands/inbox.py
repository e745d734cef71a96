"""`hive inbox`: what agents write to the operator, or what waits for an agent."""

from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

import click
import msgspec
from hivecommon.bus import Bus
from hivecommon.contracts.inbox import OPERATOR, InboxMessage
from hivecommon.contracts.streams import INBOX
from hivecommon.errors import HiveError
from hivecommon.files import write_atomically
from hivecommon.home import make_private
from hivecommon.names import AgentName

from hivectl.cli import AGENT, hive_command
from hivectl.commands.waiting import show_waiting
from hivectl.shell import Shell
from hivectl.tail import Entry, Start, follow, history
from hivectl.times import date_and_time

NEWEST: Final = 20


class Received(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One message to the operator."""

    seq: int
    sender: str
    id: str
    at: datetime
    body: str
    thread: str | None = None
    reply_to: str | None = None
    new: bool
    """Not shown by `hive inbox` before."""


@hive_command(
    "inbox",
    ("hive inbox", "the newest 20, those not seen before marked with *"),
    ("hive inbox --all", "all there are"),
    ("hive inbox -f", "those not seen before, and what comes"),
    ("hive inbox alice", "what waits for alice, what she could not handle, what she has open"),
)
@click.argument("agent", type=AGENT, required=False)
@click.option("--all", "everything", is_flag=True, help="All messages, not just the newest 20.")
@click.option("-f", "--follow", "live", is_flag=True, help="Go on with what comes.")
async def inbox(shell: Shell, agent: AgentName | None, *, everything: bool, live: bool) -> None:
    """Show messages to the operator, or what waits for AGENT."""
    if agent is not None:
        if everything or live:
            raise HiveError(
                "--all and -f are for your own inbox", code="bad_argument",
                hint=f"`hive events -f {agent}` follows what an agent does",
            )  # fmt: skip
        async with shell.bus() as bus:
            await show_waiting(shell, bus, agent)
        return
    seen = _Seen(shell.environment.home.root / "operators" / f"{shell.operator}.inbox")
    async with shell.bus() as bus:
        if live:
            start = Start(seq=1 if everything else seen.upto + 1)
            async for message in _messages(follow(bus, INBOX.name, _subjects(), start), seen.upto):
                _show(shell, message)
                seen.remember(message.seq)
            return
        found = await _held(bus, seen.upto, None if everything else NEWEST)
    if shell.terminal.as_json:
        shell.terminal.json({"ok": True, "messages": list(found)})
    else:
        for message in found:
            _show(shell, message)
        if not found:
            shell.terminal.note("no messages")
    if found:
        seen.remember(found[-1].seq)


def _subjects() -> list[str]:
    return [InboxMessage.filter_for(OPERATOR)]


async def _held(bus: Bus, seen: int, newest: int | None) -> deque[Received]:
    found: deque[Received] = deque(maxlen=newest)
    async for message in _messages(history(bus, INBOX.name, _subjects(), Start(seq=1)), seen):
        found.append(message)
    return found


async def _messages(entries: AsyncIterator[Entry], seen: int) -> AsyncIterator[Received]:
    """Read messages; what an agent put there that is none is left out, as its inbox would do."""
    async for entry in entries:
        try:
            message = InboxMessage.decode(entry.data)
        except HiveError:
            continue
        _, sender = InboxMessage.route(entry.subject)
        yield Received(
            seq=entry.seq,
            sender=sender,
            id=message.id,
            at=entry.at,
            body=message.body,
            thread=message.thread,
            reply_to=message.reply_to,
            new=entry.seq > seen,
        )


def _show(shell: Shell, message: Received) -> None:
    terminal = shell.terminal
    if terminal.as_json:
        terminal.json(message)
        return
    mark = "*" if message.new else " "
    head = f"{mark} {date_and_time(message.at)}  {message.sender}  {message.id}"
    terminal.line(head, style="green" if message.new else None)
    terminal.block(message.body)


class _Seen:
    """Up to where this operator has seen the inbox; only a mark, nothing depends on it."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.upto = 0
        with suppress(OSError, ValueError):
            self.upto = int(file.read_text())

    def remember(self, seq: int) -> None:
        """Move the mark; a home that is read-only keeps the old one."""
        with suppress(OSError):
            make_private(self._file.parent)
            write_atomically(self._file, f"{seq}\n".encode(), mode=0o600)
