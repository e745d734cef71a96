"""A scripted forge that listens: the app, and a thread that serves it on a free port."""

import asyncio
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import uvicorn
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from hivetesting.forge import (
    accounts,
    code,
    issues,
    labels,
    notices,
    orgs,
    pulls,
    releases,
    smart_http,
)
from hivetesting.forge.call import ApiError, Call, check_scope, read_body, sign_in
from hivetesting.forge.faults import Fault, Faults, Seen
from hivetesting.forge.happenings import Happenings
from hivetesting.forge.routes import Context, Endpoint
from hivetesting.forge.world import Token, User, World

API = "/api/v1"
START_S = 10.0
SUBJECTS = (accounts, orgs, labels, releases, notices, code, pulls, issues)


class Forge:
    """The forge's world, its faults, and the way every request goes through them."""

    def __init__(self, root: Path, now: Callable[[], float] = time.time) -> None:
        self.world = World(root, now)
        self.faults = Faults()
        self.happenings = Happenings(self.world)

    def app(self) -> Starlette:
        """Return the whole forge as an ASGI application."""
        endpoints = [each for subject in SUBJECTS for each in subject.routes.endpoints]
        # Fixed paths come before patterns: Starlette takes the first match.
        endpoints.sort(key=lambda each: ["{" in part for part in each.path.split("/")])
        routes = [
            Route(API + each.path, self._answer(each), methods=[each.method]) for each in endpoints
        ]
        git = Endpoint("GET", "/{owner}/{repo}.git/{rest:path}", (), smart_http.serve)
        routes.append(Route(git.path, self._answer(git), methods=["GET", "POST"]))
        return Starlette(routes=routes, exception_handlers={404: _no_page})

    def _answer(self, endpoint: Endpoint) -> Callable[[Request], "asyncio.Future[Response]"]:
        async def answer(request: Request) -> Response:
            call = Call(self.world, request)
            path = request.url.path
            fault = self.faults.take(request.method, path)
            response: Response | None = None
            if fault is None or fault.after:
                response = await self._act(endpoint, call)
            login = call.doer.login if call.doer else None
            status = response.status_code if response else 0
            self.faults.seen.append(Seen(request.method, path, login, status))
            if response is not None:
                response.background = BackgroundTask(self.happenings.send)
            return response if fault is None and response else await _spoil(fault, request)

        return answer  # type: ignore[return-value] # Starlette takes a coroutine function

    async def _act(self, endpoint: Endpoint, call: Call) -> Response:
        try:
            sign_in(call)
            check_scope(call, endpoint.scopes)
            if endpoint.path.startswith(("/repos", "/admin", "/user", "/org", "/team", "/notif")):
                await read_body(call)
            return await endpoint.handler(Context(call, self.happenings))
        except ApiError as error:
            body = {"message": error.message, "url": f"{self.world.url}/api/swagger", **error.more}
            return JSONResponse(body, error.status)

    def add_user(self, login: str, *, admin: bool = False) -> User:
        """Make an account, as a test's set-up and not over the API."""
        user = User(
            self.world.new_id(), login, self.world.now(), f"{login}@example.invalid", admin=admin
        )
        self.world.users.append(user)
        return user

    def add_token(self, user: User, *scopes: str) -> str:
        """Make a token and return its value."""
        value = secrets.token_hex(20)
        number = self.world.new_id()
        token = Token(number, user, f"t{number}", value, scopes or ("all",), self.world.now())
        self.world.tokens.append(token)
        return value


async def _spoil(fault: Fault | None, request: Request) -> Response:
    fault = fault or Fault()
    if fault.hang:
        while not await request.is_disconnected():  # noqa: ASYNC110 - ASGI tells it no other way
            await asyncio.sleep(0.05)
    if fault.cut or fault.hang:
        # ASGI has no word for hanging up; this is uvicorn's own object behind `receive`.
        request.receive.__self__.transport.abort()  # type: ignore[attr-defined]
        return Response()
    if fault.html:
        return HTMLResponse(fault.message, fault.status, fault.headers)
    return JSONResponse({"message": fault.message, "url": ""}, fault.status, fault.headers)


async def _no_page(request: Request, error: Exception) -> Response:
    _ = request, error
    return PlainTextResponse("404 page not found\n", 404)


class ForgeServer(Forge):
    """A forge on a port of its own, in a thread, for as long as the `with` lasts."""

    def __init__(self, root: Path, now: Callable[[], float] = time.time) -> None:
        super().__init__(root, now)
        self.root_token = self.add_token(self.add_user("root", admin=True), "all")
        config = uvicorn.Config(
            self.app(),
            host="127.0.0.1",
            port=0,
            log_config=None,
            timeout_graceful_shutdown=1,
            loop="asyncio",
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return self.world.url

    def __enter__(self) -> Self:
        self._thread.start()
        deadline = time.monotonic() + START_S
        while not self._server.started:
            if time.monotonic() > deadline or not self._thread.is_alive():
                raise RuntimeError("the scripted forge did not start")
            self._thread.join(0.01)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        self.world.url = f"http://127.0.0.1:{port}"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(START_S)
