"""Wiring of the dashboard."""

import asyncio
import importlib
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from hivecommon.application import Context, Endpoints, Identity, run_service
from hivecommon.contracts.dashboard import DashboardTicket
from hivecommon.listen import inherited_socket, listen, passed_socket
from hiveweb.tickets import TicketStore

from hive_dashboard.config import (
    PORT_OPTION,
    TICKET_LIFETIME,
    DashboardConfig,
    read_config,
)
from hive_dashboard.service import Links

IDENTITY = Identity(
    name="dashboard", version=version("hive-dashboard"), description="The operators' pages"
)


def main() -> None:
    """Run the dashboard until SIGTERM."""
    sys.exit(run_service(IDENTITY, setup, os.environ))


@asynccontextmanager
async def setup(context: Context) -> AsyncIterator[Endpoints]:
    """Make the dashboard's parts; the page starts beside the bus endpoint, which needs less."""
    config = read_config(context.environment, context.environ)
    tickets = TicketStore(
        TICKET_LIFETIME, file=context.environment.home.keys / "dashboard-tickets.json"
    )
    links = Links(tickets, config.link)
    stop = asyncio.Event()
    page = context.group.create_task(_serve_page(context, config, links, stop))
    try:
        yield {DashboardTicket: links.ticket}
    finally:
        stop.set()
        await asyncio.wait([page])


async def _serve_page(
    context: Context, config: DashboardConfig, links: Links, stop: asyncio.Event
) -> None:
    listener = await _listener(config)
    links.listening(listener.getsockname()[1])
    # FastAPI takes a third of a second to import: the bus is answered meanwhile.
    page = await asyncio.to_thread(importlib.import_module, "hive_dashboard.page")
    await page.serve(context, config, links.tickets, listener, stop)


async def _listener(config: DashboardConfig) -> socket.socket:
    held = inherited_socket(os.getpid(), config.listen_pid, config.listen_fds)
    if held is None:
        held = passed_socket(config.passed_fd)
    if held is not None:
        return held
    return await listen(config.host, config.port, option=PORT_OPTION)


if __name__ == "__main__":
    main()
