"""The agent's port: browsers are answered there while the harness runs."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import structlog
import uvicorn
from hivecommon.errors import HiveError
from hivecommon.listen import listen
from hiveweb.farewell import Farewell
from hiveweb.feed import MAX_FRAME_BYTES
from typing_extensions import override

from hive_harness.config import Settings

_log = structlog.get_logger()


class _Server(uvicorn.Server):
    @override
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # the process has its own way to end


@asynccontextmanager
async def serving(
    app: Any,
    settings: Settings,
    group: asyncio.TaskGroup,
    stop: asyncio.Event,
    *,
    arrived: Callable[[], None],
) -> AsyncIterator[None]:
    """Answer browsers on the agent's port for the length of the block; `stop` tells of its end.

    `arrived` is called once the port is ours.
    A port that is taken is waited for in the background: the agent works without its page.
    """
    server = _Server(
        uvicorn.Config(
            Farewell(app, stopping=stop), log_config=None, access_log=False, lifespan="off",
            ws="websockets-sansio", ws_max_size=MAX_FRAME_BYTES, timeout_graceful_shutdown=1,
            server_header=False,
        )
    )  # fmt: skip

    async def serve() -> None:
        config = settings.harness
        while True:
            try:
                sock = await listen(
                    config.host, config.port, option="the agent's name (`hive rename`)"
                )
            except HiveError as error:
                _log.error("no_page", code=error.code, reason=error.message, hint=error.hint)
            else:
                arrived()
                await server.serve(sockets=[sock])
                return

    task = group.create_task(serve())
    try:
        yield
    finally:
        server.should_exit = True
        if not server.started:
            task.cancel()
