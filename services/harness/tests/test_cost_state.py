"""Where the CLI begins to count what a resumed conversation costs."""

import json
from pathlib import Path

import pytest
from hive_harness.cost_state import cost_before_usd

ID = "ed54bde7-153c-42de-bdd8-a78b2b36d0a9"


def line(cost: object, session: str = ID, **more: object) -> str:
    return json.dumps({"type": "cost-state", "sessionId": session, "totalCostUSD": cost, **more})


def begins_at(tmp_path: Path, *lines: str) -> float:
    folder = tmp_path / "projects" / "-state"
    folder.mkdir(parents=True)
    (folder / f"{ID}.jsonl").write_text("\n".join(lines))
    return cost_before_usd(tmp_path, ID)


TEXT = json.dumps({"type": "user", "message": line(99)})


@pytest.mark.parametrize(
    ("lines", "cost"),
    [
        ([], 0),
        ([TEXT], 0),
        ([line(1.5)], 1.5),
        ([line(1.5), TEXT, ""], 1.5),
        ([line(1.5), line(2), TEXT], 2),
        ([line(1.5), line(9, session="another")], 1.5),
        ([line(1.5), line(2)[:-4]], 1.5),  # cut off by a kill
        ([line(1.5), line("2"), line(float("nan")), line(-1)], 1.5),
        ([line(1.5), "x" * 700_000, "y" * 300_000], 1.5),
        ([line(1.5, padding="z" * 600_000), TEXT], 1.5),
    ],
)
def test_the_last_good_line_counts(tmp_path: Path, lines: list[str], cost: float) -> None:
    assert begins_at(tmp_path, *lines) == cost


def test_without_a_transcript_nothing_was_spent(tmp_path: Path) -> None:
    assert cost_before_usd(tmp_path, ID) == 0
