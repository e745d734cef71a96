"""What the harness remembers across a kill, on a real sqlite file."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hive_harness.database import Database
from hive_harness.session import Letter, Source, Usage
from hive_harness.store import MIGRATIONS, Fate, Store

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
DAY = date(2026, 11, 22)
LETTER = Letter(source=Source.BUS, sequence=7, id="m1", sender="bob", body="x", sent_at=NOW)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = Store(Database(tmp_path / "harness.sqlite", MIGRATIONS))
    await store.open(NOW)
    yield store
    await store.close()


async def finish(store: Store, letter: Letter, outcome: str = "answered") -> None:
    await store.finish(letter, outcome, Usage(cost_usd=0.5), day=DAY, last_seq=12)


async def test_a_message_is_known_by_its_place_and_its_id(store: Store) -> None:
    assert await store.hold(LETTER, "ack-1") == Fate(0, "", None)
    await store.begin(LETTER)
    await finish(store, LETTER)
    assert (await store.hold(LETTER, "ack-2")).outcome == "answered"
    # A stream that was made anew counts from 1 again.
    other = Letter(source=Source.BUS, sequence=7, id="m2", sender="bob", body="x", sent_at=NOW)
    assert (await store.hold(other, "ack-3")).outcome is None


async def test_turns_are_counted_over_all_and_per_message(store: Store) -> None:
    assert await store.begin(LETTER) == (1, Fate(0, "", None))
    await store.cut_off(LETTER, "the API was away", Usage(cost_usd=0.25), day=DAY)
    assert await store.begin(LETTER) == (2, Fate(1, "the API was away", None))
    assert await store.begin(LETTER) == (3, Fate(2, "", None))
    assert await store.cost_usd(DAY) == 0.25


async def test_what_was_not_confirmed_is_found_again(store: Store) -> None:
    await store.hold(LETTER, "ack-1")
    assert await store.unsettled() == [(LETTER.key, "ack-1", False)]
    await finish(store, LETTER)
    assert await store.unsettled() == [(LETTER.key, "ack-1", True)]
    await store.settle(LETTER.key)
    assert await store.unsettled() == []
    assert await store.outcome_of("m1") == "answered"
    assert await store.outcome_of("1") == ""


async def test_messages_from_the_page_come_in_order_and_once(store: Store) -> None:
    for number in ("one", "two", "one"):
        await store.add_page_letter(id=number, body=f"body {number}", sent_at=NOW)
    first, second = await store.page_letters()
    assert (first.id, first.sender, second.id) == ("one", "operator", "two")
    await store.begin(first)
    await finish(store, first)
    assert [letter.id for letter in await store.page_letters()] == ["two"]


async def test_a_day_sums_up_what_its_turns_took(store: Store) -> None:
    for number in range(3):
        letter = Letter(
            source=Source.BUS, sequence=number, id="m", sender="bob", body="x", sent_at=NOW
        )
        await store.begin(letter)
        await finish(store, letter)
    assert await store.cost_usd(DAY) == 1.5
    assert await store.cost_usd(date(2026, 11, 23)) == 0.0


async def test_a_damaged_file_is_set_aside_and_a_new_one_begun(tmp_path: Path) -> None:
    file = tmp_path / "harness.sqlite"
    file.write_bytes(b"no database at all" * 500)
    store = Store(Database(file, MIGRATIONS))
    aside = await store.open(NOW)
    assert file_begins_with(aside, b"no database")
    assert await store.begin(LETTER) == (1, Fate(0, "", None))
    await store.close()


def file_begins_with(file: str, content: bytes) -> bool:
    return Path(file).read_bytes().startswith(content)
