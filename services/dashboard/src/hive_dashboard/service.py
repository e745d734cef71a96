"""What the dashboard answers on the bus: login links."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from hivecommon.contracts.dashboard import DashboardTicket
from hivecommon.contracts.harness import Ticket
from hivecommon.errors import Unavailable
from hivecommon.service import Call
from hiveweb.tickets import TicketStore

_WAIT_S: Final = 3.0


@dataclass
class Links:
    """Mints login links once it is known where the page is."""

    tickets: TicketStore
    link: Callable[[int, str], str]
    """Returns the URL for a port and a ticket."""
    _port: int = 0
    _listening: asyncio.Event = field(default_factory=asyncio.Event)

    def listening(self, port: int) -> None:
        """Tell that the page is at `port`."""
        self._port = port
        self._listening.set()

    async def ticket(self, call: Call, _request: DashboardTicket) -> Ticket:
        """Answer `hive.dashboard.ticket`: a link for whoever asks; `unavailable` without a port."""
        try:
            async with asyncio.timeout(_WAIT_S):
                await self._listening.wait()
        except TimeoutError as error:
            raise Unavailable(
                "the dashboard has no port yet",
                hint="is another program on it? see `hive logs dashboard`",
            ) from error
        ticket, expires_at = self.tickets.mint(call.caller.name)
        return Ticket(url=self.link(self._port, ticket), expires_at=expires_at)
