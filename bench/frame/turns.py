"""Taking measurements in turn, so that a slow moment of the machine falls on all sides alike."""

import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from bench.frame.figures import Sample

WALL: Final = ""
CPU: Final = ", CPU"
Act = Callable[[], Awaitable[Mapping[str, float] | None]]
"""Does the thing once. Returns seconds by WALL and CPU, or None to be timed from outside."""

_MS: Final = 1000


async def in_turn(
    sides: Mapping[str, Act], *, rounds: int, budget_s: float, warm_up: int = 1
) -> dict[str, Sample]:
    """Do each side once per round, the first one rotating; return milliseconds by side.

    What an act measured beside the time that passed stands under the side's name plus CPU.

    Ends after `rounds`, or after the first whole round beyond `budget_s`.
    """
    names = list(sides)
    taken: defaultdict[str, list[float]] = defaultdict(list)
    for _ in range(warm_up):
        for name in names:
            await sides[name]()
    ends = time.perf_counter() + budget_s
    for number in range(rounds):
        for name in rotated(names, number):
            began = time.perf_counter()
            own = await sides[name]()
            found = {WALL: time.perf_counter() - began} if own is None else own
            for kind, seconds in found.items():
                taken[name + kind].append(seconds * _MS)
        if time.perf_counter() > ends:
            break
    return {name: Sample("ms", tuple(values)) for name, values in taken.items()}


def rotated(names: Sequence[str], by: int) -> list[str]:
    """Return `names` beginning with another one for each `by`."""
    first = by % len(names)
    return [*names[first:], *names[:first]]
