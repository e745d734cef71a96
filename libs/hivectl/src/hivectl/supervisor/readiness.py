"""When a hive that was started can be used: the bus takes our key, the services answer."""

import asyncio
from collections.abc import Sequence
from typing import Final

from hivecommon.contracts.dashboard import DashboardTicket
from hivecommon.contracts.logs import Level
from hivecommon.errors import HiveError, Unavailable

from hivectl.overview import REQUIRED, ping_services
from hivectl.shell import Shell
from hivectl.supervisor.display import Display

LOOK_S: Final = 0.1
QUIET_S: Final = 5.0
"""A service answers within a second; what takes longer is worth a line."""


class OperatorReadiness:
    """Finds out as the operator does: over the bus."""

    def __init__(self, shell: Shell, display: Display) -> None:
        self._shell = shell
        self._display = display

    async def bus(self) -> None:
        """Return once the bus takes the operator's connection."""
        while True:
            try:
                async with self._shell.bus():
                    return
            except Unavailable as error:
                self._display.say(Level.WARNING, "waiting_for_bus", reason=error.message)

    async def services(self, names: Sequence[str]) -> None:
        """Return once all of `names` that a hive needs answer, then tell how to go on.

        A forge-gw that its settings keep from starting does not keep the hive from being used.
        """
        needed = set(names) & set(REQUIRED)
        clock = asyncio.get_running_loop().time
        quiet_until = clock() + QUIET_S
        async with self._shell.bus() as bus:
            while missing := needed - {found.name for found in await ping_services(bus)}:
                if clock() > quiet_until:
                    self._display.say(Level.INFO, "waiting_for", services=sorted(missing))
                    quiet_until = clock() + QUIET_S
                await asyncio.sleep(LOOK_S)
        await self._welcome()

    async def _welcome(self) -> None:
        async with self._shell.bus() as bus:
            try:
                url = (await bus.request(DashboardTicket())).url
            except HiveError as error:
                self._display.say(Level.WARNING, "no_login_link", reason=error.message)
                url = ""
        if not self._display.interactive:
            self._display.say(Level.INFO, "hive_ready", url=url, operator=self._shell.operator)
            return
        self._display.announce(
            "",
            f"  dashboard  {url or 'ask for its link with `hive open`'}",
            "             (works once; `hive open` makes another)",
            "  next       hive spawn alice",
            "             hive send alice 'Hello!' --wait",
            "             hive logs -f",
            "  Ctrl-C stops everything; notes, logins and messages are kept.",
            "",
        )
