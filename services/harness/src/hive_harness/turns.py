"""What to do next: a pure decision from what is known at this moment."""

from dataclasses import dataclass
from datetime import datetime

from hive_harness.session import Letter
from hive_harness.trouble import Obstacle


@dataclass(frozen=True, kw_only=True)
class Desk:
    """All that the decision depends on."""

    now: datetime
    paused: bool = False
    stopping: bool = False
    obstacle: Obstacle | None = None
    from_page: Letter | None = None
    """The oldest message that an operator typed on the agent's own page."""
    from_bus: Letter | None = None
    """The message that the bus has delivered."""


@dataclass(frozen=True)
class Take:
    """Run the turn of this message."""

    letter: Letter


@dataclass(frozen=True)
class Wait:
    """Do nothing until something changes, or until this moment."""

    until: datetime | None = None


@dataclass(frozen=True)
class Stop:
    """Begin nothing any more."""


Step = Take | Wait | Stop


def blocked(desk: Desk) -> bool:
    """Return whether no turn can run now: each delivery by the bus counts, so none is wanted then."""
    obstacle = desk.obstacle
    hindered = obstacle is not None and (obstacle.retry_at is None or obstacle.retry_at > desk.now)
    return desk.stopping or desk.paused or hindered


def next_step(desk: Desk) -> Step:
    """Return what to do next. What an operator typed on the page goes before the inbox."""
    if desk.stopping:
        return Stop()
    if blocked(desk):
        obstacle = None if desk.paused else desk.obstacle
        return Wait(obstacle.retry_at if obstacle else None)
    if (letter := desk.from_page or desk.from_bus) is not None:
        return Take(letter)
    return Wait()
