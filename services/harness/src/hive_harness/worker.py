"""The agent at work: takes messages in their order and gives each a turn of the model."""

import asyncio
import secrets
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from hivecommon.contracts.events import HarnessStarted, MessageParked
from hivecommon.contracts.roster import Activity
from hivecommon.contracts.streams import MAX_ATTEMPTS
from hivecommon.errors import HiveError

from hive_harness.chores import Chore
from hive_harness.claude import Claude
from hive_harness.credentials import Credentials
from hive_harness.draft import Draft
from hive_harness.eventlog import Clock, EventLog
from hive_harness.hindrance import DISK_POLL_S, Hindrance
from hive_harness.housekeeping import Housekeeping
from hive_harness.performer import Performer
from hive_harness.prompt import Quoted, turn_prompt
from hive_harness.reception import Reception
from hive_harness.session import Letter, Prompt
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
)
from hive_harness.turn import Handed, Stage, Turn
from hive_harness.turns import Desk, Do, Stop, Take, Wait, next_step
from hive_harness.waiting import Waiting

_FENCE_BYTES: Final = 4


@dataclass(frozen=True)
class Parts:
    """What the worker works with."""

    claude: Claude
    sessions: Sessions
    store: Store
    log: EventLog
    waiting: Waiting
    board: StatusBoard
    draft: Draft
    credentials: Credentials
    hindrance: Hindrance
    housekeeping: Housekeeping
    reception: Reception
    clock: Clock


