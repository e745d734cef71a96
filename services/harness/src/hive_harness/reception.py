"""Messages that come into a turn while it runs, because the agent waits for them."""

import asyncio
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from hivecommon.errors import HiveError

from hive_harness.prompt import Quoted, quote
from hive_harness.session import Letter
from hive_harness.store import Store
from hive_harness.turn import Handed, Turn
from hive_harness.waiting import Waiting

# The CLI gives the model at most 25,000 tokens of a tool's result.
MAX_BYTES: Final = 40_000
_FENCE_BYTES: Final = 4


class Reception:
    """Hands waiting messages to the turn that asks for them: they share its fate."""

    def __init__(
        self, waiting: Waiting, store: Store, turn: Callable[[], Turn | None],
        paused: Callable[[], bool], *, monotonic: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._waiting = waiting
        self._store = store
        self._turn = turn
        self._paused = paused
        self._monotonic = monotonic
        self._taking = asyncio.Lock()
        self._news = asyncio.Event()

    def wake(self) -> None:
        """Look again whether there is something to take."""
        self._news.set()

    async def receive(self, *, most: int, wait_s: float) -> str:
        """Return the next messages as the model reads them, once there are some.

        Raises `no_message` when none came within `wait_s`, or none can be taken, saying why.
        """
        turn = self._current()
        until = self._monotonic() + wait_s
        # A message is taken whole or not at all, whoever stops waiting meanwhile.
        while not (handed := await asyncio.shield(self._take(turn, most))):
            if (left_s := until - self._monotonic()) <= 0:
                raise HiveError(
                    f"no message came within {wait_s:g} s", code="no_message",
                    hint="end your turn: the next message wakes you",
                )  # fmt: skip
            with suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._news.wait()
        return self._shown(turn, handed)

    async def _take(self, turn: Turn, most: int) -> list[Handed]:
        async with self._taking:
            self._news.clear()
            if self._turn() is not turn or turn.aborting:
                raise HiveError("this turn is over", code="no_message")
            letters = takeable(await self._untaken(turn), most) if not self._paused() else []
            if not letters:
                return []
            fates = await self._store.join(letters)
            handed = [Handed(letter, fate) for letter, fate in zip(letters, fates, strict=True)]
            if self._turn() is not turn:
                await self._store.leave(letters, "the turn was over already")
                raise HiveError("this turn is over", code="no_message")
            turn.take(handed)
            return handed

    async def _untaken(self, turn: Turn) -> list[Letter]:
        taken = {letter.key for letter in turn.letters}
        return [letter for letter in await self._waiting.letters() if letter.key not in taken]

    def _current(self) -> Turn:
        turn = self._turn()
        if turn is None or not turn.of_messages:
            raise HiveError("this turn is not for messages", code="no_message")
        return turn

    def _shown(self, turn: Turn, handed: list[Handed]) -> str:
        unread = max(0, self._waiting.unread - len(turn.letters))
        quoted = quote(
            [Quoted(one.letter, one.note) for one in handed],
            unread=unread, fence=secrets.token_hex(_FENCE_BYTES),
        )  # fmt: skip
        many = (
            "1 message, which belongs"
            if len(handed) == 1
            else f"{len(handed)} messages, which belong"
        )
        return f"{many} to this turn now; answer with `reply` and its message_id.\n\n{quoted}"


def takeable(waiting: list[Letter], most: int) -> list[Letter]:
    """Return the messages that can come into a running turn, from the first one on.

    None is passed over: one that is large, or whose turn was cut off before, has a turn to itself.
    """
    letters: list[Letter] = []
    left = MAX_BYTES
    for letter in waiting[:most]:
        left -= len(letter.body.encode())
        if left < 0 or letter.attempts:
            break
        letters.append(letter)
    return letters
