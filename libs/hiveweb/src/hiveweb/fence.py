"""What a browser's request must satisfy before the application sees it: host, origin, size.

Agents serve pages on ports of the same host, and their scripts can send requests here. Cookies
would go along with those (there are none); `Origin` and `Sec-Fetch-Site` tell them apart.
"""

from collections.abc import Collection
from typing import Final

from hivecommon.errors import HiveError
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hiveweb.answers import error_response

MAX_BODY_BYTES: Final = 512 * 1024
_READING: Final = frozenset({"GET", "HEAD"})
_FOREIGN_CLOSE: Final = 4403


class Fence:
    """Lets a request through when it is meant for us and comes from a page of ours.

    `hosts` are the names (without port, since tunnels change it) by which browsers may reach the
    page: everything else is DNS rebinding.
    """

    def __init__(
        self, app: ASGIApp, *, hosts: Collection[str], max_body_bytes: int = MAX_BODY_BYTES
    ) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that is refused; hand on every other one."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        try:
            self._check(scope)
        except HiveError as error:
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": _FOREIGN_CLOSE})
            else:
                await error_response(error)(scope, receive, send)
            return
        await self._app(scope, self._bounded(receive), send)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        host = headers.get("host", "").lower()
        if _without_port(host) not in self._hosts:
            raise HiveError(
                f"this page does not answer to the host name {host[:100]!r}",
                code="unknown_host",
                hint=f"use one of: {', '.join(sorted(self._hosts))}",
            )
        if scope["type"] == "http" and scope["method"] in _READING:
            return
        _refuse_foreign(headers, host)
        size = headers.get("content-length", "0")
        if not size.isdecimal() or int(size) > self._max_body_bytes:
            raise self._too_large()

    def _too_large(self) -> HiveError:
        return HiveError(
            f"the request is larger than {self._max_body_bytes} bytes", code="too_large",
            hint="put large things into a file",
        )  # fmt: skip

    def _bounded(self, receive: Receive) -> Receive:
        size = 0

        async def bounded() -> Message:
            nonlocal size
            message = await receive()
            if message["type"] == "http.request":
                size += len(message.get("body", b""))
                if size > self._max_body_bytes:
                    raise HTTPException(413, str(self._too_large()))
            return message

        return bounded


def _refuse_foreign(headers: Headers, host: str) -> None:
    """Refuse what another page sent; a program that is no browser sends neither header."""
    origin = headers.get("origin")
    site = headers.get("sec-fetch-site")
    if (origin is not None and origin.lower() not in {f"http://{host}", f"https://{host}"}) or (
        site is not None and site != "same-origin"
    ):
        raise HiveError(
            f"the request comes from another page ({(origin or site or '')[:100]!r})",
            code="foreign_origin",
            hint="use the hive's own pages",
        )


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]
