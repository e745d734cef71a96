"""Tickets work once, for a while, and outlive a restart."""

from datetime import timedelta
from pathlib import Path

import pytest
from hiveweb.tickets import MAX_TICKETS, TicketStore


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


HOUR = timedelta(hours=1)


def test_a_ticket_logs_in_its_holder_once() -> None:
    store = TicketStore(HOUR)
    ticket, _ = store.mint("anna")

    assert store.redeem(ticket) == "anna"
    assert store.redeem(ticket) is None


def test_a_ticket_ends_with_its_time() -> None:
    clock = Clock()
    store = TicketStore(HOUR, now=clock)
    ticket, expires_at = store.mint("anna")
    clock.now += 3600

    assert expires_at.timestamp() == clock.now
    assert store.redeem(ticket) is None


@pytest.mark.parametrize("ticket", ["", "x", "ä", "a" * 10_000])
def test_an_unknown_ticket_logs_nobody_in(ticket: str) -> None:
    store = TicketStore(HOUR)
    store.mint("anna")

    assert store.redeem(ticket) is None


def test_a_ticket_outlives_a_restart_and_a_used_one_stays_used(tmp_path: Path) -> None:
    file = tmp_path / "keys" / "tickets.json"
    before = TicketStore(HOUR, file=file)
    kept, _ = before.mint("anna")
    used, _ = before.mint("ben")
    before.redeem(used)
    after = TicketStore(HOUR, file=file)

    assert after.redeem(used) is None
    assert after.redeem(kept) == "anna"


def test_the_file_is_private_and_holds_no_ticket(tmp_path: Path) -> None:
    file = tmp_path / "tickets.json"
    ticket, _ = TicketStore(HOUR, file=file).mint("anna")

    assert file.stat().st_mode & 0o777 == 0o600
    assert ticket not in file.read_text()


def test_a_broken_file_loses_unopened_links_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "tickets.json"
    file.write_text("{nonsense")
    store = TicketStore(HOUR, file=file)
    ticket, _ = store.mint("anna")

    assert store.redeem(ticket) == "anna"


def test_the_oldest_ticket_goes_when_there_are_too_many() -> None:
    store = TicketStore(HOUR)
    first, _ = store.mint("anna")
    others = [store.mint("ben")[0] for _ in range(MAX_TICKETS)]

    assert store.redeem(first) is None
    assert store.redeem(others[-1]) == "ben"
