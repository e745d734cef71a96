"""All messages that wait for a turn, wherever they came in, in the order in which they are handled."""

from collections.abc import Sequence
from datetime import datetime

from hivecommon.contracts.inbox import OPERATOR

from hive_harness.inbox import Inbox
from hive_harness.session import Letter, Source
from hive_harness.store import Store


class Waiting:
    """What an operator typed on the agent's page goes first, then operators' messages, then others.

    A parked message that is tried again goes before those of other agents.
    """

    def __init__(self, inbox: Inbox, store: Store) -> None:
        self._inbox = inbox
        self._store = store
        self._kept_here = 0

    async def open(self) -> None:
        """Let the bus deliver."""
        await self._inbox.open()

    @property
    def failing(self) -> str:
        """Why what the bus delivers cannot be noted; empty when it can."""
        return self._inbox.failing

    async def ask_again(self) -> None:
        """Have that delivered anew which could not be noted."""
        await self._inbox.ask_again()

    @property
    def unread(self) -> int:
        """How many messages are not done with."""
        return self._inbox.unread + self._kept_here

    def opens_at(self) -> datetime | None:
        """When messages will be let go that wait for earlier ones; None when none does."""
        return self._inbox.opens_at()

    async def letters(self) -> list[Letter]:
        """Return the messages that can be handled now, in their order."""
        page = await self._store.page_letters()
        wanted = await self._store.wanted_letters()
        self._kept_here = len(page) + len(wanted)
        bus = self._inbox.waiting()
        operators = [letter for letter in bus if letter.sender == OPERATOR]
        others = [letter for letter in bus if letter.sender != OPERATOR]
        return [*page, *operators, *wanted, *others]

    def postpone(self, letters: Sequence[Letter]) -> None:
        """Keep messages whose turn was cut off: they come again, each in a turn of its own."""
        self._inbox.postpone(letters)

    def settle(self, letters: Sequence[Letter], *, failed: bool) -> None:
        """Let the bus know that messages are done with, whose fate is written down."""
        self._inbox.settle(
            [letter for letter in letters if letter.source is Source.BUS], failed=failed
        )
