"""What keeps an agent from working, how it is told, and when to try again: decided without I/O."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum, StrEnum, auto
from typing import Final

from hivecommon.contracts.streams import MAX_ATTEMPTS

from hive_harness.session import LimitSeen, Result

_FIRST_WAIT_S: Final = 15
_LONGEST_WAIT_S: Final = 600
# Only a human changes these; a look now and then notices that they did.
_SLOW_RETRY: Final = timedelta(minutes=10)
# No answer at all, and the server's own failures: they pass.
_REFUSED: Final = frozenset({400, 413})
_PASSING: Final = frozenset({None, 408, 500, 502, 503, 504})


class Code(StrEnum):
    """The troubles, as the roster names them."""

    NEEDS_LOGIN = "needs_login"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    CREDIT = "credit"
    UNKNOWN_MODEL = "unknown_model"
    API_ERROR = "api_error"
    CLI_MISSING = "cli_missing"
    CLI_TOO_OLD = "cli_too_old"
    CLI_CRASHED = "cli_crashed"
    DISK_FULL = "disk_full"
    SPEND_CAP = "spend_cap"
    CONVERSATION_REFUSED = "conversation_refused"


_SHOWN: Final[dict[int | None, Code]] = {
    401: Code.NEEDS_LOGIN,
    429: Code.RATE_LIMITED,
    529: Code.OVERLOADED,
}


@dataclass(frozen=True)
class Obstacle:
    """Why no turn can run now. Without `retry_at` it lasts until something outside changes."""

    code: Code
    text: str
    retry_at: datetime | None = None


@dataclass(frozen=True)
class Answered:
    """The turn is over and its message done with."""


@dataclass(frozen=True)
class Interrupted:
    """An operator stopped the turn; its message is done with."""


@dataclass(frozen=True)
class Again:
    """The message stays and its turn is tried again once the obstacle is gone."""

    obstacle: Obstacle

    @property
    def in_new_conversation(self) -> bool:
        """Whether the one there is may be what the API refuses: without it the turn could succeed."""
        return self.obstacle.code is Code.CONVERSATION_REFUSED


@dataclass(frozen=True)
class GivenUp:
    """The message cannot be handled; it is parked as failed."""

    reason: str


Verdict = Answered | Interrupted | Again | GivenUp


def backoff(failures: int) -> timedelta:
    """Return how long to wait after the `failures`-th failure in a row: 15 s, 30 s … 10 min."""
    return timedelta(seconds=min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2 ** max(0, failures - 1)))


def crashed(words: str, *, attempts: int, failures: int, now: datetime) -> Verdict:
    """Judge a turn that ended because the CLI died; the first time it is tried again at once."""
    if attempts >= MAX_ATTEMPTS:
        return GivenUp(f"the Claude CLI ended {attempts} times in its turn: {words}")
    wait = backoff(failures - 1) if failures > 1 else timedelta()
    return Again(Obstacle(Code.CLI_CRASHED, f"the Claude CLI ended: {words}", now + wait))


def silent(limit_s: float, *, attempts: int, failures: int, now: datetime) -> Verdict:
    """Judge a turn that was stopped because nothing came from the model any more."""
    words = f"nothing came from the model for {limit_s:g} s"
    if attempts >= MAX_ATTEMPTS:
        return GivenUp(f"{words}, {attempts} times in its turn")
    return Again(Obstacle(Code.API_ERROR, words, now + backoff(failures)))


def retrying(status: int | None, error: str, *, attempt: int, retry_at: datetime) -> Obstacle:
    """Return what to show while the CLI waits to ask the API again, in the middle of a turn."""
    code = _SHOWN.get(status, Code.API_ERROR)
    words = f"the API answered {status}" if status else "the API did not answer"
    detail = f" ({error})" if error else ""
    return Obstacle(code, f"{words}{detail}; attempt {attempt} failed", retry_at)


def judge(
    result: Result, limit: LimitSeen | None, *, attempts: int, failures: int, now: datetime
) -> Verdict:
    """Decide what becomes of a message after its turn.

    `attempts` counts the turns of this message, `failures` the failed ones in a row of any
    message. Branches on `ok`, never on the CLI's subtype, which says `success` for API errors.
    """
    if result.ok:
        return Answered()
    if result.aborted:
        return Interrupted()
    words = result.words or result.error or "no reason given"
    later = now + backoff(failures)
    if (known := _known(result, words, later=later, reset=_reset(limit, now), now=now)) is not None:
        return Again(known)
    unclear = result.error == "server_error" or result.status in _PASSING
    if unclear and attempts < MAX_ATTEMPTS:
        return Again(Obstacle(Code.API_ERROR, words, later))
    if result.status in _REFUSED and attempts == 1:
        # Mostly it is not this message: something that came into the conversation before, an image
        # that the API cannot read or a request that grew too large, would fail every turn to come.
        return Again(Obstacle(Code.CONVERSATION_REFUSED, words, now))
    return GivenUp(words)


def _known(
    result: Result, words: str, *, later: datetime, reset: datetime | None, now: datetime
) -> Obstacle | None:
    obstacle: tuple[Code, str, datetime | None] | None
    match result.error, result.status:
        case ("authentication_failed", 403):
            obstacle = Code.NEEDS_LOGIN, f"this login lacks the permission: {words}", None
        case ("authentication_failed", _) | (_, 401):
            obstacle = Code.NEEDS_LOGIN, words, None
        case ("rate_limit", _) | (_, 429):
            obstacle = Code.RATE_LIMITED, words, reset or later
        case ("billing_error", _):
            obstacle = Code.CREDIT, words, now + _SLOW_RETRY
        case ("model_not_found", _):
            obstacle = Code.UNKNOWN_MODEL, words, now + _SLOW_RETRY
        case (_, 529):
            obstacle = Code.OVERLOADED, words, later
        case _:
            obstacle = None
    return Obstacle(*obstacle) if obstacle else None


def _reset(limit: LimitSeen | None, now: datetime) -> datetime | None:
    if limit is None or not limit.rejected or limit.resets_at is None:
        return None
    # A clock that is behind the API's must not end in a hot loop.
    return max(limit.resets_at, now + timedelta(seconds=1))


def spent(cost_usd: float, cap_usd: float | None, now: datetime) -> Obstacle | None:
    """Return what keeps an agent from spending more today (UTC), None while it may."""
    if cap_usd is None or cost_usd < cap_usd:
        return None
    text = f"today's turns cost {cost_usd:.2f} USD; the cap is {cap_usd:.2f} USD"
    return Obstacle(Code.SPEND_CAP, text, next_day(now))


def next_day(now: datetime) -> datetime:
    """Return when the next day begins (UTC)."""
    return (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)


class Heed(Enum):
    """What the state of the cap asks for."""

    NOTHING = auto()
    STOP = auto()
    GO_ON = auto()


def heed(obstacle: Obstacle | None, reached: Obstacle | None, now: datetime) -> Heed:
    """Return what follows from the obstacle that there is and from the cap, `reached` if it is.

    Another obstacle is shown until it is to be tried again; then the cap stands in the way.
    """
    capped = obstacle is not None and obstacle.code is Code.SPEND_CAP
    if reached is None:
        return Heed.GO_ON if capped else Heed.NOTHING
    if obstacle is None or (capped and obstacle.text != reached.text):
        return Heed.STOP
    due = obstacle.retry_at is not None and obstacle.retry_at <= now
    return Heed.STOP if due and not capped else Heed.NOTHING


def unix(seconds: float | None) -> datetime | None:
    """Return the moment of a Unix time that may be missing or nonsense."""
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None
