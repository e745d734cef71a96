"""`hive send`: a message to an agent, and what becomes of it."""

import asyncio
import sys
from uuid import uuid4

import click
import msgspec
import nats.errors
import nats.js.errors
from hivecommon.bus import Bus
from hivecommon.contracts.events import (
    AgentEvent,
    MessageSent,
    MessageTaken,
    Text,
    TurnEnded,
    TurnStarted,
)
from hivecommon.contracts.inbox import OPERATOR, InboxMessage, check_body
from hivecommon.contracts.roster import ContainerState, RosterRow
from hivecommon.contracts.streams import EVENTS, ROSTER_BUCKET
from hivecommon.errors import HiveError, Unavailable
from hivecommon.names import AgentName

from hivectl.cli import AGENT, hive_command
from hivectl.shell import Shell
from hivectl.tail import Start, follow


class _Answer(msgspec.Struct, kw_only=True):
    """What became of a message, for `--json`."""

    ok: bool
    message_id: str
    outcome: str
    texts: list[str]
    replies: list[str]
    error: str = ""
    duration_s: float = 0.0
    cost_usd: float = 0.0


@hive_command(
    "send",
    ("hive send alice hello", "put it into alice's inbox"),
    ("hive send alice 'What is left to do?' --wait", "and show what she answers"),
    ("git diff | hive send alice - --wait", "the message from stdin"),
)
@click.argument("agent", type=AGENT)
@click.argument("text", nargs=-1)
@click.option("--wait", is_flag=True, help="Stay until the turn that answers it is over.")
@click.option(
    "--timeout", "timeout_s", type=click.FloatRange(min=0.1), default=600.0, show_default=True,
    help="How many seconds --wait stays.",
)  # fmt: skip
@click.option("--reply-to", metavar="ID", help="The message that this one answers.")
async def send(
    shell: Shell, *, agent: AgentName, text: tuple[str, ...], wait: bool, timeout_s: float,
    reply_to: str | None,
) -> None:  # fmt: skip
    """Send AGENT a message: TEXT, or what comes on stdin."""
    message = _message(shell, _body(text), reply_to)
    async with shell.bus() as bus:
        row = await _addressee(bus, agent)
        before = await _last_event(bus) if wait else 0
        await bus.send_message(to=agent, sender=OPERATOR, message=message)
        if row.state is not ContainerState.RUNNING:
            shell.terminal.note(f"{agent} is {row.state}: the message waits for it")
        elif row.harness.paused:
            shell.terminal.note(f"{agent} is paused: the message waits for `hive resume {agent}`")
        if wait:
            await _wait(shell, bus, agent, message, Start(seq=before + 1), timeout_s)
        elif shell.terminal.as_json:
            shell.terminal.json({"ok": True, "message_id": message.id})
        else:
            shell.terminal.line(f"sent to {agent}: {message.id}")


def _body(text: tuple[str, ...]) -> str:
    if text not in {(), ("-",)}:
        return check_body(" ".join(text))
    if not text and sys.stdin.isatty():
        raise HiveError(
            "there is no message", code="bad_argument",
            hint="write it behind the agent's name, or - and pipe it in",
        )  # fmt: skip
    try:
        return check_body(sys.stdin.buffer.read().decode())
    except UnicodeDecodeError as error:
        raise HiveError(
            f"what came on stdin is no UTF-8 text: {error}", code="bad_body",
            hint="put it into a file and send its path",
        ) from error  # fmt: skip


def _message(shell: Shell, body: str, reply_to: str | None) -> InboxMessage:
    given = {
        "id": uuid4().hex,
        "body": body,
        "reply_to": reply_to,
        "sent_at": shell.now(),
        "by": shell.operator,
    }
    try:
        return msgspec.convert(given, InboxMessage)
    except msgspec.ValidationError as error:
        raise HiveError(f"not sendable: {error}", code="bad_argument") from error


async def _addressee(bus: Bus, agent: AgentName) -> RosterRow:
    """Return the agent's row, so that no message goes to a name that nobody has.

    It is read from the bucket, not asked of lifecycle: messages flow while that restarts.
    """
    try:
        bucket = await bus.jetstream.key_value(ROSTER_BUCKET)
        entry = await bucket.get(agent)
        return msgspec.json.decode(entry.value or b"", type=RosterRow)
    except nats.js.errors.NotFoundError as error:
        raise HiveError(
            f"there is no agent {agent!r}", code="unknown_agent",
            hint="`hive ls` shows all agents; `hive spawn NAME` makes one",
        ) from error  # fmt: skip
    except (nats.errors.Error, nats.js.errors.Error) as error:
        raise Unavailable(f"the roster cannot be read: {str(error) or 'no answer'}") from error


async def _last_event(bus: Bus) -> int:
    try:
        return (await bus.jetstream.stream_info(EVENTS.name)).state.last_seq
    except (nats.errors.Error, nats.js.errors.Error) as error:
        raise Unavailable(f"events cannot be read: {str(error) or 'no answer'}") from error


async def _wait(
    shell: Shell, bus: Bus, agent: AgentName, message: InboxMessage, start: Start, timeout_s: float
) -> None:
    answer = _Answer(ok=False, message_id=message.id, outcome="", texts=[], replies=[])
    try:
        async with asyncio.timeout(timeout_s):
            await _listen(shell, bus, agent, answer, start)
    except TimeoutError as error:
        raise HiveError(
            f"{agent} has not answered {message.id} within {timeout_s:g} s", code="timeout",
            hint=f"the message is kept; see `hive status {agent}` and `hive events -f {agent}`",
        ) from error  # fmt: skip
    if shell.terminal.as_json:
        shell.terminal.json(answer)
    if not answer.ok:
        raise HiveError(
            f"{agent}'s turn was {answer.outcome}" + (f": {answer.error}" if answer.error else ""),
            code="turn_failed",
            hint=f"see `hive status {agent}`",
        )


async def _listen(shell: Shell, bus: Bus, agent: AgentName, answer: _Answer, start: Start) -> None:
    """Fill `answer` from the agent's events until the message's turn is over."""
    turn: int | None = None
    async for entry in follow(bus, EVENTS.name, [f"events.{agent}.*"], start):
        try:
            event = msgspec.json.decode(entry.data, type=AgentEvent)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue  # not ours to judge: `hive events` shows it
        match event.body:
            case (
                TurnStarted(message_id=answer.message_id)
                | MessageTaken(message_id=answer.message_id)
            ):
                turn = event.turn
            case Text(text=text) if event.turn == turn:
                answer.texts.append(text)
                if not shell.terminal.as_json:
                    shell.terminal.block(text, indent="")
            case MessageSent(to="operator", body=body) if event.turn == turn:
                answer.replies.append(body)
                if not shell.terminal.as_json:
                    shell.terminal.line(f"{agent} writes:")
                    shell.terminal.block(body)
            case TurnEnded() as ended if answer.message_id in {ended.message_id, *ended.also}:
                answer.ok = ended.outcome == "answered"
                answer.outcome, answer.error = ended.outcome, ended.error
                answer.duration_s, answer.cost_usd = ended.duration_s, ended.cost_usd
                return
            case _:
                pass
