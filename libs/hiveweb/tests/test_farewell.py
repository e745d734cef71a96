"""What a page is told whose request is still being answered when the server ends."""

import asyncio

import httpx
import pytest
from hiveweb.answers import JsonResponse
from hiveweb.farewell import Farewell
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


class Server:
    """An application one of whose answers takes until `released`."""

    def __init__(self, grace_s: float) -> None:
        self.stopping = asyncio.Event()
        self.asked = asyncio.Event()
        self.released = asyncio.Event()
        self.cut_off = False
        self.app = Farewell(
            Starlette(routes=[Route("/slow", self.slow), Route("/broken", self.broken)]),
            stopping=self.stopping,
            grace_s=grace_s,
        )

    async def slow(self, _request: Request) -> Response:
        self.asked.set()
        try:
            await self.released.wait()
        except asyncio.CancelledError:
            self.cut_off = True
            raise
        return JsonResponse({"ok": True})

    async def broken(self, _request: Request) -> Response:
        raise ZeroDivisionError

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app), base_url="http://127.0.0.1"
        )


async def test_what_waits_when_the_server_ends_is_told_to_ask_again() -> None:
    server = Server(grace_s=0.01)
    async with server.client() as client:
        answer = asyncio.ensure_future(client.get("/slow"))
        await server.asked.wait()
        server.stopping.set()
        told = await answer
    assert told.status_code == 503
    assert told.json()["error"]["code"] == "unavailable"
    assert told.headers["retry-after"] == "1"
    assert server.cut_off


async def test_what_is_answered_soon_enough_is_answered() -> None:
    server = Server(grace_s=60)
    async with server.client() as client:
        answer = asyncio.ensure_future(client.get("/slow"))
        await server.asked.wait()
        server.stopping.set()
        server.released.set()
        assert (await answer).json() == {"ok": True}


async def test_a_failure_of_the_application_stays_one() -> None:
    async with Server(grace_s=60).client() as client:
        with pytest.raises(ZeroDivisionError):
            await client.get("/broken")
