"""Named gates at which answers hang until a test lets them go on."""

import asyncio
from collections import defaultdict


class Gates:
    """Lives in the server's loop. A released gate stays open, until it is shut again."""

    def __init__(self) -> None:
        self._open: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    async def passed(self, name: str) -> None:
        """Return once the gate is open."""
        await self._open[name].wait()

    def release(self, name: str) -> None:
        """Open the gate for all who wait and all who come."""
        self._open[name].set()

    def shut(self, name: str) -> None:
        """Close it again for those who come."""
        self._open[name].clear()
