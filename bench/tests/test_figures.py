"""Medians, spreads, ratios and aims."""

import json
from datetime import UTC, datetime

import pytest

from bench.frame.figures import Pair, Result, Sample, figure, ratio, total
from bench.frame.report import as_json, as_text, begin


def sample(*values: float) -> Sample:
    return Sample("ms", values)


def test_a_figure_is_the_median_with_its_quartiles() -> None:
    one = figure("x", sample(1, 2, 3, 4, 100))
    assert (one.value, one.low, one.high, one.count) == (3, 2, 4, 5)


def test_few_values_spread_from_the_least_to_the_greatest() -> None:
    assert sample(3, 1, 2).spread == (1, 3)


def test_a_ratio_divides_medians_and_spreads_over_neighbours() -> None:
    # The machine got ten times slower half way: neighbours still compare.
    pair = Pair(ours=sample(2, 2, 20, 20), raw=sample(1, 1, 10, 10))
    found = ratio("x", pair)
    assert (found.value, found.low, found.high) == (2, 2, 2)


def test_what_does_not_pair_is_no_ratio() -> None:
    with pytest.raises(ValueError, match="2 and 1 do not pair"):
        ratio("x", Pair(ours=sample(1, 2), raw=sample(1)))


@pytest.mark.parametrize(
    ("at_most", "met", "said"),
    [(250, True, "aim: at most 250 MB: met"), (100, False, "MISSED"), (None, None, "")],
)
def test_an_aim_is_met_or_missed_and_both_are_said(
    at_most: float | None, said: str, *, met: bool | None
) -> None:
    one = total("all", [100, 50], "MB", at_most=at_most)
    result = Result(name="memory", title="memory", figures=[one])
    run = begin(datetime(2026, 1, 1, tzinfo=UTC))
    run.results.append(result)
    assert one.met is met
    assert said in as_text(result)
    assert json.loads(as_json(run))["results"][0]["figures"][0]["met"] is met
