"""A small page with everything that hiveweb has, on a real port."""

import asyncio
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
import uvicorn
from hivecommon.listen import listen
from hiveweb.answers import JsonResponse
from hiveweb.bundle import StaticBundle
from hiveweb.feed import MAX_FRAME_BYTES, Feed, Topic
from hiveweb.fence import Fence
from hiveweb.headers import SecurityHeaders
from hiveweb.hosts import LOOPBACK_HOSTS
from hiveweb.login import FailureLimit, Login
from hiveweb.tickets import TicketStore
from hiveweb.tokens import TokenSigner
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route, WebSocketRoute
from typing_extensions import override


class Server(uvicorn.Server):
    @contextmanager
    @override
    def capture_signals(self) -> Generator[None]:
        yield


@dataclass
class Page:
    """A running page."""

    port: int
    login: Login
    bundle: StaticBundle
    feed: Feed
    removed: set[str] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def token(self, name: str = "anna") -> str:
        return self.login.tokens.issue(name)


@pytest.fixture
def serve() -> Any:
    """Return what runs a page with some topics until the block ends."""

    @asynccontextmanager
    async def run(topics: dict[str, Topic[Any]], **feed_options: Any) -> AsyncIterator[Page]:
        removed: set[str] = set()
        login = Login(
            TicketStore(timedelta(hours=1)),
            TokenSigner(b"s" * 32, audience="page", lifetime=timedelta(days=1)),
            FailureLimit(),
            lambda name: name not in removed,
        )
        feed = Feed(holder=login.holder, topics=topics, **feed_options)
        bundle = StaticBundle("/static", {})

        async def echo(request: Request) -> Response:
            return JsonResponse({"ok": True, "size": len(await request.body())})

        app = Starlette(
            routes=[
                Route("/api/login", login.answer, methods=["POST"]),
                Route("/api/echo", echo, methods=["GET", "POST"]),
                WebSocketRoute("/live", feed.serve),
                Mount("/static", bundle),
            ]
        )
        fenced = SecurityHeaders(Fence(app, hosts=LOOPBACK_HOSTS | {"hive.example"}))
        listener = await listen("127.0.0.1", 0, option="-")
        server = Server(
            uvicorn.Config(
                fenced, log_config=None, lifespan="off", ws="websockets-sansio",
                ws_max_size=MAX_FRAME_BYTES, timeout_graceful_shutdown=1,
            )
        )  # fmt: skip
        async with asyncio.TaskGroup() as group:
            group.create_task(server.serve([listener]))
            yield Page(listener.getsockname()[1], login, bundle, feed, removed)
            server.should_exit = True

    return run
