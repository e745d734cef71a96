"""The door for the forge's webhooks: a signed word that something happened, and nothing more is believed."""

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import structlog
import uvicorn
from hivecommon.errors import HiveError
from hivecommon.listen import listen
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from typing_extensions import override

HOST: Final = "127.0.0.1"
MAX_BODY_BYTES: Final = 4 << 20
AGAIN_S: Final = 60.0
SIGNATURES: Final = ("X-Forgejo-Signature", "X-Gitea-Signature")

_log = structlog.get_logger()


def genuine(body: bytes, signature: str, secret: str) -> bool:
    """Whether the forge signed this body: the hex of its HMAC-SHA256."""
    wanted = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(wanted.encode(), signature.encode())


def application(secret: str, wake: Callable[[], None]) -> Starlette:
    """Return the door; each genuine call wakes the gateway, which asks the forge itself."""

    async def receive(request: Request) -> Response:
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > MAX_BODY_BYTES:
                return PlainTextResponse("too large\n", 413)
        signature = next(
            (request.headers[name] for name in SIGNATURES if name in request.headers), ""
        )
        if not genuine(body, signature, secret):
            _log.warning("webhook_refused", reason="signature")
            return PlainTextResponse("the signature does not fit\n", 403)
        wake()
        return Response(status_code=204)

    return Starlette(routes=[Route("/webhook", receive, methods=["POST"])])


class _Server(uvicorn.Server):
    """A server that leaves the process's signals to the service."""

    @override
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def keep_open(port: int, app: Starlette) -> None:
    """Serve for ever; while somebody else holds the port, notifications are polled for.

    Agents share the host's network: any of them may sit on a port that is free.
    """
    while True:
        try:
            async with serving(port, app):
                _log.info("webhooks_open", port=port)
                await asyncio.Event().wait()
        except HiveError as error:
            _log.warning("webhooks_closed", port=port, code=error.code, reason=error.message)
            await asyncio.sleep(AGAIN_S)


@asynccontextmanager
async def serving(port: int, app: Starlette) -> AsyncIterator[None]:
    """Listen on loopback for as long as the block lasts."""
    listener = await listen(HOST, port, option="HIVE_FORGE_WEBHOOK_PORT")
    config = uvicorn.Config(
        app, log_config=None, lifespan="off", access_log=False, server_header=False
    )
    server = _Server(config)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(server.serve(sockets=[listener]))
        try:
            yield
        finally:
            server.should_exit = True
            await task
