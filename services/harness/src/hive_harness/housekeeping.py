"""Between turns: new sessions, shorter conversations, another model, a CLI that grew too large."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from hivecommon.contracts.roster import Activity

from hive_harness.chores import Chore, House, next_chore
from hive_harness.claude import Choice, Claude
from hive_harness.eventlog import Clock
from hive_harness.memory import cli_bytes
from hive_harness.prompt import notes_prompt
from hive_harness.session import Letter, Prompt, Result, Source
from hive_harness.sessions import Sessions
from hive_harness.status import StatusBoard
from hive_harness.store import Store

# Words that the store remembers.
_MODEL: Final = "model"
_EFFORT: Final = "effort"
_COMPACTION: Final = "compaction"


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """When something is to be done, and what `agent.toml` wants."""

    compact_at: float
    cli_memory_bytes: int
    choice: Choice


class Housekeeping:
    """Knows what was asked for and what is due; `chores` decides."""

    def __init__(
        self, claude: Claude, sessions: Sessions, store: Store, board: StatusBoard, bounds: Bounds,
        clock: Clock, *, measure: Callable[[], int] = lambda: cli_bytes(os.getpid()),
    ) -> None:  # fmt: skip
        self._claude = claude
        self._sessions = sessions
        self._store = store
        self._board = board
        self._bounds = bounds
        self._clock = clock
        self._measure = measure
        self._new_session_asked = False
        self._compaction_asked = False
        self._notes_saved = False
        self._compacted = False
        self._compacted_to: float | None = None
        self._cli_bytes = 0

    async def open(self) -> None:
        """Remember what was asked for before a restart."""
        self._claude.choice = await self._chosen()
        self._board.change(model=self._claude.choice.model, effort=self._claude.choice.effort)
        self._compaction_asked = bool(await self._store.read(_COMPACTION))

    async def ask_compaction(self) -> bool:
        """Have the conversation made shorter; False when it is to be anyway, or there is none yet."""
        if not await self._sessions.begun():
            return False
        changed = not self._compaction_asked
        self._compaction_asked = True
        await self._store.write(**{_COMPACTION: "asked"})
        return changed

    async def ask_new_session(self) -> bool:
        """Have the next turn begin a new conversation, also after a kill; False when it does anyway."""
        if not await self._sessions.begun():
            return False
        await self._sessions.begin_anew()
        self._new_session_asked = True
        return True

    async def choose(self, *, model: str | None, effort: str | None) -> None:
        """Note another model or effort; an empty word stands for what `agent.toml` says."""
        words = {_MODEL: model, _EFFORT: effort}
        await self._store.write(**{key: word for key, word in words.items() if word is not None})
        self._claude.choice = chosen = await self._chosen()
        self._board.change(model=chosen.model, effort=chosen.effort)

    def next(self) -> Chore | None:
        """Return what is to be done before the next message."""
        status = self._board.status
        return next_chore(
            House(
                new_session_asked=self._new_session_asked,
                compaction_asked=self._compaction_asked,
                settings_changed=self._claude.choice_waits,
                notes_saved=self._notes_saved,
                context_used=status.context_used,
                compact_at=self._bounds.compact_at,
                compacted_to=self._compacted_to,
                cli_bytes=self._cli_bytes,
                cli_bound_bytes=self._bounds.cli_memory_bytes,
            )
        )

    async def do(self, chore: Chore) -> None:
        """Do what takes no turn."""
        if chore is Chore.BEGIN_ANEW:
            await self._sessions.begin_anew()
            await self._forget_conversation()
        await self._claude.close()
        self._cli_bytes = 0

    def letter(self, chore: Chore) -> Letter:
        """Return what stands for a chore where others have their message."""
        return Letter(
            source=Source.OWN,
            sequence=0,
            id=f"{chore}-{uuid4().hex}",
            sender="hive",
            body=self.prompt(chore).text,
            sent_at=self._clock(),
        )

    def prompt(self, chore: Chore) -> Prompt:
        """Return what the CLI is told."""
        if chore is Chore.COMPACT:
            return Prompt("/compact", is_command=True)
        return Prompt(notes_prompt())

    def show(self, chore: Chore) -> None:
        """Show that a chore is being done."""
        if chore is Chore.COMPACT:
            self._board.change(activity=Activity.COMPACTING)

    async def turn_over(self, result: Result) -> None:
        """Take note of a message's turn."""
        if self._compacted and result.context_used is not None:
            self._compacted, self._compacted_to = False, result.context_used
        self._notes_saved = False
        self._cli_bytes = self._measure()

    async def chore_over(self, chore: Chore) -> None:
        """Take note of a chore's turn that will not come again, however it ended."""
        if chore is Chore.SAVE_NOTES:
            self._notes_saved = True
            return
        await self._forget_conversation()
        self._compacted = True

    async def give_up(self) -> None:
        """Let the conversation be as long as it is: an operator has interrupted the chore."""
        await self._forget_conversation()

    async def _forget_conversation(self) -> None:
        self._new_session_asked = self._compaction_asked = self._notes_saved = False
        self._compacted_to = None
        self._board.change(context_used=None)
        await self._store.write(**{_COMPACTION: ""})

    async def _chosen(self) -> Choice:
        wanted = self._bounds.choice
        return Choice(
            await self._store.read(_MODEL) or wanted.model,
            await self._store.read(_EFFORT) or wanted.effort,
        )
