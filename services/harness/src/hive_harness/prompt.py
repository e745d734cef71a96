"""What the model is told: who it is, and each message with its body as data."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from string import Template

from hivecommon.contracts.harness import HarnessConfig

from hive_harness.session import Letter, Source

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f]")
_UNREADABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_MAX_BY = 60
_MAX_FIRST_LINE = 120


def system_prompt(config: HarnessConfig) -> str:
    """Return what is appended to the CLI's own system prompt."""
    parts = [_page("agent").substitute(agent=config.agent)]
    if config.manager:
        parts.append(_page("manager").substitute(agent=config.agent, configs=config.configs))
    if config.persona.strip():
        parts.append(_page("persona").substitute(persona=config.persona.strip()))
    return "\n\n".join(parts)


@dataclass(frozen=True)
class Quoted:
    """A message as the model is shown it."""

    letter: Letter
    again: str = ""
    """Why its turn was begun before, empty when it was not."""


def turn_prompt(messages: Sequence[Quoted], *, unread: int, fence: str) -> str:
    """Return the prompt for one message, or for several of one sender.

    `unread` counts those behind them. `fence` is random, so that nothing in a body can look like
    the end of the body.
    """
    quoted = quote(messages, unread=unread, fence=fence)
    if len(messages) == 1:
        return _page("turn").substitute(message=quoted)
    return _page("batch").substitute(count=len(messages), messages=quoted)


def quote(messages: Sequence[Quoted], *, unread: int, fence: str) -> str:
    """Return messages with their headers, each body between two lines with the fence in them."""
    last = len(messages) - 1
    return "\n\n".join(
        _page("message").substitute(
            header=_header(message, unread + last - place),
            fence=fence,
            body=visible_controls(message.letter.body),
        )
        for place, message in enumerate(messages)
    )


def notes_prompt() -> str:
    """Return what the agent is told before its conversation is made shorter."""
    return _page("notes").substitute()


def _header(message: Quoted, unread: int) -> str:
    letter = message.letter
    header = [f"From: {_sender(letter)}", f"Sent: {letter.sent_at:%Y-%m-%d %H:%M:%S} UTC"]
    if letter.thread:
        header.append(f"Thread: {letter.thread}")
    if letter.reply_to:
        header.append(f"In reply to: {letter.reply_to}")
    header += [f"Message id: {letter.id}", f"Unread after this one: {unread}"]
    if message.again:
        header.append(f"Note: {message.again}")
    if letter.source is Source.PARKED:
        header.append("Note: it could not be handled before; an operator has sent it again.")
    return "\n".join(header)


def visible_controls(text: str) -> str:
    """Return `text` with control characters as their pictures; line breaks and tabs stay."""
    text = text.replace("\r\n", "\n").replace("\x7f", "\u2421")
    return _CONTROLS.sub(lambda found: chr(0x2400 + ord(found[0])), text)


def one_line(text: str, limit: int) -> str:
    """Return `text` as one harmless line of at most `limit` characters."""
    return _UNREADABLE.sub(" ", text).strip()[:limit]


def first_line(body: str) -> str:
    """Return the beginning of a message, for a list."""
    return one_line(body.strip().partition("\n")[0], _MAX_FIRST_LINE)


def _sender(letter: Letter) -> str:
    if letter.sender == "operator":
        name = f" ({one_line(letter.by, _MAX_BY)})" if letter.by.strip() else ""
        page = ", on your own page" if letter.source is Source.PAGE else ""
        return f"operator{name}{page}: a human who runs this hive"
    if letter.sender in {"hive", "forge", "schedule"}:
        return f"{letter.sender}: a service of this hive"
    return f"{letter.sender}: another agent"


def _page(name: str) -> Template:
    return Template((files("hive_harness") / "prompts" / f"{name}.md").read_text().strip())
