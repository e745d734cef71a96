"""Whether messages have come in their order, as a story of deliveries."""

from datetime import UTC, datetime, timedelta

from hive_harness.lane import PATIENCE, Arrival, Lane, Mark

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LATER = NOW + PATIENCE
NOWHERE = Mark()


def lane(*arrivals: Arrival, mark: Mark = NOWHERE) -> Lane:
    made = Lane(mark)
    for arrival in arrivals:
        made.arrived(arrival, NOW)
    return made


def test_what_comes_in_order_is_handled_at_once() -> None:
    made = lane(Arrival(1, 10), Arrival(2, 12))
    assert made.in_order(10, NOW)
    assert made.in_order(12, NOW)
    assert made.opens_at(NOW) is None
    assert made.mark == Mark(2, 12)


def test_the_first_delivery_that_is_known_of_tells_nothing_of_those_before() -> None:
    assert lane(Arrival(57, 400)).in_order(400, NOW)


def test_what_is_behind_a_lost_delivery_waits_for_it() -> None:
    made = lane(Arrival(5, 10), Arrival(7, 14))
    assert made.in_order(10, NOW)
    assert not made.in_order(14, NOW)
    assert made.opens_at(NOW) == LATER
    made.arrived(Arrival(8, 12, unseen=1), NOW)  # the lost one, delivered again
    assert made.in_order(14, NOW)
    assert made.opens_at(NOW) is None


def test_a_loss_from_before_a_restart_is_noticed_by_the_mark() -> None:
    made = lane(Arrival(7, 14), mark=Mark(5, 10))
    assert not made.in_order(14, NOW)
    assert made.in_order(9, NOW)


def test_a_message_that_was_lost_twice_is_counted_twice() -> None:
    made = lane(Arrival(5, 10), Arrival(8, 14))
    made.arrived(Arrival(9, 12, unseen=2), NOW)
    assert made.in_order(14, NOW)


def test_a_lost_redelivery_of_what_is_known_holds_nothing_back() -> None:
    made = lane(mark=Mark(5, 10))
    made.expect(10, NOW)
    made.arrived(Arrival(7, 10, unseen=1), NOW)  # the sixth delivery was of the same message
    made.arrived(Arrival(8, 12), NOW)
    assert made.in_order(12, NOW)


def test_what_was_held_before_a_restart_goes_before_what_is_new() -> None:
    made = lane(Arrival(6, 12), mark=Mark(5, 10))
    made.expect(10, NOW)
    assert not made.in_order(12, NOW)
    made.arrived(Arrival(7, 10), NOW)
    assert made.in_order(12, NOW)


def test_what_never_comes_again_is_not_waited_for_for_ever() -> None:
    made = lane(Arrival(5, 10), Arrival(7, 14))
    made.expect(9, NOW)
    assert not made.in_order(14, LATER - timedelta(seconds=1))
    assert made.in_order(14, LATER)
    assert made.opens_at(LATER) is None


def test_a_server_that_forgot_its_last_second_counts_from_there_again() -> None:
    made = lane(Arrival(9, 20), Arrival(7, 18), Arrival(8, 19), Arrival(9, 20), Arrival(10, 21))
    assert made.in_order(21, NOW)
    assert made.mark == Mark(10, 21)
