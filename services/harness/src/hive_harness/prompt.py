"""What the model is told: who it is, and each message with its body as data."""

import re
from importlib.resources import files
from string import Template

from hivecommon.contracts.harness import HarnessConfig

from hive_harness.session import Letter, Source

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f]")
_UNREADABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_MAX_BY = 60


def system_prompt(config: HarnessConfig) -> str:
    """Return what is appended to the CLI's own system prompt."""
    parts = [_page("agent").substitute(agent=config.agent)]
    if config.manager:
        parts.append(_page("manager").substitute(agent=config.agent, configs=config.configs))
    if config.persona.strip():
        parts.append(_page("persona").substitute(persona=config.persona.strip()))
    return "\n\n".join(parts)


def turn_prompt(letter: Letter, *, unread: int, again: str, fence: str) -> str:
    """Return the prompt for one message.

    `again` says why its turn was begun before, empty when it was not. `fence` is random, so that
    nothing in the body can look like the end of the body.
    """
    header = [f"From: {_sender(letter)}", f"Sent: {letter.sent_at:%Y-%m-%d %H:%M:%S} UTC"]
    if letter.thread:
        header.append(f"Thread: {letter.thread}")
    if letter.reply_to:
        header.append(f"In reply to: {letter.reply_to}")
    header += [f"Message id: {letter.id}", f"Unread after this one: {unread}"]
    if again:
        header.append(f"Note: {again}")
    return _page("turn").substitute(
        header="\n".join(header), fence=fence, body=visible_controls(letter.body)
    )


def visible_controls(text: str) -> str:
    """Return `text` with control characters as their pictures; line breaks and tabs stay."""
    text = text.replace("\r\n", "\n").replace("\x7f", "\u2421")
    return _CONTROLS.sub(lambda found: chr(0x2400 + ord(found[0])), text)


def one_line(text: str, limit: int) -> str:
    """Return `text` as one harmless line of at most `limit` characters."""
    return _UNREADABLE.sub(" ", text).strip()[:limit]


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
