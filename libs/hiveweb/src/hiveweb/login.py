"""Logging a browser in: a ticket from the link's fragment against a bearer token."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Final

import msgspec
import structlog
from hivecommon.contracts.base import Reply
from hivecommon.errors import HiveError
from starlette.requests import Request
from starlette.responses import Response

from hiveweb.answers import JsonResponse, error_response, read_json
from hiveweb.tickets import TicketStore
from hiveweb.tokens import TokenSigner

MAX_FAILURES: Final = 10
FAILURE_WINDOW_S: Final = 60.0

_log = structlog.get_logger()


class LoginRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a page sends: the ticket that stood in its URL's fragment."""

    ticket: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class LoginReply(Reply, frozen=True, kw_only=True):
    """The token to send as `Authorization: Bearer …` and as the first frame of the socket."""

    token: str
    name: str


class FailureLimit:
    """Counts failed logins within a minute."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._failures: deque[float] = deque(maxlen=MAX_FAILURES)

    def record(self) -> bool:
        """Count a failure; return whether there were too many within the window."""
        now = self._now()
        over = len(self._failures) == MAX_FAILURES and now - self._failures[0] < FAILURE_WINDOW_S
        self._failures.append(now)
        return over


@dataclass(frozen=True)
class Login:
    """Everything about who is logged in to one page."""

    tickets: TicketStore
    tokens: TokenSigner
    failures: FailureLimit
    known: Callable[[str], bool] = lambda _name: True
    """Whether a holder still is somebody: a removed operator's token ends at once."""

    async def answer(self, request: Request) -> Response:
        """Answer `POST /api/login`.

        A good ticket is always taken: its 256 random bits cannot be guessed, so the limit guards
        the process and the log, and nobody who shares the host's loopback can lock operators out.
        """
        try:
            asked = await read_json(request, LoginRequest)
            holder = self.tickets.redeem(asked.ticket)
            if holder is None or not self.known(holder):
                raise self._failure()
        except HiveError as error:
            return error_response(error)
        _log.info("logged_in", holder=holder)
        return JsonResponse(LoginReply(token=self.tokens.issue(holder), name=holder))

    def _failure(self) -> HiveError:
        if self.failures.record():
            return HiveError("too many failed logins", code="too_many_logins", hint="wait a minute")
        _log.warning("login_failed")
        return HiveError(
            "this link was used before, is too old, or is none of this hive's",
            code="bad_ticket",
            hint="get a new one with `hive open`",
        )

    def holder(self, token: str) -> str | None:
        """Return who bears `token`, None when it logs nobody in (any more)."""
        holder = self.tokens.holder(token)
        return holder if holder is not None and self.known(holder) else None

    def bearer(self, request: Request) -> str:
        """Return who sent `request`; raise `not_logged_in` when its token is missing or no good."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        holder = self.holder(token) if scheme.lower() == "bearer" else None
        if holder is None:
            raise HiveError(
                "you are not logged in", code="not_logged_in",
                hint="open the link that `hive open` prints",
            )  # fmt: skip
        return holder
