"""Events from happenings: what of a turn is kept, in which size."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from hivecommon.contracts import events

from hive_harness.ledger import few
from hive_harness.session import Called, Letter, Result, Returned, Said, Thought

# The bus carries 1 MiB at most, JSON can make six bytes of one, and readers show pages, not books.
MAX_TEXT: Final = 100_000
MAX_RESULT: Final = 30_000
MAX_INPUT: Final = 100_000
_MANY: Final = 200


def started(letter: Letter, *, redelivered: bool, own: str = "") -> events.TurnStarted:
    """Return the event of a turn that begins."""
    return events.TurnStarted(
        message_id=letter.id,
        sender=letter.sender,
        body=shortened(letter.body, MAX_TEXT),
        thread=letter.thread,
        sent_at=letter.sent_at,
        by=letter.by[:80],
        redelivered=redelivered,
        own=own,
    )


def taken(letter: Letter, *, redelivered: bool) -> events.MessageTaken:
    """Return the event of a further message that came into a turn."""
    return events.MessageTaken(
        message_id=letter.id,
        sender=letter.sender,
        body=shortened(letter.body, MAX_TEXT),
        thread=letter.thread,
        sent_at=letter.sent_at,
        by=letter.by[:80],
        redelivered=redelivered,
    )


def ended(
    letters: Sequence[Letter],
    outcome: str,
    result: Result,
    *,
    tools: Mapping[str, int],
    error: str = "",
) -> events.TurnEnded:
    """Return the event of a turn that is over."""
    first, *others = letters
    usage = result.usage
    return events.TurnEnded(
        message_id=first.id,
        outcome=outcome,
        duration_s=usage.duration_s,
        cost_usd=usage.cost_usd,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        tool_calls=sum(tools.values()),
        tools=few(tools),
        error=shortened(error, 2000),
        also=[letter.id for letter in others],
    )


def told(happening: Said | Thought | Called | Returned) -> events.AgentEventBody:
    """Return the event of something the model did."""
    match happening:
        case Said(text):
            return events.Text(shortened(text, MAX_TEXT))
        case Thought(text):
            return events.Thinking(shortened(text, MAX_TEXT))
        case Called(call_id, tool, arguments):
            return events.ToolCall(call_id[:200], tool[:200], fitted(arguments))
        case Returned(call_id, text, is_error):
            shown = text[:MAX_RESULT]
            omitted = len(text[MAX_RESULT:].encode())
            return events.ToolResult(call_id[:200], shown, is_error, omitted)


def shortened(text: str, limit: int) -> str:
    """Return `text`, or its beginning and how much is missing."""
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text) - limit} characters more)"


def fitted(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return a tool's arguments with what is long in them shortened, so that the whole fits."""
    left = MAX_INPUT

    def fit(value: Any, depth: int) -> Any:
        nonlocal left
        match value:
            case str():
                text = shortened(value, max(0, left))
                left -= len(text)
                return text
            case dict() if depth:
                items = list(value.items())[:_MANY]
                return {shortened(str(key), 200): fit(item, depth - 1) for key, item in items}
            case list() if depth:
                return [fit(item, depth - 1) for item in value[:_MANY]]
            case dict() | list():
                return "…"
            case _:
                return value

    fitted_arguments: dict[str, Any] = fit(arguments, 6)
    return fitted_arguments
