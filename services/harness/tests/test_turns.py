"""What is done next, as a table."""

from datetime import UTC, datetime, timedelta

import pytest
from hive_harness.session import Letter, Source
from hive_harness.trouble import Code, Obstacle
from hive_harness.turns import Desk, Step, Stop, Take, Wait, blocked, next_step

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
        (Desk(now=NOW, from_bus=BUS), Take(BUS)),
        (Desk(now=NOW, from_bus=BUS, from_page=PAGE), Take(PAGE)),
        (Desk(now=NOW, from_bus=BUS, paused=True), Wait()),
        (Desk(now=NOW, from_bus=BUS, stopping=True), Stop()),
        (Desk(now=NOW, from_page=PAGE, stopping=True, paused=True), Stop()),
        (Desk(now=NOW, from_bus=BUS, obstacle=LIMIT), Wait(LATER)),
        (Desk(now=NOW, from_bus=BUS, obstacle=PASSED), Take(BUS)),
        (Desk(now=NOW, obstacle=PASSED), Wait()),
        (Desk(now=NOW, from_bus=BUS, obstacle=LOGIN), Wait()),
        (Desk(now=NOW, from_bus=BUS, obstacle=LIMIT, paused=True), Wait()),
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
def test_no_delivery_is_wanted_while_nothing_can_be_handled(desk: Desk, expected: bool) -> None:  # noqa: FBT001 - a table's column
    assert blocked(desk) is expected
