"""What the model is writing at this moment: shown while it writes, kept nowhere, an event once it is said."""

import asyncio
from typing import Final

import msgspec

MOST_CHARACTERS: Final = 6000
"""As many as a page shows of one text; what is longer shows its end."""


class Writing(msgspec.Struct, frozen=True, omit_defaults=True):
    """A text that is not finished; empty when nothing is being written."""

    text: str = ""
    thinking: bool = False


class Draft:
    """The text so far, and its changes for whoever looks."""

    def __init__(self) -> None:
        self.writing = Writing()
        self._changed = asyncio.Event()

    def add(self, piece: str, *, thinking: bool) -> None:
        """Take a further piece; one of another kind begins a new text."""
        before = self.writing.text if self.writing.thinking == thinking else ""
        self._set(Writing((before + piece)[-MOST_CHARACTERS:], thinking))

    def clear(self) -> None:
        """Forget it: it was said, or never will be."""
        if self.writing.text:
            self._set(Writing())

    async def other_than(self, seen: Writing) -> Writing:
        """Return what is being written once that is something else."""
        while self.writing is seen:
            await self._changed.wait()
        return self.writing

    def _set(self, writing: Writing) -> None:
        self.writing = writing
        # Whoever waits wakes; whoever comes later waits for the next change.
        self._changed.set()
        self._changed = asyncio.Event()
