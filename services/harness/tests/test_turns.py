"""What is done next, as a table."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hive_harness.chores import Chore
from hive_harness.session import Letter, Source
from hive_harness.trouble import Code, Obstacle
from hive_harness.turns import (
    SMALL_BYTES,
    Desk,
    Do,
    Step,
    Stop,
    Take,
    Wait,
    blocked,
    next_step,
    together,
)

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(seconds=30)
BUS = Letter(source=Source.BUS, sequence=1, id="a", sender="bob", body="x", sent_at=NOW)
PAGE = Letter(source=Source.PAGE, sequence=1, id="b", sender="operator", body="x", sent_at=NOW)
LIMIT = Obstacle(Code.RATE_LIMITED, "", LATER)
PASSED = Obstacle(Code.RATE_LIMITED, "", NOW)
LOGIN = Obstacle(Code.NEEDS_LOGIN, "")


@pytest.mark.parametrize(
    ("desk", "step"),
    [
        (Desk(now=NOW), Wait()),
        (Desk(now=NOW, waiting=[BUS]), Take([BUS])),
        (Desk(now=NOW, waiting=[PAGE, BUS]), Take([PAGE])),
        (Desk(now=NOW, waiting=[BUS], paused=True), Wait()),
        (Desk(now=NOW, waiting=[BUS], stopping=True), Stop()),
        (Desk(now=NOW, waiting=[PAGE], stopping=True, paused=True), Stop()),
        (Desk(now=NOW, waiting=[BUS], obstacle=LIMIT), Wait(LATER)),
        (Desk(now=NOW, waiting=[BUS], obstacle=PASSED), Take([BUS])),
        (Desk(now=NOW, obstacle=PASSED), Wait()),
        (Desk(now=NOW, waiting=[BUS], obstacle=LOGIN), Wait()),
        (Desk(now=NOW, waiting=[BUS], obstacle=LIMIT, paused=True), Wait()),
        (Desk(now=NOW, opens_at=LATER), Wait(LATER)),
        (Desk(now=NOW, waiting=[BUS], chore=Chore.COMPACT), Do(Chore.COMPACT)),
        (Desk(now=NOW, waiting=[BUS], chore=Chore.COMPACT, paused=True), Wait()),
        (Desk(now=NOW, chore=Chore.SAVE_NOTES, obstacle=LIMIT), Wait(LATER)),
        (Desk(now=NOW, chore=Chore.BEGIN_ANEW, paused=True), Do(Chore.BEGIN_ANEW)),
        (Desk(now=NOW, chore=Chore.RENEW_CLI, obstacle=LOGIN), Do(Chore.RENEW_CLI)),
        (Desk(now=NOW, chore=Chore.RENEW_CLI, stopping=True), Stop()),
    ],
)
def test_the_next_step_follows_from_what_is_known(desk: Desk, step: Step) -> None:
    assert next_step(desk) == step


@pytest.mark.parametrize(
    ("desk", "expected"),
    [
        (Desk(now=NOW), False),
        (Desk(now=NOW, obstacle=PASSED), False),
        (Desk(now=NOW, obstacle=LIMIT), True),
        (Desk(now=NOW, obstacle=LOGIN), True),
        (Desk(now=NOW, paused=True), True),
        (Desk(now=NOW, stopping=True), True),
    ],
)
def test_no_turn_begins_while_nothing_can_be_handled(desk: Desk, expected: bool) -> None:  # noqa: FBT001 - a table's column
    assert blocked(desk) is expected


def bus(sequence: int, sender: str = "bob", body: str = "x", attempts: int = 0) -> Letter:
    return Letter(
        source=Source.BUS, sequence=sequence, id=f"m{sequence}", sender=sender, body=body,
        sent_at=NOW, attempts=attempts,
    )  # fmt: skip


LARGE = "ä" * (SMALL_BYTES // 2 + 1)


@pytest.mark.parametrize(
    ("waiting", "most", "expected"),
    [
        ([bus(1), bus(2), bus(3)], 1, [1]),
        ([bus(1), bus(2), bus(3)], 2, [1, 2]),
        ([bus(1), bus(2), bus(3)], 9, [1, 2, 3]),
        ([bus(1), bus(2, "eve"), bus(3)], 9, [1]),  # nobody's message is passed over
        ([bus(1), bus(2, body=LARGE), bus(3)], 9, [1]),
        ([bus(1, body=LARGE), bus(2)], 9, [1]),
        ([bus(1, attempts=1), bus(2)], 9, [1]),
        ([bus(1), bus(2, attempts=1)], 9, [1]),
        ([PAGE, bus(2, "operator")], 9, [1]),
        ([replace(bus(1), source=Source.PARKED), replace(bus(2), source=Source.PARKED)], 9, [1]),
    ],
)
def test_small_messages_of_one_sender_can_share_a_turn(
    waiting: list[Letter], most: int, expected: list[int]
) -> None:
    assert [letter.sequence for letter in together(waiting, most)] == expected
