"""Faults that a test orders from a scripted forge, and the record of what was asked of it."""

import re
from collections import deque
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Fault:
    """One answer other than the true one.

    `after` lets the request act first and spoils only its answer. `cut` closes the connection
    without any answer; `hang` gives none until the caller goes away. `html` makes the message a page.
    """

    status: int = 500
    message: str = "scripted fault"
    headers: dict[str, str] = field(default_factory=dict)
    after: bool = False
    cut: bool = False
    hang: bool = False
    html: bool = False


@dataclass(frozen=True)
class Seen:
    """A request that arrived, and who it was found to come from."""

    method: str
    path: str
    login: str | None
    status: int


@dataclass
class Faults:
    """The faults in store, by method and path, and the log of requests."""

    queue: deque[tuple[re.Pattern[str], Fault]] = field(default_factory=deque)
    down: bool = False
    seen: list[Seen] = field(default_factory=list)

    def order(self, pattern: str, fault: Fault, times: int = 1) -> None:
        """Answer the next `times` requests whose `METHOD /path` matches with a fault."""
        self.queue.extend([(re.compile(pattern), fault)] * times)

    def rate_limit(self, pattern: str = ".*", *, retry_after_s: int = 1, times: int = 1) -> None:
        """Answer with 429, as a limiting proxy before the forge does."""
        fault = Fault(429, "too many requests", {"Retry-After": str(retry_after_s)})
        self.order(pattern, fault, times)

    def take(self, method: str, path: str) -> Fault | None:
        """Return the fault for this request, and forget it."""
        if self.down:
            return Fault(cut=True)
        line = f"{method} {path}"
        for index, (pattern, fault) in enumerate(self.queue):
            if pattern.search(line):
                del self.queue[index]
                return fault
        return None

    def times(self, pattern: str) -> int:
        """Count the requests whose `METHOD /path` matches."""
        wanted = re.compile(pattern)
        return sum(bool(wanted.search(f"{seen.method} {seen.path}")) for seen in self.seen)
