"""What the real API refuses, as far as bugs of ours could provoke it."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from hivetesting.messages_api.wire import Block, Body, Message

TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
ROLES = ("user", "assistant", "system")  # `system` among messages: measured, CLI 2.1.330


def violation(body: Body) -> str | None:
    """Find the first reason to refuse the request, in the words of the API; None if it is fine."""
    return next(_violations(body), None)


def _violations(body: Body) -> Iterator[str]:
    if not body.model:
        yield "model: String should have at least 1 character"
    if body.max_tokens < 1:
        yield f"max_tokens: {body.max_tokens} is less than the minimum of 1"
    if not body.messages:
        yield "messages: at least one message is required"
    yield from _tools(body)
    last = len(body.messages) - 1
    for index, message in enumerate(body.messages):
        yield from _message(index, message, is_last=index == last)
    yield from _pairing(body.messages)


def _tools(body: Body) -> Iterator[str]:
    for index, tool in enumerate(body.tools):
        if not TOOL_NAME.fullmatch(tool.name):
            yield f"tools.{index}.name: String should match pattern '^{TOOL_NAME.pattern}$'"
    for name, count in Counter(tool.name for tool in body.tools).items():
        if count > 1:
            yield f"tools: Tool names must be unique: {name}"


def _message(index: int, message: Message, *, is_last: bool) -> Iterator[str]:
    where = f"messages.{index}"
    if message.role not in ROLES:
        yield f"{where}.role: Input should be 'user' or 'assistant', not '{message.role}'"
    if not message.blocks and not (is_last and message.role == "assistant"):
        yield (
            f"{where}: all messages must have non-empty content except for the optional final "
            "assistant message"
        )
    for position, block in enumerate(message.blocks):
        yield from _block(f"{where}.content.{position}", message.role, block)


def _block(where: str, role: str, block: Block) -> Iterator[str]:
    match block.type:
        case "text" if block.text is None:
            yield f"{where}.text: Field required"
        case "text" if block.text == "":
            yield "messages: text content blocks must be non-empty"
        case "tool_use" if role != "assistant":
            yield f"{where}: `tool_use` blocks can only be in `assistant` messages"
        case "tool_use" if not block.id or not block.name or block.input is None:
            yield f"{where}: a `tool_use` block needs `id`, `name` and `input`"
        case "tool_result" if role != "user":
            yield f"{where}: `tool_result` blocks can only be in `user` messages"
        case "tool_result" if not block.tool_use_id:
            yield f"{where}.tool_use_id: Field required"
        case "thinking" if not block.signature:
            yield f"{where}.signature: Field required"
        case _:
            pass


def _pairing(messages: Sequence[Message]) -> Iterator[str]:
    """Every call is answered by the next user turn, and nothing else is answered."""
    open_calls: set[str] = set()
    seen: set[str] = set()
    for index, (role, blocks) in enumerate(_turns(messages)):
        results = [block.tool_use_id or "" for block in blocks if block.type == "tool_result"]
        if stray := [result for result in results if result not in open_calls]:
            yield (
                f"messages.{index}: unexpected `tool_use_id` found in `tool_result` blocks: "
                f"{', '.join(stray)}. Each `tool_result` block must have a corresponding "
                "`tool_use` block in the previous message."
            )
        if len(set(results)) != len(results):
            yield f"messages.{index}: each tool_use must have a single result"
        if role == "user" or blocks:
            if missing := open_calls - set(results):
                yield (
                    f"messages.{index}: `tool_use` ids were found without `tool_result` blocks "
                    f"immediately after: {', '.join(sorted(missing))}. Each `tool_use` block must "
                    "have a corresponding `tool_result` block in the next message."
                )
            open_calls = set()
        for block in blocks:
            if block.type == "tool_use" and block.id:
                if block.id in seen:
                    yield "messages: `tool_use` ids must be unique"
                seen.add(block.id)
                open_calls.add(block.id)
    if open_calls:
        yield (
            "messages: `tool_use` ids were found without `tool_result` blocks immediately after: "
            f"{', '.join(sorted(open_calls))}"
        )


def _turns(messages: Sequence[Message]) -> Iterator[tuple[str, tuple[Block, ...]]]:
    """Split into turns: neighbours of one role are one turn, `system` stands outside."""
    role, blocks = "", ()  # type: tuple[str, tuple[Block, ...]]
    for message in messages:
        if message.role == "system":
            continue
        if message.role != role and blocks:
            yield role, blocks
            blocks = ()
        role, blocks = message.role, blocks + message.blocks
    if blocks:
        yield role, blocks
