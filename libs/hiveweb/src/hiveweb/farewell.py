"""The end of a server, for the requests that are still being answered then."""

import asyncio
from typing import Any, Final

from hivecommon.errors import Unavailable
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hiveweb.answers import error_response

GRACE_S: Final = 0.5
"""Shorter than uvicorn's own patience, after which it cuts requests off and says 500 for them."""


class Farewell:
    """Answers `unavailable` (503) for what is not answered soon after `stopping` is set.

    A request that waits for another service would be cut off in the middle otherwise, and its page
    would be told that something failed where nothing did.
    """

    def __init__(self, app: ASGIApp, *, stopping: asyncio.Event, grace_s: float = GRACE_S) -> None:
        self._app = app
        self._stopping = stopping
        self._grace_s = grace_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application; sockets are left to themselves, since the server closes them."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = asyncio.Event()

        async def watched(message: Message) -> None:
            begun.set()
            await send(message)

        answered = await self._finish(asyncio.ensure_future(self._app(scope, receive, watched)))
        if not answered and not begun.is_set():
            error = Unavailable("the server is restarting", hint="ask again in a second")
            response = error_response(error)
            response.headers["Retry-After"] = "1"
            await response(scope, receive, send)

    async def _finish(self, answering: asyncio.Future[None]) -> bool:
        """Return whether the application came to its end by itself."""
        leaving = asyncio.ensure_future(self._stopping.wait())
        try:
            both: list[asyncio.Future[Any]] = [answering, leaving]
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                await asyncio.wait([answering], timeout=self._grace_s)
            if answering.done():
                answering.result()
                return True
            return False
        finally:
            leaving.cancel()
            if not answering.done():
                answering.cancel()
                await asyncio.wait([answering])
