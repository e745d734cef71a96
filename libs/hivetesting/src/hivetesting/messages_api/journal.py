"""The bounded record of what was asked and how it went, for assertions from any thread."""

import asyncio
import threading
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from enum import StrEnum

from hivetesting.messages_api.request import Request
from hivetesting.messages_api.steps import Step


class Outcome(StrEnum):
    """How an exchange ended."""

    ANSWERED = "answered"
    REFUSED = "refused"
    CUT = "cut"
    DISCONNECTED = "disconnected"


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its answer; `outcome` is None while it is still being answered.

    `received_s` is `time.monotonic()`, one clock for all processes of a host.
    """

    number: int
    request: Request
    steps: tuple[Step, ...]
    received_s: float
    outcome: Outcome | None = None


Predicate = Callable[[Exchange], bool]


@dataclass(frozen=True, slots=True)
class _Waiter:
    predicate: Predicate
    found: Future[Exchange]


class Journal:
    """Keeps the newest `capacity` exchanges and refused requests; counts are of all."""

    def __init__(self, capacity: int) -> None:
        self._lock = threading.Lock()
        self._exchanges: dict[int, Exchange] = {}
        self._capacity = capacity
        self._counts: Counter[str] = Counter()
        self._invalid: deque[str] = deque(maxlen=capacity)
        self._waiters: list[_Waiter] = []

    def begin(self, request: Request, steps: tuple[Step, ...], received_s: float) -> int:
        """Record a request; the number is for `end`."""
        with self._lock:
            self._counts[request.agent] += 1
            exchange = Exchange(self._counts.total(), request, steps, received_s)
            self._exchanges[exchange.number] = exchange
            if len(self._exchanges) > self._capacity:
                del self._exchanges[next(iter(self._exchanges))]
            self._tell(exchange)
        return exchange.number

    def end(self, number: int, outcome: Outcome) -> None:
        """Record how the exchange ended, unless it has been dropped by now."""
        with self._lock:
            if number in self._exchanges:
                exchange = replace(self._exchanges[number], outcome=outcome)
                self._exchanges[number] = exchange
                self._tell(exchange)

    def reject(self, reason: str) -> None:
        """Record a request that broke the API's rules."""
        with self._lock:
            self._invalid.append(reason)

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """The newest exchanges, oldest first."""
        with self._lock:
            return tuple(self._exchanges.values())

    @property
    def invalid(self) -> tuple[str, ...]:
        """Why requests were refused as invalid, oldest first."""
        with self._lock:
            return tuple(self._invalid)

    def count(self, agent: str | None = None) -> int:
        """How many requests came, in all or from one agent."""
        with self._lock:
            return self._counts.total() if agent is None else self._counts[agent]

    def expect(self, predicate: Predicate) -> Future[Exchange]:
        """Promise the first exchange, past or to come, for which the predicate holds."""
        waiter = _Waiter(predicate, Future())
        with self._lock:
            self._waiters.append(waiter)
            for exchange in self._exchanges.values():
                self._tell(exchange)
        return waiter.found

    def summary(self) -> str:
        """Tell what happened so far, for the message of a wait that ended in vain."""
        lines = [
            f"{exchange.number} {exchange.request.agent} {exchange.outcome or 'open'}: "
            f"{exchange.request.last_user_text[:80]!r}"
            for exchange in self.exchanges[-10:]
        ]
        return "\n".join(lines) or "no request came"

    def _tell(self, exchange: Exchange) -> None:
        waiting = []
        for waiter in self._waiters:
            if waiter.found.done():
                continue
            try:
                if not waiter.predicate(exchange):
                    waiting.append(waiter)
                elif waiter.found.set_running_or_notify_cancel():
                    waiter.found.set_result(exchange)
            except Exception as error:  # noqa: BLE001 - whoever waits is told, not the server
                waiter.found.set_exception(error)
        self._waiters = waiting


async def within(future: Future[Exchange], deadline_s: float, journal: Journal) -> Exchange:
    """Await the exchange; `TimeoutError` with what came instead."""
    try:
        return await asyncio.wait_for(asyncio.wrap_future(future), deadline_s)
    except TimeoutError:
        raise TimeoutError(_in_vain(deadline_s, journal)) from None


def blocking_within(future: Future[Exchange], deadline_s: float, journal: Journal) -> Exchange:
    """`within` for callers without a loop."""
    try:
        return future.result(deadline_s)
    except TimeoutError:
        future.cancel()
        raise TimeoutError(_in_vain(deadline_s, journal)) from None


def _in_vain(deadline_s: float, journal: Journal) -> str:
    return f"no such exchange within {deadline_s:g} s; there were:\n{journal.summary()}"
