"""What the harness remembers across a kill, on a real sqlite file."""

import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hive_harness.database import Database
from hive_harness.lane import Mark
from hive_harness.ledger import TurnRecord
from hive_harness.session import Letter, Source, Usage
from hive_harness.store import MIGRATIONS, Delivery, Fate, Store
from hivecommon.errors import HiveError

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
DAY = date(2026, 11, 22)
LETTER = Letter(source=Source.BUS, sequence=7, id="m1", sender="bob", body="x", sent_at=NOW)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = Store(Database(tmp_path / "harness.sqlite", MIGRATIONS))
    await store.open(NOW)
    yield store
    await store.close()


UNKNOWN = Fate(0, 0, "", None)


def delivery(letter: Letter, times: int = 1) -> Delivery:
    return Delivery(letter.key, "alice", f"ack-{times}", times)


async def hold(store: Store, letter: Letter, times: int = 1) -> tuple[Fate, int]:
    return await store.hold(letter, delivery(letter, times), Mark(times, letter.sequence))


def took(cost_usd: float, outcome: str) -> TurnRecord:
    usage = Usage(cost_usd=cost_usd)
    return TurnRecord(number=1, ended_at=NOW, sender="bob", outcome=outcome, usage=usage)


async def finish(store: Store, letter: Letter, outcome: str = "answered") -> None:
    await store.finish([letter], took(0.5, outcome), last_seq=12)


async def test_a_message_is_known_by_its_place_and_its_id(store: Store) -> None:
    assert await hold(store, LETTER) == (UNKNOWN, 0)
    await store.begin([LETTER])
    await finish(store, LETTER)
    fate, seen = await hold(store, LETTER, 2)
    assert (fate.outcome, seen) == ("answered", 1)
    # A stream that was made anew counts from 1 again.
    other = Letter(source=Source.BUS, sequence=7, id="m2", sender="bob", body="x", sent_at=NOW)
    assert await hold(store, other) == (UNKNOWN, 0)


async def test_how_far_deliveries_have_come_is_remembered_per_consumer(store: Store) -> None:
    assert await store.mark("alice") == Mark()
    await hold(store, LETTER, 3)
    assert await store.mark("alice") == Mark(3, 7)
    assert await store.mark("alice_operator") == Mark()


async def test_turns_are_counted_over_all_and_per_message(store: Store) -> None:
    assert await store.begin([LETTER]) == (1, [UNKNOWN])
    await store.cut_off([LETTER], "the API was away", took(0.25, "postponed"))
    assert await store.begin([LETTER]) == (2, [Fate(1, 0, "the API was away", None)])
    assert await store.begin([LETTER]) == (3, [Fate(2, 1, "", None)])
    assert await store.fate(LETTER) == Fate(3, 2, "", None)  # two ended without a word
    assert await store.cost_usd(DAY) == 0.25


async def test_what_was_not_confirmed_is_found_again(store: Store) -> None:
    await hold(store, LETTER)
    assert await store.unsettled() == [(delivery(LETTER), False)]
    await finish(store, LETTER)
    assert await store.unsettled() == [(delivery(LETTER), True)]
    await store.settle(delivery(LETTER))
    assert await store.unsettled() == []
    assert await store.outcome_of("m1") == "answered"
    assert await store.outcome_of("1") == ""


async def test_messages_from_the_page_come_in_order_and_once(store: Store) -> None:
    for number in ("one", "two", "one"):
        await store.add_page_letter(id=number, body=f"body {number}", sent_at=NOW)
    first, second = await store.page_letters()
    assert (first.id, first.sender, second.id) == ("one", "operator", "two")
    await store.begin([first])
    await finish(store, first)
    assert [letter.id for letter in await store.page_letters()] == ["two"]


async def test_a_parked_message_comes_again_when_it_is_wanted_and_only_then(store: Store) -> None:
    await store.begin([LETTER])
    [number] = await store.park([LETTER], "why", took(0.1, "failed"), now=NOW, last_seq=1)
    assert (await store.fate(LETTER)).outcome == "failed"
    [parked] = await store.parked_messages(10)
    assert (parked.number, parked.sender, parked.first_line, parked.reason) == (
        number, "bob", "x", "why",
    )  # fmt: skip
    assert await store.wanted_letters() == []
    assert await store.resend(number)
    assert not await store.resend(number)
    assert await store.parked_count() == 0
    [again] = await store.wanted_letters()
    assert (again.source, again.id, again.body) == (Source.PARKED, "m1", "x")
    await store.begin([again])
    await store.park([again], "once more", None, now=NOW, last_seq=2)
    assert [one.reason for one in await store.parked_messages(10)] == ["once more"]
    await store.resend(number)
    [again] = await store.wanted_letters()
    assert await store.begin([again]) == (3, [UNKNOWN])
    await finish(store, again)
    assert await store.wanted_letters() == []
    with pytest.raises(HiveError, match=f"no parked message {number}"):
        await store.resend(number)


async def test_a_file_from_before_is_brought_up_to_date(tmp_path: Path) -> None:
    file = tmp_path / "harness.sqlite"
    old = sqlite3.connect(file)
    old.executescript(f"{MIGRATIONS[0]}; PRAGMA user_version = 1;")
    old.execute(
        "INSERT INTO letters (key, ack, attempts, settled) VALUES (?, 'ack-1', 2, 0)", (LETTER.key,)
    )
    old.execute("INSERT INTO letters (key, ack, outcome, settled) VALUES ('bus:8:m', '', 'x', 1)")
    old.commit()
    old.close()
    store = Store(Database(file, MIGRATIONS))
    await store.open(NOW)
    assert await store.unsettled() == [(Delivery(LETTER.key, "", "ack-1", 1), False)]
    assert await store.fate(LETTER) == Fate(2, 1, "", None)
    assert await store.outcome_of("m") == "x"
    await store.close()


async def test_a_day_sums_up_what_its_turns_took(store: Store) -> None:
    for number in range(3):
        letter = Letter(
            source=Source.BUS, sequence=number, id="m", sender="bob", body="x", sent_at=NOW
        )
        await store.begin([letter])
        await finish(store, letter)
    assert await store.cost_usd(DAY) == 1.5
    assert await store.cost_usd(date(2026, 11, 23)) == 0.0
    days, turns = await store.usage(DAY, 2)
    assert [(day.day, day.turns, day.cost_usd) for day in days] == [(DAY, 3, 1.5)]
    assert [turn.outcome for turn in turns] == ["answered", "answered"]


async def test_a_damaged_file_is_set_aside_and_a_new_one_begun(tmp_path: Path) -> None:
    file = tmp_path / "harness.sqlite"
    file.write_bytes(b"no database at all" * 500)
    store = Store(Database(file, MIGRATIONS))
    aside = await store.open(NOW)
    assert file_begins_with(aside, b"no database")
    assert await store.begin([LETTER]) == (1, [UNKNOWN])
    await store.close()


def file_begins_with(file: str, content: bytes) -> bool:
    return Path(file).read_bytes().startswith(content)
