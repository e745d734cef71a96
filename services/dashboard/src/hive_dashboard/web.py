"""The dashboard's HTTP side: one page, its files, the operators' acts, the live socket."""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import Depends, FastAPI, Request
from hivecommon.contracts.base import Reply
from hivecommon.errors import HiveError
from hiveweb.answers import JsonResponse, error_response, read_json
from hiveweb.bundle import StaticBundle
from hiveweb.farewell import Farewell
from hiveweb.feed import Feed, Topic
from hiveweb.fence import Fence
from hiveweb.headers import SecurityHeaders
from hiveweb.login import Login
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp

from hive_dashboard.acts import Acts, DestroyOrder, MessageOrder
from hive_dashboard.forge import view_work
from hive_dashboard.logs import LogParams, Logs
from hive_dashboard.messages import Messages, MessagesParams
from hive_dashboard.mirror import Mirror, Watch, watch
from hive_dashboard.transcripts import TranscriptParams, Transcripts

STATIC: Final = Path(__file__).parent / "static"
_CODES: Final = {404: "not_found", 405: "not_found", 413: "too_large"}


def make_bundle() -> StaticBundle:
    """Read the page's files."""
    return StaticBundle("/static", {"app": STATIC})


def make_feed(mirror: Mirror, login: Login, condition: Callable[[], Mapping[str, Any]]) -> Feed:
    """Return the live socket with all its topics."""
    tables = ("roster", "approvals", "jobs", "kept", "services", "questions", "schedules")
    return Feed(
        holder=login.holder,
        topics={
            **{name: Topic(Watch, watch(getattr(mirror, name))) for name in tables},
            "transcript": Topic(TranscriptParams, Transcripts(mirror.bus).source),
            "messages": Topic(MessagesParams, Messages(mirror.bus).source),
            "logs": Topic(LogParams, Logs(mirror.bus).source),
        },
        condition=condition,
    )


def make_app(
    *, acts: Acts, login: Login, feed: Feed, bundle: StaticBundle, hosts: frozenset[str],
    stopping: asyncio.Event,
) -> ASGIApp:  # fmt: skip
    """Return the application, behind its fence; `stopping` ends what still waits for an answer."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    async def page() -> Response:
        return HTMLResponse(bundle.page("app/index.html"), headers={"Cache-Control": "no-cache"})

    app.add_api_route("/", page, methods=["GET"], response_model=None)
    app.add_api_route("/api/login", login.answer, methods=["POST"], response_model=None)
    app.add_api_websocket_route("/live", feed.serve)
    app.mount("/static", bundle)
    _add_acts(app, acts, login, stopping)
    app.add_exception_handler(HiveError, _refused)
    app.add_exception_handler(HTTPException, _http_error)
    return SecurityHeaders(Fence(Farewell(app, stopping=stopping), hosts=hosts))


def _add_acts(app: FastAPI, acts: Acts, login: Login, stopping: asyncio.Event) -> None:
    async def bearer(request: Request) -> str:
        return login.bearer(request)

    Operator = Annotated[str, Depends(bearer)]  # noqa: N806 - a type, made where its parts are

    @_post(app, "/api/hive/destroy")
    async def destroy(request: Request, operator: Operator) -> Reply:
        order = await read_json(request, DestroyOrder)
        return await acts.destroy(order, operator=operator, request_id=_request_id(request))

    @_post(app, "/api/hive/{verb}")
    async def act(verb: str, request: Request, operator: Operator) -> Reply:
        body = await request.body()
        return await acts.ask(verb, body, operator=operator, request_id=_request_id(request))

    @_post(app, "/api/agents/{agent}/message")
    async def send(agent: str, request: Request, operator: Operator) -> Reply:
        order = await read_json(request, MessageOrder)
        return await acts.send(agent, order, operator=operator)

    @_post(app, "/api/agents/{agent}/interrupt")
    async def interrupt(agent: str, operator: Operator) -> Reply:
        return await acts.interrupt(agent, operator=operator)

    @_post(app, "/api/agents/{agent}/login/{verb}")
    async def log_in(agent: str, verb: str, request: Request, operator: Operator) -> Reply:
        return await acts.login(agent, verb, await request.body(), operator=operator)

    @_post(app, "/api/agents/{agent}/usage")
    async def usage(agent: str, operator: Operator) -> Reply:
        return await acts.usage(agent, operator=operator)

    @_post(app, "/api/agents/{agent}/ticket")
    async def ticket(agent: str, operator: Operator) -> Reply:
        return await acts.page_ticket(agent, operator=operator)

    @_post(app, "/api/agents/{agent}/forge")
    async def forge(agent: str, operator: Operator) -> Reply:
        return await view_work(acts.bus, agent, operator=operator, stopping=stopping)


_Answers = Callable[..., Awaitable[Reply]]


def _post(app: FastAPI, path: str) -> Callable[[_Answers], None]:
    """Route POSTs to a function whose `Reply` is the answer."""

    def register(answers: _Answers) -> None:
        @functools.wraps(answers)
        async def endpoint(*args: Any, **kwargs: Any) -> Response:
            return JsonResponse(await answers(*args, **kwargs))

        app.add_api_route(path, endpoint, methods=["POST"], response_model=None)

    return register


def _request_id(request: Request) -> str | None:
    return request.headers.get("hive-request-id")


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HiveError)  # noqa: S101 - registered for nothing else
    return error_response(error)


async def _http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for nothing else
    code = _CODES.get(error.status_code, "bad_request")
    return error_response(HiveError(str(error.detail), code=code))
