"""Turns the steps of an answer into frames: server-sent events, pauses, cuts and refusals."""

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from hivetesting.messages_api.request import BYTES_PER_TOKEN, Request
from hivetesting.messages_api.steps import (
    CutStream,
    Error,
    Hang,
    Headers,
    Step,
    StopReason,
    Text,
    Thinking,
    ToolUse,
    Usage,
)

PIECE = re.compile(r"\s*\S+\s*")
MOST_PIECES = 400
"""More deltas than this for one block teach nothing, and cost time when a text is megabytes."""
_serial = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event; its name is the `type` of its data."""

    data: Mapping[str, object]

    def encode(self) -> bytes:
        """Encode it as it goes over the wire."""
        return b"event: %s\ndata: %s\n\n" % (
            str(self.data["type"]).encode(),
            msgspec.json.encode(self.data),
        )


@dataclass(frozen=True, slots=True)
class Pause:
    """Silence for some seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Gate:
    """Silence until the gate is released."""

    name: str


@dataclass(frozen=True, slots=True)
class Cut:
    """The connection drops."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An HTTP error in place of a stream."""

    error: Error


Frame = Event | Pause | Gate | Cut | Refusal


@dataclass(frozen=True, slots=True)
class Answer:
    """The steps of one answer, with the ids they were given and the usage they claim."""

    id: str
    model: str
    steps: tuple[Step, ...]
    usage: Usage
    stop_reason: str
    headers: Mapping[str, str]


def answer(request: Request, steps: Sequence[Step]) -> Answer:
    """Complete the steps: ids for the calls, a usage, a stop reason."""
    serial = next(_serial)
    named = tuple(
        _with_id(step, f"toolu_{serial:08d}{position:04d}") for position, step in enumerate(steps)
    )
    calls = any(isinstance(step, ToolUse) for step in named)
    reason = "tool_use" if calls else "end_turn"
    usage = Usage(max(1, request.input_tokens), max(1, _said(named)))
    headers: dict[str, str] = {}
    for step in named:
        match step:
            case Usage():
                usage = step
            case StopReason():
                reason = step.reason
            case Headers():
                headers |= step.headers
            case _:
                pass
    return Answer(f"msg_{serial:012d}", request.model, named, usage, reason, headers)


def _with_id(step: Step, identifier: str) -> Step:
    if isinstance(step, ToolUse) and step.id is None:
        return ToolUse(step.name, step.input, identifier, step.delay_s)
    return step


def _said(steps: Iterable[Step]) -> int:
    spoken = sum(len(step.text) for step in steps if isinstance(step, Text | Thinking))
    calls = sum(len(msgspec.json.encode(step.input)) for step in steps if isinstance(step, ToolUse))
    return (spoken + calls) // BYTES_PER_TOKEN


def message(said: Answer) -> dict[str, object]:
    """Make the whole message, as a request without `stream` gets it."""
    content = [_block(step) for step in said.steps if isinstance(step, Text | Thinking | ToolUse)]
    return _envelope(said) | {
        "content": content,
        "stop_reason": said.stop_reason,
        "usage": _usage(said.usage),
    }


def frames(said: Answer) -> Iterator[Frame]:
    """Play the answer as frames; the stream opens with the first step that says something."""
    limits = [step.after_events for step in said.steps if isinstance(step, CutStream)]
    limit = min((count for count in limits if count is not None), default=None)
    sent = 0
    for frame in _frames(said):
        if limit is not None and sent >= limit:
            yield Cut()
            return
        yield frame
        sent += isinstance(frame, Event)
        if isinstance(frame, Cut | Refusal):
            return


def _frames(said: Answer) -> Iterator[Frame]:
    opened = False
    index = 0
    for step in said.steps:
        match step:
            case Text() | Thinking() | ToolUse():
                if not opened:
                    opened = True
                    yield from _opening(said)
                yield from _block_frames(index, step)
                index += 1
            case Hang():
                yield Gate(step.gate) if step.seconds is None else Pause(step.seconds)
            case Error():
                yield Event(step.body()) if opened else Refusal(step)
                return
            case CutStream(after_events=None):
                yield Cut()
            case Usage() | StopReason() | Headers() | CutStream():
                pass
    if not opened:
        yield from _opening(said)
    delta = {"stop_reason": said.stop_reason, "stop_sequence": None}
    yield Event({"type": "message_delta", "delta": delta, "usage": _usage(said.usage)})
    yield Event({"type": "message_stop"})


def _opening(said: Answer) -> Iterator[Frame]:
    usage = _usage(said.usage) | {"output_tokens": 1}
    yield Event({"type": "message_start", "message": _envelope(said) | {"usage": usage}})
    yield Event({"type": "ping"})


def _block_frames(index: int, step: Text | Thinking | ToolUse) -> Iterator[Frame]:
    start = _block(step) | _emptied(step)
    yield Event({"type": "content_block_start", "index": index, "content_block": start})
    for delta in _deltas(step):
        if step.delay_s:
            yield Pause(step.delay_s)
        yield Event({"type": "content_block_delta", "index": index, "delta": delta})
    yield Event({"type": "content_block_stop", "index": index})


def _deltas(step: Text | Thinking | ToolUse) -> Iterator[dict[str, object]]:
    match step:
        case Text():
            for piece in pieces(step.text):
                yield {"type": "text_delta", "text": piece}
        case Thinking():
            for piece in pieces(step.text):
                yield {"type": "thinking_delta", "thinking": piece}
            yield {"type": "signature_delta", "signature": step.signature}
        case ToolUse():
            yield {"type": "input_json_delta", "partial_json": ""}
            for piece in pieces(msgspec.json.encode(step.input).decode()):
                yield {"type": "input_json_delta", "partial_json": piece}


def pieces(text: str) -> list[str]:
    """Split into word-like pieces, at most `MOST_PIECES` of them; joined they are the text."""
    words = PIECE.findall(text) or ([text] if text else [])
    size = -(-len(words) // MOST_PIECES) or 1
    return ["".join(words[at : at + size]) for at in range(0, len(words), size)]


def _block(step: Text | Thinking | ToolUse) -> dict[str, object]:
    match step:
        case Text():
            return {"type": "text", "text": step.text}
        case Thinking():
            return {"type": "thinking", "thinking": step.text, "signature": step.signature}
        case ToolUse():
            return {"type": "tool_use", "id": step.id, "name": step.name, "input": step.input}


def _emptied(step: Text | Thinking | ToolUse) -> dict[str, object]:
    match step:
        case Text():
            return {"text": ""}
        case Thinking():
            return {"thinking": "", "signature": ""}
        case ToolUse():
            return {"input": {}}


def _envelope(said: Answer) -> dict[str, object]:
    return {
        "id": said.id,
        "type": "message",
        "role": "assistant",
        "model": said.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def _usage(usage: Usage) -> dict[str, object]:
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_input_tokens": usage.cache_read_input_tokens,
        "cache_creation_input_tokens": usage.cache_creation_input_tokens,
    }
