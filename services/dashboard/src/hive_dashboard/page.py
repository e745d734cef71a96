"""Serving the page: the application in a uvicorn of ours, on a socket that is already open."""

import asyncio
import socket
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import uvicorn
from hivecommon.application import Context
from hivecommon.broker import operators_directory
from hivecommon.home import HiveHome
from hiveweb.feed import MAX_FRAME_BYTES
from hiveweb.login import FailureLimit, Login
from hiveweb.tickets import TicketStore
from hiveweb.tokens import TokenSigner, load_secret
from typing_extensions import override

from hive_dashboard.acts import Acts
from hive_dashboard.config import TOKEN_LIFETIME, DashboardConfig
from hive_dashboard.mirror import Mirror, utc_now
from hive_dashboard.operators import KnownOperators
from hive_dashboard.web import make_app, make_bundle, make_feed


class _Server(uvicorn.Server):
    """Leaves the signals to the process, which has more to end than the page."""

    @contextmanager
    @override
    def capture_signals(self) -> Generator[None]:
        yield


def _login(home: HiveHome, tickets: TicketStore) -> Login:
    secret = load_secret(home.keys / "dashboard.secret")
    return Login(
        tickets,
        TokenSigner(secret, audience="dashboard", lifetime=TOKEN_LIFETIME),
        FailureLimit(),
        KnownOperators(operators_directory(home)),
    )


async def serve(
    context: Context, config: DashboardConfig, tickets: TicketStore, listener: socket.socket,
    stop: asyncio.Event,
) -> None:  # fmt: skip
    """Serve the page on `listener` until `stop` is set."""
    bus = context.bus
    mirror = Mirror(bus, utc_now)
    login = _login(context.environment.home, tickets)
    bundle = make_bundle()

    def condition() -> dict[str, Any]:
        return {"bus": bus.connected, "page": bundle.base}

    app = make_app(
        acts=Acts(bus, utc_now, lambda agent: agent in mirror.roster.rows),
        login=login,
        feed=make_feed(mirror, login, condition),
        bundle=bundle,
        hosts=config.hosts,
        stopping=context.stopping,
    )
    server = _Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            http="h11",
            ws="websockets-sansio",
            ws_max_size=MAX_FRAME_BYTES,
            ws_ping_interval=20,
            ws_ping_timeout=20,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=1,
        )
    )
    keeping = context.group.create_task(mirror.keep())
    serving = context.group.create_task(server.serve([listener]))
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
    finally:
        server.should_exit = True
        stopping.cancel()
        await asyncio.wait([serving])
        keeping.cancel()
