"""A login of the Claude CLI, from the first output to its end: decided without I/O.

`claude auth login` prints an address, reads a code, and ends. Its wording differs between versions, so
only its shape is relied on: a line with an https address, and an exit status.
"""

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from hivecommon.contracts.login import LoginMethod, LoginPhase
from hivecommon.errors import HiveError

_MAX_OUTPUT: Final = 16_000
_MAX_WORDS: Final = 500
_MAX_URL: Final = 4000
_ADDRESS: Final = re.compile(r"https://[^\s\"'<>\x00-\x1f\x7f]+(?=\s)")
_ESCAPES: Final = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(\x07|\x1b\\)|\x1b.")
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_PROMPT: Final = re.compile(r"Paste code[^>\n]*>\s?")
_ANEW: Final = "begin again for a new link and a new code"
_OFFLINE: Final = re.compile(
    r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|UNABLE_TO_|"
    r"fetch failed|proxy|certificate|socket hang up|timeout of",
)


@dataclass(frozen=True)
class Idle:
    """No login is under way."""

    words: str = ""


@dataclass(frozen=True)
class Starting:
    """The CLI was begun and has not shown an address yet."""

    method: LoginMethod
    until: datetime
    output: str = ""


@dataclass(frozen=True)
class Waiting:
    """For a code. With `checking` the CLI has one and has not said what it thinks of it."""

    method: LoginMethod
    until: datetime
    url: str
    checking: bool = False
    output: str = ""
    """What was said since the last code."""


@dataclass(frozen=True)
class Done:
    """The login is there."""

    method: LoginMethod


@dataclass(frozen=True)
class Failed:
    """It came to nothing; earlier credentials are as they were."""

    method: LoginMethod
    words: str
    hint: str


State = Idle | Starting | Waiting | Done | Failed


@dataclass(frozen=True)
class Asked:
    """Somebody wants to log in."""

    method: LoginMethod
    life: timedelta


@dataclass(frozen=True)
class Printed:
    """The CLI said something; pieces come as the pipe cuts them."""

    text: str


@dataclass(frozen=True)
class Pasted:
    """Somebody gave a code."""

    code: str


@dataclass(frozen=True)
class Cancelled:
    """Somebody gives it up."""


@dataclass(frozen=True)
class Late:
    """Nobody gave a good code in time."""


@dataclass(frozen=True)
class Ended:
    """The CLI ended; with words when it could not even be run."""

    status: int
    words: str = ""


Event = Asked | Printed | Pasted | Cancelled | Late | Ended


@dataclass(frozen=True)
class Run:
    """Begin the CLI."""

    method: LoginMethod


@dataclass(frozen=True)
class Say:
    """Hand the CLI a line."""

    line: str


@dataclass(frozen=True)
class Kill:
    """End the CLI: it would wait for ever."""


@dataclass(frozen=True)
class Welcome:
    """The agent has a login: go on with what waited for it."""


Action = Run | Say | Kill | Welcome


def step(state: State, event: Event, now: datetime) -> tuple[State, list[Action]]:
    """Return what follows; raise `login_running` or `no_login` for what cannot be done now."""
    after: tuple[State, list[Action]]
    match event:
        case Asked():
            after = _begin(state, event, now)
        case Pasted(code):
            after = _paste(state, code)
        case Printed(text):
            after = _hear(state, text), []
        case Cancelled() if isinstance(state, Starting | Waiting):
            after = Idle("the login was cancelled"), [Kill()]
        case Late() if isinstance(state, Starting | Waiting):
            what = "no address" if isinstance(state, Starting) else "no good code"
            after = Failed(state.method, f"{what} came in time", _ANEW), [Kill()]
        case Ended() if isinstance(state, Starting | Waiting):
            after = _end(state, event)
        case _:
            after = state, []
    return after


def phase_of(state: State) -> LoginPhase:
    """Return how far it is, in the word that the bus has for it."""
    match state:
        case Idle():
            return LoginPhase.IDLE
        case Starting():
            return LoginPhase.STARTING
        case Waiting(checking=checking):
            return LoginPhase.CHECKING if checking else LoginPhase.WAITING
        case Done():
            return LoginPhase.DONE
        case Failed():
            return LoginPhase.FAILED


def words_of(state: State) -> str:
    """Return what the CLI said last, whole lines only while it may go on speaking."""
    match state:
        case Idle(words) | Failed(words=words):
            return words
        case Waiting(output=output):
            return readable(output[: output.rfind("\n") + 1])
        case _:
            return ""


def readable(output: str) -> str:
    """Return output as one harmless line, the end of a long one."""
    text = _PROMPT.sub("", _ESCAPES.sub("", output))
    return _CONTROLS.sub(" ", text).strip()[-_MAX_WORDS:]


def _begin(state: State, asked: Asked, now: datetime) -> tuple[State, list[Action]]:
    if not isinstance(state, Starting | Waiting):
        return Starting(asked.method, now + asked.life), [Run(asked.method)]
    if state.method is asked.method:
        return state, []
    raise HiveError(
        f"a login with {state.method} is under way", code="login_running",
        hint="finish it, or cancel it first",
    )  # fmt: skip


def _paste(state: State, code: str) -> tuple[State, list[Action]]:
    if not isinstance(state, Waiting):
        raise HiveError(
            "no login waits for a code", code="no_login", hint="begin one, and open its link"
        )
    line = code.strip()
    if not line or _CONTROLS.search(line):
        raise HiveError(
            "a code is one line without control characters", code="bad_code",
            hint="copy all of it, including the # in the middle",
        )  # fmt: skip
    before, _, after = line.partition("#")
    # Of half a code the CLI says that it is none, and waits on (measured with 2.1.330).
    return replace(state, checking=bool(before and after), output=""), [Say(line)]


def _hear(state: State, text: str) -> State:
    if isinstance(state, Waiting):
        return replace(state, output=(state.output + text)[-_MAX_OUTPUT:])
    if not isinstance(state, Starting):
        return state
    output = (state.output + text)[-_MAX_OUTPUT:]
    found = _ADDRESS.search(_ESCAPES.sub("", output))
    if found is None or len(found[0]) > _MAX_URL:
        return replace(state, output=output)
    return Waiting(state.method, state.until, found[0])


def _end(state: Starting | Waiting, ended: Ended) -> tuple[State, list[Action]]:
    if ended.status == 0:
        return Done(state.method), [Welcome()]
    words = ended.words or readable(state.output)
    words = words or f"the Claude CLI ended with status {ended.status} and said nothing"
    hint = _ANEW
    if _OFFLINE.search(words):
        hint = "this host does not reach claude.com: see to its network or HTTPS_PROXY, then begin again"
    return Failed(state.method, words, hint), []
