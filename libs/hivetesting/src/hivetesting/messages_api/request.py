"""What a script sees of a request."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from hivetesting.messages_api.wire import Block, Body, Message

REMINDER = re.compile(r"\s*<system-reminder>.*?</system-reminder>\s*", re.DOTALL)
"""What the CLI adds to messages and tool results on its own account (measured, CLI 2.1.330)."""


BYTES_PER_TOKEN = 4
TOKENS_PER_IMAGE = 1_600
"""Of an image of the largest useful size (platform.claude.com, "Vision")."""


NOBODY = r"(?!)(?P<agent>)"
"""Finds no agent's name in any system text, so that the credential is the discriminator."""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The result of one call, just delivered: which tool was called with what, and what came."""

    tool_use_id: str
    name: str
    input: Mapping[str, object]
    text: str
    is_error: bool


@dataclass(frozen=True, slots=True)
class Request:
    """One request for a message.

    `credential` is the `x-api-key`, or the token of the `Authorization` header: what keeps
    concurrent agents apart. `agent` is the name found in the system text by the API's
    `agent_pattern`, else the credential. `last_user_text` is the newest text block of a user
    that is not one of the CLI's own reminders: it stays the same while tools are called in one
    turn, and it is the new prompt although the CLI puts the prompts of failed turns into the
    same message, before it. `tool_results` are the results the newest turn of the user delivers;
    `is_prompt` says that something was said after them (or that there are none), as after an
    interrupt. `effort` is how hard the model is told to
    think, empty when nothing is said. `input_tokens` is an estimate.
    """

    model: str
    system: str
    messages: tuple[Message, ...]
    tools: tuple[str, ...]
    stream: bool
    max_tokens: int
    last_user_text: str
    tool_results: tuple[ToolResult, ...]
    is_prompt: bool
    credential: str
    agent: str
    headers: Mapping[str, str]
    metadata: Mapping[str, object]
    effort: str
    input_tokens: int


def view(body: Body, *, headers: Mapping[str, str], size_bytes: int, agent_pattern: str) -> Request:
    """Read a valid body and its lower-case headers into what scripts see."""
    system = _system(body)
    key = credential(headers)
    named = re.search(agent_pattern, system)
    return Request(
        model=body.model,
        system=system,
        messages=tuple(body.messages),
        tools=tuple(tool.name for tool in body.tools),
        stream=body.stream,
        max_tokens=body.max_tokens,
        last_user_text=_last_user_text(body.messages),
        tool_results=_tool_results(body.messages),
        is_prompt=_is_prompt(body.messages),
        credential=key,
        agent=named["agent"] if named else key,
        headers=headers,
        metadata=body.metadata,
        effort=str(body.output_config.get("effort", "")),
        input_tokens=_estimated_tokens(body, size_bytes),
    )


def credential(headers: Mapping[str, str]) -> str:
    """Find the API key, or the bearer token; an empty string if there is neither."""
    bearer = headers.get("authorization", "")
    return headers.get("x-api-key") or bearer.removeprefix("Bearer ").strip()


def _system(body: Body) -> str:
    first = body.system if isinstance(body.system, str) else _text(tuple(body.system))
    later = [_text(message.blocks) for message in body.messages if message.role == "system"]
    return "\n\n".join(part for part in (first, *later) if part)


def _text(blocks: tuple[Block, ...]) -> str:
    return "\n".join(block.text for block in blocks if block.type == "text" and block.text)


def _last_user_text(messages: list[Message]) -> str:
    for message in reversed(messages):
        if message.role == "user":
            for block in reversed(message.blocks):
                if text := _own_words(block.text or ""):
                    return text
    return ""


def _own_words(text: str) -> str:
    return REMINDER.sub("", text).strip()


def _newest_turn(messages: list[Message]) -> list[Block]:
    newest: list[Block] = []
    for message in reversed(messages):
        if message.role == "assistant":
            break
        if message.role == "user":
            newest[:0] = message.blocks
    return newest


def _is_prompt(messages: list[Message]) -> bool:
    for block in reversed(_newest_turn(messages)):
        if block.type == "tool_result":
            return False
        if block.type != "text" or _own_words(block.text or ""):
            return True
    return True


def _tool_results(messages: list[Message]) -> tuple[ToolResult, ...]:
    calls = {
        block.id: block
        for message in messages
        for block in message.blocks
        if block.type == "tool_use"
    }
    return tuple(
        _tool_result(block, calls.get(block.tool_use_id))
        for block in _newest_turn(messages)
        if block.type == "tool_result"
    )


def _tool_result(block: Block, call: Block | None) -> ToolResult:
    content = block.content
    text = content if isinstance(content, str) else _text(tuple(content or ()))
    return ToolResult(
        tool_use_id=block.tool_use_id or "",
        name=(call.name if call else None) or "",
        input=(call.input if call else None) or {},
        text=_own_words(text),
        is_error=bool(block.is_error),
    )


def _estimated_tokens(body: Body, size_bytes: int) -> int:
    encoded = [size for message in body.messages for size in _encoded(message.blocks)]
    return (size_bytes - sum(encoded)) // BYTES_PER_TOKEN + len(encoded) * TOKENS_PER_IMAGE


def _encoded(blocks: Iterable[Block]) -> Iterator[int]:
    """Measure what travels as base64, whose size says nothing of its tokens."""
    for block in blocks:
        if block.source is not None:
            yield len(str(block.source.get("data", "")))
        if isinstance(block.content, list):
            yield from _encoded(block.content)
