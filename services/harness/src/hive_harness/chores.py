"""What the harness does by itself between turns, and when: decided without I/O."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_GROWTH: Final = 0.1
"""By so much the context must have grown since a compaction for the next one to be worth its price."""


class Chore(StrEnum):
    """Something to do while no message is being handled."""

    BEGIN_ANEW = "begin_anew"
    """Begin a new conversation."""
    RENEW_CLI = "renew_cli"
    """Start the CLI anew; the conversation goes on."""
    SAVE_NOTES = "save_notes"
    """Let the agent write down what must outlast its conversation."""
    COMPACT = "compact"
    """Make the conversation shorter."""

    @property
    def is_turn(self) -> bool:
        """Whether it takes a run of the model, and so costs something."""
        return self in {Chore.SAVE_NOTES, Chore.COMPACT}


@dataclass(frozen=True, kw_only=True)
class House:
    """All that the decision depends on."""

    new_session_asked: bool = False
    compaction_asked: bool = False
    settings_changed: bool = False
    """Whether another model or effort is wanted than the CLI was started with."""
    notes_saved: bool = False
    """Whether the agent has had its turn for that, since the conversation was last made shorter."""
    context_used: float | None = None
    compact_at: float
    compacted_to: float | None = None
    """How much was in use in the first turn after the last compaction; None before one."""
    cli_bytes: int = 0
    cli_bound_bytes: int


def next_chore(house: House) -> Chore | None:
    """Return what to do before the next message; None when there is nothing to do."""
    if house.new_session_asked:
        return Chore.BEGIN_ANEW
    if house.notes_saved:
        return Chore.COMPACT
    if house.compaction_asked or _too_full(house):
        return Chore.SAVE_NOTES
    if house.settings_changed or house.cli_bytes > house.cli_bound_bytes:
        return Chore.RENEW_CLI
    return None


def _too_full(house: House) -> bool:
    # 1 leaves it to the CLI; what a compaction does not make smaller is not compacted for ever.
    if house.context_used is None or house.compact_at >= 1:
        return False
    floor = 0.0 if house.compacted_to is None else house.compacted_to + _GROWTH
    return house.context_used >= max(house.compact_at, floor)
