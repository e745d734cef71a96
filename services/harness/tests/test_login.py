"""The course of a login, as a table: what the CLI prints, what operators do, what follows."""

from datetime import UTC, datetime, timedelta

import pytest
from hive_harness.login import (
    Action,
    Asked,
    Cancelled,
    Done,
    Ended,
    Event,
    Failed,
    Idle,
    Kill,
    Late,
    Pasted,
    Printed,
    Run,
    Say,
    Starting,
    State,
    Waiting,
    Welcome,
    phase_of,
    readable,
    step,
    words_of,
)
from hivecommon.contracts.login import LoginMethod, LoginPhase
from hivecommon.errors import HiveError

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LIFE = timedelta(minutes=15)
UNTIL = NOW + LIFE
ASKED = Asked(LoginMethod.CLAUDEAI, LIFE)
URL = "https://claude.ai/oauth/authorize?z-1ZusPe_SlJKT5wm"
OPENING = "Opening browser to sign in…\nIf the browser didn't open, visit:\n"
PROMPT = "Paste code here if prompted > "
WAITING = Waiting(LoginMethod.CLAUDEAI, UNTIL, URL)
SILENT = "the Claude CLI ended with status 1 and said nothing"
STARTING = Starting(LoginMethod.CLAUDEAI, UNTIL)


def play(*events: Event, state: State | None = None) -> tuple[State, list[Action]]:
    """Return the last state and all actions."""
    now: State = Idle() if state is None else state
    actions: list[Action] = []
    for event in events:
        now, more = step(now, event, NOW)
        actions += more
    return now, actions


@pytest.mark.parametrize(
    ("events", "state", "actions"),
    [
        ([ASKED], STARTING, [Run(LoginMethod.CLAUDEAI)]),
        ([ASKED, ASKED], STARTING, [Run(LoginMethod.CLAUDEAI)]),  # the second one joins
        ([ASKED, Printed(f"{OPENING}{URL}\n{PROMPT}")], WAITING, [Run(LoginMethod.CLAUDEAI)]),
        ([ASKED, Printed(OPENING), Printed(URL[:30])], STARTING, [Run(LoginMethod.CLAUDEAI)]),
        (
            [ASKED, Printed(OPENING + URL[:30]), Printed(URL[30:]), Printed("\n")],
            WAITING,
            [Run(LoginMethod.CLAUDEAI)],
        ),
        ([ASKED, Cancelled()], Idle("the login was cancelled"), [Run(LoginMethod.CLAUDEAI), Kill()]),
        ([Cancelled()], Idle(), []),
        ([Late()], Idle(), []),
        ([Ended(1)], Idle(), []),
    ],
)  # fmt: skip
def test_a_login_begins(events: list[Event], state: State, actions: list[Action]) -> None:
    found, done = play(*events)
    if isinstance(found, Starting):
        found = Starting(found.method, found.until)
    assert (found, done) == (state, actions)


@pytest.mark.parametrize(
    ("events", "phase", "words", "actions"),
    [
        ([Pasted(" abc#def\n")], "checking", "", [Say("abc#def")]),
        ([Pasted("abc")], "waiting", "", [Say("abc")]),
        ([Pasted("abc#")], "waiting", "", [Say("abc#")]),
        (
            [Printed(PROMPT), Pasted("abc"), Printed("That doesn't look like the full code.\n")],
            "waiting",
            "That doesn't look like the full code.",
            [Say("abc")],
        ),
        # Whole lines only: the rest of one is on its way.
        ([Pasted("abc"), Printed("That doesn't lo")], "waiting", "", [Say("abc")]),
        ([Pasted("a#b"), Pasted("c#d")], "checking", "", [Say("a#b"), Say("c#d")]),
        ([Pasted("a#b"), Printed("Login successful.\n"), Ended(0)], "done", "", [Say("a#b"), Welcome()]),
        ([Ended(0)], "done", "", [Welcome()]),
        ([Pasted("a#b"), Ended(1, "")], "failed", SILENT, [Say("a#b")]),
        ([Late()], "failed", "no good code came in time", [Kill()]),
        ([Cancelled()], "idle", "the login was cancelled", [Kill()]),
    ],
)  # fmt: skip
def test_a_code_is_handed_over_and_the_end_is_told(
    events: list[Event], phase: str, words: str, actions: list[Action]
) -> None:
    state, done = play(*events, state=WAITING)
    assert (phase_of(state), words_of(state), done) == (phase, words, actions)


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("Couldn't log in: That code wasn't accepted. It may be incomplete.\n", "new link"),
        ("Couldn't log in: getaddrinfo ENOTFOUND platform.claude.com\n", "does not reach"),
        ("Couldn't log in: proxy refused the connection\n", "does not reach"),
        ("Login failed: Request failed with status code 400\n", "new link"),
    ],
)
def test_a_failure_has_the_clis_own_words_and_a_way_out(words: str, hint: str) -> None:
    state, actions = play(Pasted("a#b"), Printed(words), Ended(1), state=WAITING)
    assert isinstance(state, Failed)
    assert state.words == words.strip()
    assert hint in state.hint
    assert actions == [Say("a#b")]


@pytest.mark.parametrize("state", [Idle(), STARTING, Done(LoginMethod.CONSOLE)])
def test_a_code_that_nothing_waits_for_is_refused(state: State) -> None:
    with pytest.raises(HiveError, match="no login waits") as refused:
        step(state, Pasted("a#b"), NOW)
    assert refused.value.code == "no_login"


def test_another_method_at_the_same_time_is_refused() -> None:
    with pytest.raises(HiveError, match="claudeai is under way") as refused:
        step(WAITING, Asked(LoginMethod.CONSOLE, LIFE), NOW)
    assert refused.value.code == "login_running"


@pytest.mark.parametrize("code", ["", "  ", "a#b\nc#d", "a\x00#b", "a#b\x1b[2J"])
def test_a_code_that_is_no_line_is_refused(code: str) -> None:
    with pytest.raises(HiveError, match="one line") as refused:
        step(WAITING, Pasted(code), NOW)
    assert refused.value.code == "bad_code"


@pytest.mark.parametrize(
    "ended", [Idle("x"), Done(LoginMethod.CLAUDEAI), Failed(LoginMethod.CLAUDEAI, "", "")]
)
def test_after_an_end_a_login_begins_anew(ended: State) -> None:
    state, actions = play(Asked(LoginMethod.CONSOLE, LIFE), state=ended)
    assert phase_of(state) is LoginPhase.STARTING
    assert actions == [Run(LoginMethod.CONSOLE)]


def test_a_flood_is_bounded_and_nothing_of_it_steers_a_terminal() -> None:
    flood = "\x1b[31m\u202ehttps://evil.example\x07" + "x" * 100_000
    state, _ = play(ASKED, Printed(flood))
    assert isinstance(state, Starting)
    assert len(state.output) <= 16_000
    assert readable("\x1b[2J\x1b]0;title\x07bad\u202enews\r\nmore") == "bad news more"


def test_an_address_is_only_one_of_https() -> None:
    state, _ = play(ASKED, Printed("visit javascript:alert(1) or http://a.example/x \n"))
    assert phase_of(state) is LoginPhase.STARTING
    state, _ = play(ASKED, Printed('visit https://a.example/"><script> now\n'))
    assert phase_of(state) is LoginPhase.STARTING
