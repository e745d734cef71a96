"""What an agent has still before it: messages here, questions, reminders and requests at approvals."""

from collections.abc import Callable
from typing import Final

from hivecommon.bus import Bus
from hivecommon.contracts.harness import OpenItemsReply, WaitingMessage
from hivecommon.contracts.open_items import OwnItems, OwnItemsReply
from hivecommon.errors import HiveError

from hive_harness.prompt import first_line, one_line
from hive_harness.session import Letter
from hive_harness.store import Store
from hive_harness.turn import Turn
from hive_harness.waiting import Waiting

_LISTED: Final = 50
_PATIENCE_S: Final = 3.0
_NONE: Final = OwnItemsReply(questions=[], reminders=[], requests=[])


class OpenItems:
    """Gathers them; when approvals is away, what is here is told all the same."""

    def __init__(
        self, bus: Bus, agent: str, waiting: Waiting, store: Store, turn: Callable[[], Turn | None]
    ) -> None:
        self._bus = bus
        self._agent = agent
        self._waiting = waiting
        self._store = store
        self._turn = turn

    async def read(self, *, patience_s: float = _PATIENCE_S) -> OpenItemsReply:
        """Return all open items; `incomplete` says what could not be asked for."""
        turn = self._turn()
        taken = {letter.key for letter in turn.letters} if turn else set()
        letters = [letter for letter in await self._waiting.letters() if letter.key not in taken]
        own, incomplete = _NONE, ""
        try:
            own = await self._bus.request(OwnItems(), caller=self._agent, timeout_s=patience_s)
        except HiveError as error:
            incomplete = f"{error.code}: {error.message}"
        return OpenItemsReply(
            waiting=[_waiting(letter) for letter in letters[:_LISTED]],
            unread=max(0, self._waiting.unread - len(taken)),
            parked=await self._store.parked_messages(_LISTED),
            questions=own.questions,
            reminders=own.reminders,
            requests=own.requests,
            incomplete=incomplete,
        )


def _waiting(letter: Letter) -> WaitingMessage:
    return WaitingMessage(
        id=letter.id,
        sender=letter.sender,
        sent_at=letter.sent_at,
        first_line=first_line(letter.body),
        by=one_line(letter.by, 60),
        thread=letter.thread,
        attempts=letter.attempts,
    )
