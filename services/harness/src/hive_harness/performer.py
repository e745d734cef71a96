"""Plays a turn to its end and says what becomes of its messages."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from hive_harness.claude import Claude, CliEnded, CliGone, NoSuchSession
from hive_harness.eventlog import Clock
from hive_harness.hindrance import Hindrance
from hive_harness.session import Prompt
from hive_harness.sessions import Sessions
from hive_harness.trouble import (
    Again,
    Answered,
    Code,
    GivenUp,
    Interrupted,
    Obstacle,
    Verdict,
    crashed,
    judge,
    silent,
)
from hive_harness.turn import Turn


class Performer:
    """Knows the ways in which a run of the CLI can end; `trouble` judges them."""

    def __init__(
        self, claude: Claude, sessions: Sessions, hindrance: Hindrance, clock: Clock, *,
        connect: Callable[[], Awaitable[bool]], silence_s: float,
    ) -> None:  # fmt: skip
        self._claude = claude
        self._sessions = sessions
        self._hindrance = hindrance
        self._clock = clock
        self._connect = connect
        self._silence_s = silence_s

    async def play(self, turn: Turn, prompt: Prompt) -> Verdict:
        """Run the turn, on a new CLI if the old one had ended unnoticed; return its verdict."""
        try:
            await self._run(turn, prompt)
        except NoSuchSession as error:
            await self._claude.close()
            await self._sessions.forget()
            return Again(Obstacle(Code.CLI_CRASHED, error.message, self._clock()))
        except CliEnded as error:
            return self._stopped(turn) or self._cut_off(turn, error)
        if not turn.result.ok and (stopped := self._stopped(turn)) is not None:
            return stopped
        passed = turn.result.ok or turn.result.aborted
        self._hindrance.failures = 0 if passed else self._hindrance.failures + 1
        verdict = judge(
            turn.result, turn.limit,
            attempts=turn.attempts, failures=self._hindrance.failures, now=self._clock(),
        )  # fmt: skip
        await self._choose_conversation(turn, verdict)
        return verdict

    async def _choose_conversation(self, turn: Turn, verdict: Verdict) -> None:
        match verdict:
            case Again() if verdict.in_new_conversation:
                await self._sessions.set_aside()
                await self._claude.close()
            case Answered() if turn.attempts > 1:
                await self._sessions.stay()
            case GivenUp() if turn.attempts > 1 and await self._sessions.take_back():
                await self._claude.close()
            case _:
                pass

    async def _run(self, turn: Turn, prompt: Prompt) -> None:
        try:
            await turn.run(prompt)
        except CliGone:
            # The message never reached it.
            if not await self._connect():
                raise
            await turn.run(prompt)

    def _stopped(self, turn: Turn) -> Verdict | None:
        """Return what becomes of a turn that the harness stopped for a reason of its own."""
        now = self._clock()
        if turn.hurried and turn.waiting is not None:
            return Again(replace(turn.waiting, retry_at=now))
        if turn.stalled:
            self._hindrance.failures += 1
            return silent(
                self._silence_s,
                attempts=turn.attempts, failures=self._hindrance.failures, now=now,
            )  # fmt: skip
        if turn.unauthorized:
            return Again(Obstacle(Code.NEEDS_LOGIN, "the login is not accepted any more"))
        return None

    def _cut_off(self, turn: Turn, error: CliEnded) -> Verdict:
        if turn.aborting:
            return Interrupted()
        self._hindrance.failures += 1
        return crashed(
            error.message,
            attempts=turn.attempts, failures=self._hindrance.failures, now=self._clock(),
        )  # fmt: skip
