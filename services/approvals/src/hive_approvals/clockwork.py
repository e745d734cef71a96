"""What happens at set times: prompts are sent, deadlines pass."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from typing import Final

import structlog
from hivecommon.errors import HiveError

Due = Callable[[datetime], Awaitable[datetime | None]]
"""Does what is due at a moment and returns when something is due next."""

LONGEST_S: Final = 30.0
"""A clock may be set meanwhile, and a sleeping host's timers stand still."""

_log = structlog.get_logger()


class Clockwork:
    """Wakes at the next moment at which something is due."""

    def __init__(
        self, parts: tuple[Due, ...], clock: Callable[[], datetime], *, wake: asyncio.Event
    ) -> None:
        self._parts = parts
        self._clock = clock
        self._wake = wake

    async def run(self) -> None:
        """Do what is due, for ever."""
        seen: datetime | None = None
        while True:
            self._wake.clear()
            pause_s = LONGEST_S
            for part in self._parts:
                try:
                    seen = await part(self._clock())
                except HiveError as error:
                    _log.error("clockwork_failed", code=error.code, reason=error.message)
                    continue
                if seen is not None:
                    pause_s = min(pause_s, (seen - self._clock()).total_seconds())
            with suppress(TimeoutError):
                async with asyncio.timeout(max(pause_s, 0.01)):
                    await self._wake.wait()
