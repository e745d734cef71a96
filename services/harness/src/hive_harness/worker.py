"""The agent at work: takes one message after another and gives each a turn of the model."""

import asyncio
import sqlite3
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final

import structlog
from hivecommon.contracts.events import HarnessStarted, Trouble
from hivecommon.contracts.roster import Activity
from hivecommon.errors import HiveError

from hive_harness.claude import Claude, CliEnded, CliGone, NoSuchSession
from hive_harness.credentials import Credentials, Fingerprint
from hive_harness.eventlog import Clock, EventLog
from hive_harness.inbox import Inbox
from hive_harness.session import Letter
from hive_harness.sessions import Sessions
from hive_harness.status import StatusBoard
from hive_harness.store import Store
from hive_harness.trouble import (
    Again,
    Answered,
    Code,
    GivenUp,
    Interrupted,
    Obstacle,
    Verdict,
    backoff,
    crashed,
    judge,
    silent,
    spent,
)
from hive_harness.turn import Stage, Turn
from hive_harness.turns import Desk, Stop, Take, Wait, blocked, next_step

_LOGIN_POLL_S: Final = 2.0
_DISK_POLL_S: Final = 5.0

_log = structlog.get_logger()


@dataclass(frozen=True)
class Parts:
    """What the worker works with."""

    claude: Claude
    sessions: Sessions
    store: Store
    log: EventLog
    inbox: Inbox
    board: StatusBoard
    credentials: Credentials
    clock: Clock