class Worker:
    """Runs turns until `stop`. Its decisions are made in `turns`, `chores` and `trouble`."""

    def __init__(self, parts: Parts, *, paused: bool, batch: int, silence_s: float) -> None:
        self._parts = parts
        self._hindrance = parts.hindrance
        self._stage = Stage(
            parts.claude,
            parts.log,
            parts.board,
            parts.draft,
            parts.clock,
            on_progress=parts.hindrance.overcome,
            silence_s=silence_s,
        )
        self._performer = Performer(
            parts.claude, parts.sessions, parts.hindrance, parts.clock, connect=self._connect,
            silence_s=silence_s,
        )  # fmt: skip
        self._paused = paused
        self._batch = batch
        self._stopping = False
        self._turn: Turn | None = None

    @property
    def turn(self) -> Turn | None:
        """The turn that runs."""
        return self._turn

    def wake(self) -> None:
        """Look again what there is to do."""
        self._hindrance.wake()
        self._parts.reception.wake()

    async def retry_now(self) -> bool:
        """Try again what waits for a limit, a login or a repair; False when nothing does."""
        if self._turn is not None:
            return await self._turn.hurry()
        return await self._hindrance.retry_now()

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
        await self._parts.housekeeping.open()
        await self._parts.waiting.open()
        await self._hindrance.open()
        if not self._stopping:
            await self._connect()
        self._parts.board.rest()
        going_on = True
        while going_on:
            try:
                going_on = await self._step()
            except sqlite3.OperationalError as error:
                self._hindrance.hinder_for_disk(error)
                await self._hindrance.wait(None)

    async def _step(self) -> bool:
        """Do what is to be done next; False when nothing is to be begun any more."""
        self._hindrance.look_anew()
        match next_step(await self._look()):
            case Stop():
                return False
            case Wait(until):
                await self._hindrance.wait(until)
            case Do(chore):
                await self._do(chore)
            case Take(letters):
                await self._handle(letters)
        return True

    async def _look(self) -> Desk:
        parts = self._parts
        await self._mind_the_disk()
        self._hindrance.mind_the_cap(await parts.store.cost_usd(parts.clock().date()))
        letters = await parts.waiting.letters()
        parts.board.change(unread=parts.waiting.unread, parked=await parts.store.parked_count())
        return Desk(
            now=parts.clock(),
            paused=self._paused,
            stopping=self._stopping,
            obstacle=self._hindrance.obstacle,
            chore=parts.housekeeping.next(),
            waiting=letters,
            batch=self._batch,
            opens_at=parts.waiting.opens_at(),
        )

    async def _mind_the_disk(self) -> None:
        parts = self._parts
        if self._hindrance.is_full_disk and not parts.log.failing:
            with suppress(sqlite3.OperationalError):
                await parts.store.prove_room()
                await parts.waiting.ask_again()
                self._hindrance.overcome()
                parts.board.rest()
        elif self._hindrance.obstacle is None and (parts.log.failing or parts.waiting.failing):
            self._hindrance.hinder_for_disk(parts.log.failing or parts.waiting.failing)

    async def _connect(self) -> bool:
        """Start the CLI unless it runs; False, with the obstacle shown, when it does not start."""
        parts = self._parts
        if parts.claude.connected:
            if not parts.claude.outdated:
                return True
            await parts.claude.close()
        if not parts.credentials.present:
            self._hindrance.hinder(Obstacle(Code.NEEDS_LOGIN, "this agent has no Claude login"))
            return False
        parts.board.change(activity=Activity.STARTING)
        try:
            connected = await parts.sessions.connect(parts.claude)
        except HiveError as error:
            self._hindrance.failures += 1
            code = Code(error.code) if error.code in set(Code) else Code.CLI_CRASHED
            retry_at = parts.clock() + backoff(self._hindrance.failures)
            words = f"{error.message} {error.hint}".strip()
            self._hindrance.hinder(Obstacle(code, words, retry_at))
            parts.board.rest()
            return False
        parts.board.change(session_id=connected.session_id)
        model = parts.board.status.model
        parts.log.record(HarnessStarted(connected.session_id, connected.resumed, model))
        return True

    async def _do(self, chore: Chore) -> None:
        parts = self._parts
        if not chore.is_turn:
            await parts.housekeeping.do(chore)
            if self._hindrance.obstacle is None:
                await self._connect()
            parts.board.rest()
            return
        letter = parts.housekeeping.letter(chore)
        verdict = await self._give([letter], parts.housekeeping.prompt(chore), own=chore)
        match verdict:
            case Interrupted() if not self._stopping:
                await parts.housekeeping.give_up()
            case Answered() | GivenUp():
                await parts.housekeeping.chore_over(chore)
            case _:
                pass  # it comes again

    async def _handle(self, letters: Sequence[Letter]) -> None:
        parts = self._parts
        killed = [one for one in letters if (await parts.store.fate(one)).kills >= MAX_ATTEMPTS]
        if killed:
            await self._park(killed, f"the harness ended in {MAX_ATTEMPTS} of its turns")
            return
        await self._give(letters)

    async def _give(
        self, letters: Sequence[Letter], prompt: Prompt | None = None, *, own: str = ""
    ) -> Verdict | None:
        """Run a turn and return what becomes of it; None when it could not even begin."""
        parts = self._parts
        if not await self._connect():
            return None
        number, fates = await parts.store.begin(letters)
        handed = [Handed(letter, fate) for letter, fate in zip(letters, fates, strict=True)]
        unread = parts.waiting.unread
        self._turn = turn = Turn(self._stage, handed, number, own=own)
        turn.announce(unread=unread)
        try:
            verdict = await self._performer.play(turn, prompt or self._prompt(handed, unread))
        finally:
            self._turn = None
        verdict = await self._conclude(turn, verdict)
        parts.board.rest()
        return verdict

    def _prompt(self, handed: Sequence[Handed], unread: int) -> Prompt:
        quoted = [Quoted(one.letter, one.note) for one in handed]
        behind = max(0, unread - len(handed))
        return Prompt(turn_prompt(quoted, unread=behind, fence=secrets.token_hex(_FENCE_BYTES)))

    async def _conclude(self, turn: Turn, verdict: Verdict) -> Verdict:
        parts = self._parts
        if self._stopping and not turn.result.ok:
            verdict = Again(Obstacle(Code.CLI_CRASHED, "the harness was stopped"))
        elif isinstance(verdict, GivenUp) and len(turn.letters) > 1:
            # Perhaps one of them is to blame: each has a turn to itself now.
            verdict = Again(Obstacle(Code.API_ERROR, verdict.reason, parts.clock()))
        outcome, error = _outcome(verdict)
        parked = await self._write_down(turn, verdict, outcome, error)
        turn.conclude(outcome, error)
        self._tell_parked(turn.letters, parked, error)
        if isinstance(verdict, Again):
            parts.waiting.postpone(turn.letters)
            if not self._stopping:
                self._hindrance.hinder(verdict.obstacle)
        else:
            self._hindrance.overcome()
            parts.waiting.settle(turn.letters, failed=isinstance(verdict, GivenUp))
        if (context := turn.result.context_used) is not None:
            parts.board.change(context_used=context)
        if turn.of_messages:
            await parts.housekeeping.turn_over(turn.result)
        return verdict

    async def _write_down(
        self, turn: Turn, verdict: Verdict, outcome: str, error: str
    ) -> Sequence[int]:
        """Note the outcome before anybody is told of it; a full disk is waited out."""
        store, log, now = self._parts.store, self._parts.log, self._parts.clock()
        letters, took = turn.letters, turn.record(outcome, now)
        while True:
            try:
                if isinstance(verdict, Again):
                    await store.cut_off(letters, error, took)
                elif isinstance(verdict, GivenUp) and turn.of_messages:
                    return await store.park(letters, error, took, now=now, last_seq=log.last_seq)
                else:
                    await store.finish(letters, took, last_seq=log.last_seq)
            except sqlite3.OperationalError as failure:
                self._hindrance.hinder_for_disk(failure)
                await asyncio.sleep(DISK_POLL_S)
            else:
                return ()

    async def _park(self, letters: Sequence[Letter], reason: str) -> None:
        """Park messages that are not even given another turn."""
        parts, now = self._parts, self._parts.clock()
        numbers = await parts.store.park(
            letters, reason, None, now=now, last_seq=parts.log.last_seq
        )
        self._tell_parked(letters, numbers, reason)
        parts.waiting.settle(letters, failed=True)

    def _tell_parked(self, letters: Sequence[Letter], numbers: Sequence[int], reason: str) -> None:
        for letter, number in zip(letters, numbers, strict=False):
            self._parts.log.record(MessageParked(number, letter.id, letter.sender, reason[:500]))


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
