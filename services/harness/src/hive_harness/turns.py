"""What to do next: a pure decision from what is known at this moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from hive_harness.chores import Chore
from hive_harness.session import Letter, Source
from hive_harness.trouble import Obstacle

SMALL_BYTES: Final = 4096
"""A message of at most this size can share a turn with others of its sender."""


@dataclass(frozen=True, kw_only=True)
class Desk:
    """All that the decision depends on."""

    now: datetime
    paused: bool = False
    stopping: bool = False
    obstacle: Obstacle | None = None
    chore: Chore | None = None
    """What the harness has to do between turns."""
    waiting: Sequence[Letter] = ()
    """The messages that can be handled, in the order in which they should be."""
    batch: int = 1
    """At most so many small messages of one sender in one turn."""
    opens_at: datetime | None = None
    """When messages can be handled that are not among those that wait."""


@dataclass(frozen=True)
class Take:
    """Run the turn of these messages."""

    letters: Sequence[Letter]


@dataclass(frozen=True)
class Do:
    """Do this between turns."""

    chore: Chore


@dataclass(frozen=True)
class Wait:
    """Do nothing until something changes, or until this moment."""

    until: datetime | None = None


@dataclass(frozen=True)
class Stop:
    """Begin nothing any more."""


Step = Take | Do | Wait | Stop


def blocked(desk: Desk) -> bool:
    """Return whether no turn can run now."""
    obstacle = desk.obstacle
    hindered = obstacle is not None and (obstacle.retry_at is None or obstacle.retry_at > desk.now)
    return desk.stopping or desk.paused or hindered


def next_step(desk: Desk) -> Step:
    """Return what to do next. What needs the model waits while no turn can run."""
    if desk.stopping:
        return Stop()
    if desk.chore is not None and not (desk.chore.is_turn and blocked(desk)):
        return Do(desk.chore)
    if blocked(desk):
        obstacle = None if desk.paused else desk.obstacle
        return Wait(obstacle.retry_at if obstacle else None)
    if desk.waiting:
        return Take(together(desk.waiting, desk.batch))
    return Wait(desk.opens_at)


def together(waiting: Sequence[Letter], most: int) -> Sequence[Letter]:
    """Return the messages of the next turn: the first one, and small ones of its sender behind it.

    None is passed over, and one whose turn was cut off before has a turn to itself.
    """
    first, *others = waiting
    if not _shares(first):
        return [first]
    letters = [first]
    for letter in others[: most - 1]:
        if (
            letter.sender != first.sender
            or letter.source is not first.source
            or not _shares(letter)
        ):
            break
        letters.append(letter)
    return letters


def _shares(letter: Letter) -> bool:
    tried = letter.attempts or letter.source is Source.PARKED
    return not tried and len(letter.body.encode()) <= SMALL_BYTES
