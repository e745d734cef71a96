"""What the harness does between turns, as a table."""

from dataclasses import replace

import pytest
from hive_harness.chores import Chore, House, next_chore

HOUSE = House(compact_at=0.75, cli_bound_bytes=100)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, None),
        ({"context_used": 0.74}, None),
        ({"context_used": 0.75}, Chore.SAVE_NOTES),
        ({"context_used": 0.75, "compact_at": 1.0}, None),
        ({"context_used": 1.0, "compact_at": 1.0}, None),
        # Whatever the notes' own turn did to the context, what was begun is finished.
        ({"context_used": 0.1, "notes_saved": True}, Chore.COMPACT),
        ({"compaction_asked": True}, Chore.SAVE_NOTES),
        ({"compaction_asked": True, "notes_saved": True}, Chore.COMPACT),
        # A conversation that does not get smaller is not compacted after every turn.
        ({"context_used": 0.8, "compacted_to": 0.79}, None),
        ({"context_used": 0.9, "compacted_to": 0.79}, Chore.SAVE_NOTES),
        ({"context_used": 0.8, "compacted_to": 0.2}, Chore.SAVE_NOTES),
        ({"settings_changed": True}, Chore.RENEW_CLI),
        ({"cli_bytes": 100}, None),
        ({"cli_bytes": 101}, Chore.RENEW_CLI),
        ({"cli_bytes": 101, "compaction_asked": True}, Chore.SAVE_NOTES),
        ({"new_session_asked": True, "compaction_asked": True}, Chore.BEGIN_ANEW),
    ],
)
def test_the_next_chore_follows_from_how_things_are(
    changes: dict[str, object], expected: Chore | None
) -> None:
    assert next_chore(replace(HOUSE, **changes)) is expected  # type: ignore[arg-type] # a table's columns


def test_only_what_runs_the_model_waits_for_it() -> None:
    assert {chore for chore in Chore if chore.is_turn} == {Chore.SAVE_NOTES, Chore.COMPACT}
