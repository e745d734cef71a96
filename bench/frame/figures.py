"""Figures: samples with their spread, ratios to the raw thing underneath, and the aim beside them."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import msgspec

_QUARTERS: Final = 4


class Sample(msgspec.Struct, frozen=True):
    """Measurements of one thing, in the order in which they were taken."""

    unit: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The value in the middle."""
        return statistics.median(self.values)

    @property
    def spread(self) -> tuple[float, float]:
        """The quartiles: half of all values lie between them."""
        if len(self.values) < _QUARTERS:
            return min(self.values), max(self.values)
        low, _, high = statistics.quantiles(self.values, n=_QUARTERS, method="inclusive")
        return low, high


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a result."""

    what: str
    value: float
    unit: str
    low: float
    high: float
    count: int
    at_most: float | None = None
    """The aim; None when the figure only explains others."""

    @property
    def met(self) -> bool | None:
        """Whether the aim is met; None without one."""
        return None if self.at_most is None else self.value <= self.at_most


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What one benchmark found."""

    name: str
    title: str
    figures: list[Figure]
    notes: list[str] = []
    """What a reader must know to judge the figures."""


@dataclass(frozen=True)
class Pair:
    """Our thing and the raw one beneath it, measured in turn: the n-th values belong together."""

    ours: Sample
    raw: Sample


def figure(what: str, sample: Sample, *, at_most: float | None = None) -> Figure:
    """Return the median of a sample with its quartiles."""
    low, high = sample.spread
    return Figure(
        what=what, value=sample.median, unit=sample.unit, low=low, high=high,
        count=len(sample.values), at_most=at_most,
    )  # fmt: skip


def total(what: str, values: Iterable[float], unit: str, *, at_most: float | None = None) -> Figure:
    """Return a sum, which has no spread."""
    parts = list(values)
    value = sum(parts)
    return Figure(
        what=what, value=value, unit=unit, low=value, high=value, count=1, at_most=at_most
    )


def ratio(what: str, pair: Pair, *, at_most: float | None = None) -> Figure:
    """Return how many times the raw thing ours takes: the ratio of the medians.

    Its spread comes from the ratios of measurements that stand side by side in time, so that what
    slows the machine for a while slows both.
    """
    if len(pair.ours.values) != len(pair.raw.values):
        raise ValueError(f"{what}: {len(pair.ours.values)} and {len(pair.raw.values)} do not pair")
    beside = zip(pair.ours.values, pair.raw.values, strict=True)
    low, high = Sample("×", tuple(one / other for one, other in beside)).spread
    return Figure(
        what=what, value=pair.ours.median / pair.raw.median, unit="×", low=low, high=high,
        count=len(pair.ours.values), at_most=at_most,
    )  # fmt: skip