class Worker:
    """Runs turns until `stop`. Its decisions are made in `turns` and `trouble`."""

    def __init__(
        self, parts: Parts, *, paused: bool, spend_cap_usd: float | None, silence_s: float
    ) -> None:
        self._parts = parts
        self._stage = Stage(
            parts.claude,
            parts.log,
            parts.board,
            parts.clock,
            on_progress=self._overcome,
            silence_s=silence_s,
        )
        self._paused = paused
        self._spend_cap_usd = spend_cap_usd
        self._cap_lifted_on: date | None = None
        self._stopping = False
        self._obstacle: Obstacle | None = None
        self._login_tried: Fingerprint = ()
        self._failures = 0
        self._turn: Turn | None = None
        self._wake = asyncio.Event()

    @property
    def letter(self) -> Letter | None:
        """The message whose turn runs."""
        return self._turn.letter if self._turn else None

    def wake(self) -> None:
        """Look again what there is to do."""
        self._wake.set()

    async def retry_now(self) -> bool:
        """Try again what waits for a limit, a login or a repair; False when nothing does.

        A spend cap that was reached is lifted for the rest of the day.
        """
        if self._turn is not None:
            return await self._turn.hurry()
        waits = self._obstacle is not None
        if self._obstacle is not None and self._obstacle.code is Code.SPEND_CAP:
            self._cap_lifted_on = self._parts.clock().date()
        self._overcome()
        return waits

    def credentials_changed(self) -> None:
        """Go on with what waits for a login."""
        if self._obstacle is not None and self._obstacle.code is Code.NEEDS_LOGIN:
            self._overcome()

    def set_paused(self, paused: bool) -> bool:  # noqa: FBT001 - the verb's only argument
        """Begin no new turn, or go on; return whether that changed anything."""
        changed = paused != self._paused
        self._paused = paused
        self._parts.board.change(paused=paused)
        if self._turn is None:
            self._parts.board.rest()
        self.wake()
        return changed

    async def interrupt(self) -> bool:
        """Stop the turn that runs; False when none does."""
        if self._turn is None:
            return False
        await self._turn.abort()
        return True

    async def stop(self) -> None:
        """Begin nothing any more and stop the turn that runs; its message stays for the next start."""
        self._stopping = True
        self.wake()
        if self._turn is not None:
            await self._turn.abort()

    async def run(self) -> None:
        """Work until `stop`."""
        if not self._parts.credentials.present:
            self._hinder(Obstacle(Code.NEEDS_LOGIN, "this agent has no Claude login yet"))
        elif not self._stopping:
            await self._connect()
        self._parts.board.rest()
        while True:
            self._wake.clear()
            desk = await self._look()
            if blocked(desk):
                await self._parts.inbox.close()
            else:
                await self._parts.inbox.open()
            match next_step(desk):
                case Stop():
                    return
                case Wait(until):
                    await self._wait(until)
                case Take(letter):
                    await self._handle(letter)

    async def _look(self) -> Desk:
        if self._parts.log.failing and self._obstacle is None:
            self._hinder_for_disk(self._parts.log.failing)
        await self._mind_the_cap()
        from_page = await self._parts.store.page_letters(limit=1)
        return Desk(
            now=self._parts.clock(),
            paused=self._paused,
            stopping=self._stopping,
            obstacle=self._obstacle,
            from_page=from_page[0] if from_page else None,
            from_bus=self._parts.inbox.first,
        )

    async def _mind_the_cap(self) -> None:
        parts, now = self._parts, self._parts.clock()
        cost = await parts.store.cost_usd(now.date())
        parts.board.change(cost_today_usd=cost)
        if self._obstacle is None and self._cap_lifted_on != now.date():
            obstacle = spent(cost, self._spend_cap_usd, now)
            if obstacle is not None:
                self._hinder(obstacle)
                parts.board.rest()

    async def _wait(self, until: datetime | None) -> None:
        limit_s: float | None = None
        if until is not None:
            limit_s = max(0.0, (until - self._parts.clock()).total_seconds())
        needs_login = self._obstacle is not None and self._obstacle.code is Code.NEEDS_LOGIN
        if needs_login:
            limit_s = _LOGIN_POLL_S
        with suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await self._wake.wait()
        credentials = self._parts.credentials
        if needs_login and credentials.present and credentials.fingerprint != self._login_tried:
            self._overcome()

    def _after(self, seconds: float) -> datetime:
        return self._parts.clock() + timedelta(seconds=seconds)

    def _hinder(self, obstacle: Obstacle) -> None:
        self._obstacle = obstacle
        if obstacle.code is Code.NEEDS_LOGIN:
            self._login_tried = self._parts.credentials.fingerprint
        _log.warning("hindered", code=obstacle.code, reason=obstacle.text)
        self._parts.log.record(Trouble(str(obstacle.code), obstacle.text, obstacle.retry_at))
        self._parts.board.hinder(obstacle)

    def _hinder_for_disk(self, reason: object) -> None:
        text = f"the agent's state cannot be written: {reason}"
        self._hinder(Obstacle(Code.DISK_FULL, text, self._after(_DISK_POLL_S)))

    def _overcome(self) -> None:
        self._parts.board.hinder(None)
        if self._obstacle is not None:
            self._obstacle = None
            self.wake()

    async def _connect(self) -> bool:
        """Start the CLI unless it runs; False, with the obstacle shown, when it does not start."""
        parts = self._parts
        if parts.claude.connected:
            if not parts.claude.outdated:
                return True
            await parts.claude.close()
        parts.board.change(activity=Activity.STARTING)
        try:
            connected = await parts.sessions.connect(parts.claude)
        except HiveError as error:
            self._failures += 1
            code = Code(error.code) if error.code in set(Code) else Code.CLI_CRASHED
            retry_at = parts.clock() + backoff(self._failures)
            self._hinder(Obstacle(code, f"{error.message} {error.hint}".strip(), retry_at))
            parts.board.rest()
            return False
        parts.board.change(session_id=connected.session_id)
        model = parts.board.status.model
        parts.log.record(HarnessStarted(connected.session_id, connected.resumed, model))
        return True

    async def _handle(self, letter: Letter) -> None:
        parts = self._parts
        if not await self._connect():
            return
        try:
            number, before = await parts.store.begin(letter)
        except sqlite3.OperationalError as error:
            self._hinder_for_disk(error)
            return
        self._turn = turn = Turn(self._stage, letter, number, before)
        turn.announce(unread=parts.inbox.unread)
        try:
            verdict = await self._play(turn)
        finally:
            self._turn = None
        await self._conclude(turn, verdict)
        parts.board.rest()

    async def _play(self, turn: Turn) -> Verdict:
        unread, clock = self._parts.inbox.unread, self._parts.clock
        try:
            try:
                await turn.run(unread=unread)
            except CliGone:
                # It had ended before, unnoticed; the message never reached it.
                if not await self._connect():
                    raise
                await turn.run(unread=unread)
        except NoSuchSession as error:
            await self._parts.claude.close()
            await self._parts.sessions.forget()
            return Again(Obstacle(Code.CLI_CRASHED, error.message, clock()))
        except CliEnded as error:
            return self._stopped(turn) or self._cut_off(turn, error)
        if not turn.result.ok and (stopped := self._stopped(turn)) is not None:
            return stopped
        passed = turn.result.ok or turn.result.aborted
        self._failures = 0 if passed else self._failures + 1
        return judge(
            turn.result, turn.limit,
            attempts=turn.attempts, failures=self._failures, now=clock(),
        )  # fmt: skip

    def _stopped(self, turn: Turn) -> Verdict | None:
        """Return what becomes of a turn that the harness stopped for a reason of its own."""
        now = self._parts.clock()
        if turn.hurried and turn.waiting is not None:
            return Again(replace(turn.waiting, retry_at=now))
        if turn.stalled:
            self._failures += 1
            return silent(
                self._stage.silence_s, attempts=turn.attempts, failures=self._failures, now=now
            )
        if turn.unauthorized:
            return Again(Obstacle(Code.NEEDS_LOGIN, "the login is not accepted any more"))
        return None

    def _cut_off(self, turn: Turn, error: CliEnded) -> Verdict:
        if turn.aborting:
            return Interrupted()
        self._failures += 1
        return crashed(
            error.message,
            attempts=turn.attempts, failures=self._failures, now=self._parts.clock(),
        )  # fmt: skip

    async def _conclude(self, turn: Turn, verdict: Verdict) -> None:
        parts = self._parts
        if self._stopping and not turn.result.ok:
            verdict = Again(Obstacle(Code.CLI_CRASHED, "the harness was stopped"))
        outcome, error = _outcome(verdict)
        await self._write_down(turn, verdict, outcome, error)
        turn.conclude(outcome, error)
        if isinstance(verdict, Again):
            if not self._stopping:
                self._hinder(verdict.obstacle)
        else:
            self._overcome()
            parts.inbox.settle(turn.letter, failed=isinstance(verdict, GivenUp))
        context = turn.result.context_used
        parts.board.change(
            context_used=parts.board.status.context_used if context is None else context,
            unread=parts.inbox.unread,
        )

    async def _write_down(self, turn: Turn, verdict: Verdict, outcome: str, error: str) -> None:
        """Note the outcome before anybody is told of it; a full disk is waited out."""
        parts = self._parts
        usage, today = turn.result.usage, parts.clock().date()
        while True:
            try:
                if isinstance(verdict, Again):
                    await parts.store.cut_off(turn.letter, error, usage, day=today)
                else:
                    await parts.store.finish(
                        turn.letter, outcome, usage, day=today, last_seq=parts.log.last_seq
                    )
            except sqlite3.OperationalError as failure:
                self._hinder_for_disk(failure)
                await asyncio.sleep(_DISK_POLL_S)
            else:
                return


def _outcome(verdict: Verdict) -> tuple[str, str]:
    match verdict:
        case Answered():
            return "answered", ""
        case Interrupted():
            return "interrupted", ""
        case GivenUp(reason):
            return "failed", reason
        case Again(obstacle):
            return "postponed", obstacle.text
