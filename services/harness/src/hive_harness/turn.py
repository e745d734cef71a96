"""One turn: messages given to the model, what it does told as it happens, how it ended."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from hivecommon.contracts.events import Trouble
from hivecommon.contracts.roster import Activity

from hive_harness import transcript
from hive_harness.claude import Claude
from hive_harness.draft import Draft
from hive_harness.eventlog import Clock, EventLog
from hive_harness.ledger import TurnRecord
from hive_harness.session import (
    Began,
    Called,
    Compacting,
    Happening,
    Letter,
    LimitSeen,
    Prompt,
    Result,
    Retrying,
    Returned,
    Said,
    Thought,
    Wrote,
)
from hive_harness.silence import Silence
from hive_harness.status import StatusBoard
from hive_harness.store import Fate
from hive_harness.trouble import Obstacle, retrying

_UNAUTHORIZED: Final = 401
_ENDED_IN_TURN: Final = "the harness ended in the middle of the turn"
_MANY: Final = 20

_log = structlog.get_logger()


@dataclass(frozen=True)
class Stage:
    """What every turn plays on."""

    claude: Claude
    log: EventLog
    board: StatusBoard
    draft: Draft
    clock: Clock
    on_progress: Callable[[], None]
    """Called when the model does something: whatever kept it from it is over."""
    silence_s: float
    """How long the model may say nothing before the turn is stopped."""


@dataclass(frozen=True)
class Handed:
    """A message in a turn, and what was known of it before."""

    letter: Letter
    before: Fate

    @property
    def note(self) -> str:
        """What the model is told of earlier turns; empty when there was none."""
        attempts = self.before.attempts
        if not attempts:
            return ""
        why = self.before.cut_off or _ENDED_IN_TURN
        times = "once" if attempts == 1 else f"{attempts} times"
        return (
            f"you were given this message {times} before, and the turn was cut off ({why})."
            " Some of it may be done already: look before you do it again."
        )


class Turn:
    """A turn of one message or several; `own` says why the harness itself began it, if it did."""

    def __init__(
        self, stage: Stage, handed: Sequence[Handed], number: int, *, own: str = ""
    ) -> None:
        self._stage = stage
        self._handed = list(handed)
        self._own = own
        self._tools: Counter[str] = Counter()
        self.number = number
        self.attempts = max(one.before.attempts for one in handed) + 1
        self.aborting = False
        self.unauthorized = False
        """Whether the API did not accept the login."""
        self.stalled = False
        """Whether it was stopped because nothing came from the model any more."""
        self.waiting: Obstacle | None = None
        """Why the CLI waits before it asks the API again; None while it does not."""
        self.hurried = False
        """Whether it was stopped so that the API is asked again at once."""
        self.limit: LimitSeen | None = None
        self.result = Result(ok=False)

    @property
    def letters(self) -> list[Letter]:
        """The messages that it has taken until now, in their order."""
        return [one.letter for one in self._handed]

    @property
    def of_messages(self) -> bool:
        """Whether somebody's message is handled in it."""
        return not self._own

    def announce(self, *, unread: int) -> None:
        """Tell that the turn begins."""
        stage, (first, *others) = self._stage, self._handed
        again = first.before.attempts > 0
        stage.log.record(
            transcript.started(first.letter, redelivered=again, own=self._own), turn=self.number
        )
        self._tell_taken(others)
        stage.board.change(activity=Activity.WORKING, turn=self.number, unread=unread)

    def take(self, handed: Sequence[Handed]) -> None:
        """Let further messages be part of the turn: what becomes of it becomes of them."""
        self._handed += handed
        self._tell_taken(handed)

    async def run(self, prompt: Prompt) -> None:
        """Give the model the prompt and listen until its result; raises what `Claude.turn` does."""
        silence = Silence(self._stage.silence_s, time.monotonic)
        watching = asyncio.ensure_future(self._watch(silence))
        try:
            async for happening in self._stage.claude.turn(prompt, silence.heard):
                silence.take(happening)
                self._take(happening)
                if isinstance(happening, Retrying) and happening.status == _UNAUTHORIZED:
                    # The CLI would try for more than a minute.
                    self.unauthorized = True
                    await self.abort()
        finally:
            watching.cancel()

    async def _watch(self, silence: Silence) -> None:
        while left_s := silence.left_s:  # noqa: ASYNC110 - until it has lasted, not for an event
            await asyncio.sleep(left_s)
        _log.warning("model_silent", turn=self.number, silence_s=silence.limit_s)
        self.stalled = True
        await self.abort()

    async def hurry(self) -> bool:
        """Have the API asked again at once; False when nothing waits for that."""
        if self.waiting is None:
            return False
        self.hurried = True
        await self.abort()
        return True

    async def abort(self) -> None:
        """Stop the model; `run` then ends."""
        if not self.aborting:
            self.aborting = True
            if not await self._stage.claude.interrupt():
                await self._stage.claude.close()

    def record(self, outcome: str, now: datetime) -> TurnRecord:
        """Return what it took, for the ledger."""
        return TurnRecord(
            number=self.number,
            ended_at=now,
            sender=self.letters[0].sender,
            outcome=outcome,
            model=self._stage.board.status.model,
            usage=self.result.usage,
            tools=self._tools,
        )

    def conclude(self, outcome: str, error: str) -> None:
        """Tell how the turn ended."""
        self._stage.draft.clear()
        self._stage.log.record(
            transcript.ended(self.letters, outcome, self.result, tools=self._tools, error=error),
            turn=self.number,
        )

    def _tell_taken(self, handed: Sequence[Handed]) -> None:
        for one in handed:
            event = transcript.taken(one.letter, redelivered=one.before.attempts > 0)
            self._stage.log.record(event, turn=self.number)

    def _take(self, happening: Happening) -> None:
        stage = self._stage
        match happening:
            case Began():
                stage.board.change(model=happening.model)
                for name in happening.missing_servers[:_MANY]:
                    text = f"the MCP server {name[:40]} of agent.toml did not start"
                    stage.log.record(Trouble("mcp_server_failed", text), turn=self.number)
            case Wrote():
                stage.draft.add(happening.piece, thinking=happening.thinking)
            case Said() | Thought() | Called() | Returned():
                self.waiting = None
                stage.draft.clear()
                stage.on_progress()
                stage.log.record(transcript.told(happening), turn=self.number)
                self._show_tool(happening)
            case Retrying():
                self._show_retry(happening)
            case LimitSeen():
                self.limit = happening
            case Compacting():
                activity = Activity.WORKING if happening.ended else Activity.COMPACTING
                stage.board.change(activity=activity)
            case Result():
                self.result = happening
                for tool in happening.refused[:_MANY]:
                    text = f"the call of {tool[:80]} was refused: its tools do not allow it"
                    stage.log.record(Trouble("tool_refused", text), turn=self.number)

    def _show_retry(self, retry: Retrying) -> None:
        stage = self._stage
        retry_at = stage.clock() + timedelta(seconds=retry.delay_s)
        self.waiting = retrying(
            retry.status, retry.error[:200], attempt=retry.attempt, retry_at=retry_at
        )
        stage.log.record(Trouble("api_retry", self.waiting.text, retry_at), turn=self.number)
        if retry.status != _UNAUTHORIZED:  # that one is not waited for
            stage.board.hinder(self.waiting)

    def _show_tool(self, happening: Said | Thought | Called | Returned) -> None:
        if isinstance(happening, Called):
            self._tools[happening.tool] += 1
            self._stage.board.change(current_tool=happening.tool[:80])
        elif isinstance(happening, Returned):
            self._stage.board.change(current_tool="")
