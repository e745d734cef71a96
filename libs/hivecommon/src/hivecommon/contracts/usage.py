"""What agents' turns took: tokens, cost and time, by turn and by day."""

from datetime import date, datetime
from typing import Annotated, ClassVar

import msgspec

from hivecommon.contracts.base import Reply, Request


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """What turns took."""

    duration_s: float = 0.0
    cost_usd: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0


class DayUsage(Spent, frozen=True, kw_only=True):
    """The turns of one day (UTC)."""

    day: date
    turns: int
    tools: dict[str, int] = msgspec.field(default_factory=dict)
    """How often which tool was called."""


class TurnUsage(Spent, frozen=True, kw_only=True):
    """One turn."""

    turn: int
    at: datetime
    """When it ended."""
    sender: str
    outcome: str
    model: str = ""
    tools: dict[str, int] = msgspec.field(default_factory=dict)


class UsageReply(Reply, frozen=True, kw_only=True):
    """An agent's account of its turns."""

    days: list[DayUsage]
    """The newest first; days without a turn are left out."""
    turns: list[TurnUsage]
    """The last ones, the newest first."""
    today: date
    cap_usd: float | None = None
    """What the turns of one day may cost."""


class ReadUsage(Request[UsageReply], frozen=True, kw_only=True):
    """Ask an agent what its turns took; only one that runs can answer."""

    subject: ClassVar[str] = "agent.{agent}.usage"
    days: Annotated[int, msgspec.Meta(ge=1, le=366)] = 7
    turns: Annotated[int, msgspec.Meta(ge=0, le=200)] = 0
