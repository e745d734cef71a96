"""The words of an agent's work: messages to handle, and what the model does with one."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Source(StrEnum):
    """Where a message came in."""

    BUS = "bus"
    PAGE = "page"
    PARKED = "parked"
    """One that could not be handled; an operator has it tried again."""
    OWN = "own"
    """Nobody sent it: the harness lets the agent save its notes, or makes its conversation shorter."""


@dataclass(frozen=True, kw_only=True)
class Letter:
    """One message to the agent, to be handled in one turn."""

    source: Source
    sequence: int
    """The stream's sequence number of a message of the bus, the row of one that is kept here."""
    id: str
    sender: str
    body: str
    sent_at: datetime
    thread: str | None = None
    reply_to: str | None = None
    by: str = ""
    attempts: int = 0
    """How many turns it was given to before it was delivered here."""

    @property
    def key(self) -> str:
        """What tells this message from all others, also after the stream was made anew."""
        return f"{self.source}:{self.sequence}:{self.id}"


@dataclass(frozen=True)
class Prompt:
    """What the CLI is given."""

    text: str
    is_command: bool = False
    """A command of the CLI's own, which the harness itself gives; all else is text and no more."""


@dataclass(frozen=True)
class Began:
    """The CLI took the prompt."""

    session_id: str
    model: str
    cli_version: str
    missing_servers: tuple[str, ...] = ()
    """MCP servers that did not start."""


@dataclass(frozen=True)
class Said:
    """The model wrote a block of text."""

    text: str


@dataclass(frozen=True)
class Thought:
    """The model thought."""

    text: str


@dataclass(frozen=True)
class Wrote:
    """The model wrote a piece of a text or a thought that is not finished."""

    piece: str
    thinking: bool


@dataclass(frozen=True)
class Called:
    """The model called a tool."""

    call_id: str
    tool: str
    input: dict[str, Any]


@dataclass(frozen=True)
class Returned:
    """A tool answered."""

    call_id: str
    text: str
    is_error: bool


@dataclass(frozen=True)
class Retrying:
    """A request to the API failed and will be made again."""

    status: int | None
    error: str
    delay_s: float
    attempt: int


@dataclass(frozen=True)
class LimitSeen:
    """The account's rate limit changed its state."""

    rejected: bool
    resets_at: datetime | None
    kind: str


@dataclass(frozen=True)
class Compacting:
    """The conversation is being made shorter, or that has ended."""

    ended: bool


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What one turn took."""

    duration_s: float = 0.0
    cost_usd: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0


@dataclass(frozen=True, kw_only=True)
class Result:
    """How a run of the model ended, as the CLI tells it."""

    ok: bool
    aborted: bool = False
    error: str = ""
    """The CLI's class of an API error, for example `rate_limit`."""
    status: int | None = None
    """The HTTP status behind it."""
    words: str = ""
    """The CLI's own account, for a human."""
    usage: Usage = field(default_factory=Usage)
    context_used: float | None = None
    """Share of the model's context that is in use, 0 to 1."""
    refused: tuple[str, ...] = ()
    """Tools that were called and not allowed, in order."""


Happening = (
    Began | Said | Thought | Wrote | Called | Returned | Retrying | LimitSeen | Compacting | Result
)
"""What the adapter reports in a turn; a `Result` is the last."""
