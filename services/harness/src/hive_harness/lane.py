"""Whether messages of one consumer have come in their order, by the bus's own counting; without I/O.

The bus delivers several messages ahead. One that was lost on its way, in a kill or an outage, comes
again only after `ack_wait`, and later ones must not overtake it meanwhile.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from hivecommon.contracts.streams import ACK_WAIT

PATIENCE: Final = ACK_WAIT + timedelta(seconds=10)
"""By then whatever is still to come has come; what has not is no longer in the stream."""


@dataclass(frozen=True)
class Mark:
    """How far deliveries have come."""

    delivery: int = 0
    """The consumer's own count, which goes up by one with each delivery."""
    stream: int = 0
    """The highest number in the stream among what was delivered."""


@dataclass(frozen=True)
class Arrival:
    """One delivery."""

    delivery: int
    stream: int
    unseen: int = 0
    """How many deliveries of the same message have never arrived, as its own count tells."""


class Lane:
    """One consumer's deliveries, from the last mark that is known."""

    def __init__(self, mark: Mark) -> None:
        self.mark = mark
        self._awaited: set[int] = set()
        self._awaited_until: datetime | None = None
        self._lost = 0
        self._lost_above = 0
        self._lost_until: datetime | None = None

    def expect(self, stream: int, now: datetime) -> None:
        """Hold back what is behind this message until it has come: it was delivered once, and lost."""
        self._awaited.add(stream)
        self._awaited_until = now + PATIENCE

    def after(self, arrival: Arrival) -> Mark:
        """Return the mark that a delivery leads to."""
        # The server may have forgotten its last second in a crash: then it counts from there again.
        return Mark(arrival.delivery, max(self.mark.stream, arrival.stream))

    def arrived(self, arrival: Arrival, now: datetime) -> None:
        """Take a delivery into account."""
        self._awaited.discard(arrival.stream)
        missing = max(0, arrival.delivery - self.mark.delivery - 1) if self.mark.delivery else 0
        if missing and not self._lost:
            self._lost_above = self.mark.stream
        if missing:
            self._lost_until = now + PATIENCE
        self._lost = max(0, self._lost + missing - arrival.unseen)
        self.mark = self.after(arrival)

    def in_order(self, stream: int, now: datetime) -> bool:
        """Whether a message may be handled: nothing before it is known to be missing."""
        self._give_up(now)
        behind = any(awaited < stream for awaited in self._awaited)
        return not behind and not (self._lost and stream > self._lost_above)

    def opens_at(self, now: datetime) -> datetime | None:
        """When what is held back will be let go at the latest; None when nothing is."""
        self._give_up(now)
        moments = (self._awaited_until if self._awaited else None,
                   self._lost_until if self._lost else None)  # fmt: skip
        return min((moment for moment in moments if moment is not None), default=None)

    def _give_up(self, now: datetime) -> None:
        if self._awaited_until is not None and now >= self._awaited_until:
            self._awaited.clear()
            self._awaited_until = None
        if self._lost_until is not None and now >= self._lost_until:
            self._lost = 0
            self._lost_until = None
