"""The agent's own page: the live transcript, a box to write to it, a way to stop it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import structlog
import uvicorn
from hivecommon.contracts.base import Reply
from hivecommon.contracts.events import AgentEvent, StatusChanged
from hivecommon.contracts.harness import Ticket
from hivecommon.contracts.inbox import MessageId, check_body
from hivecommon.contracts.lifecycle import Done
from hivecommon.contracts.login import LOGIN_VERBS
from hivecommon.contracts.roster import HarnessStatus
from hivecommon.errors import HiveError
from hivecommon.listen import listen
from hiveweb.answers import JsonResponse, error_response, read_json
from hiveweb.bundle import StaticBundle
from hiveweb.feed import MAX_FRAME_BYTES, Feed, Sink, Topic
from hiveweb.fence import Fence
from hiveweb.headers import SecurityHeaders
from hiveweb.hosts import LOOPBACK_HOSTS
from hiveweb.login import FailureLimit, Login
from hiveweb.tickets import TicketStore
from hiveweb.tokens import TokenSigner, load_secret
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route, WebSocketRoute
from typing_extensions import override

from hive_harness.config import Settings
from hive_harness.eventlog import Clock, EventLog
from hive_harness.login_desk import LoginDesk
from hive_harness.status import StatusBoard
from hive_harness.store import Store
from hive_harness.worker import Worker

TICKET_LIFE: Final = timedelta(minutes=10)
TOKEN_LIFE: Final = timedelta(days=30)
OPERATOR_HOLDER: Final = "operator"
_STATIC: Final = Path(__file__).parent / "static"
_CHUNK: Final = 200
# A browser on this host reaches a page that listens on every address by the loopback one.
_ANY_ADDRESS: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - not bound to here

_log = structlog.get_logger()


class TranscriptParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From where on."""

    after: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Number of the last event that the page has; 0 for the last `history` ones."""
    history: Annotated[int, msgspec.Meta(ge=1, le=5000)] = 500


class TranscriptItem(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is new: an event, or how the agent is."""

    event: AgentEvent | None = None
    status: HarnessStatus | None = None


class NewMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was typed; the page makes the id, so that sending twice is sending once."""

    id: MessageId
    body: str


class AgentPage:
    """Answers browsers. Who may speak to the agent here is an operator: nobody else gets a ticket."""

    def __init__(
        self, settings: Settings, worker: Worker, board: StatusBoard, log: EventLog, store: Store,
        clock: Clock, login_desk: LoginDesk,
    ) -> None:  # fmt: skip
        self._settings = settings
        self._worker = worker
        self._board = board
        self._log = log
        self._store = store
        self._clock = clock
        self._login_desk = login_desk
        secret = load_secret(settings.state / ".hyperhive" / "page.secret")
        self._login = Login(
            TicketStore(TICKET_LIFE),
            TokenSigner(secret, audience=f"agent:{settings.name}", lifetime=TOKEN_LIFE),
            FailureLimit(),
        )
        self._bundle = StaticBundle("/static", {"agent": _STATIC})
        self._feed = Feed(
            self._login.holder, {"transcript": Topic(TranscriptParams, self._transcript)}
        )

    def app(self) -> SecurityHeaders:
        """Return the ASGI application."""
        routes = [
            Route("/", self._index),
            Route("/api/login", self._login.answer, methods=["POST"]),
            Route("/api/messages", self._guarded(self._send), methods=["POST"]),
            Route("/api/interrupt", self._guarded(self._interrupt), methods=["POST"]),
            Route("/api/retry", self._guarded(self._retry), methods=["POST"]),
            Route("/api/claude/{verb}", self._guarded(self._log_in), methods=["POST"]),
            WebSocketRoute("/api/live", self._feed.serve),
            Mount("/static", self._bundle),
        ]
        config = self._settings.harness
        hosts = {*LOOPBACK_HOSTS, config.host, *config.operator_hosts}
        return SecurityHeaders(Fence(Starlette(routes=routes), hosts=hosts))

    async def mint_ticket(self) -> Ticket:
        """Return a link that logs one browser in, once."""
        ticket, expires_at = self._login.tickets.mint(OPERATOR_HOLDER)
        config = self._settings.harness
        host = _ANY_ADDRESS.get(config.host, config.host)
        host = f"[{host}]" if ":" in host else host
        return Ticket(url=f"http://{host}:{config.port}/#ticket={ticket}", expires_at=expires_at)

    async def _index(self, _request: Request) -> Response:
        page = self._bundle.page("agent/index.html")
        named = page.replace(b"{{agent}}", self._settings.name.encode())
        return Response(named, media_type="text/html", headers={"Cache-Control": "no-cache"})

    def _guarded(
        self, act: Callable[[Request], Awaitable[Reply]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def guarded(request: Request) -> Response:
            try:
                self._login.bearer(request)
                return JsonResponse(await act(request))
            except HiveError as error:
                return error_response(error)

        return guarded

    async def _send(self, request: Request) -> Done:
        message = await read_json(request, NewMessage)
        await self._store.add_page_letter(
            id=message.id, body=check_body(message.body), sent_at=self._clock()
        )
        self._worker.wake()
        return Done()

    async def _interrupt(self, _request: Request) -> Done:
        return Done(changed=await self._worker.interrupt())

    async def _retry(self, _request: Request) -> Done:
        return Done(changed=await self._worker.retry_now())

    async def _log_in(self, request: Request) -> Reply:
        verb: str = request.path_params["verb"]
        request_type = LOGIN_VERBS.get(verb)
        if request_type is None:
            raise HiveError(f"there is no act {verb[:40]!r}", code="not_found")
        return await self._login_desk.answer(request_type.decode(await request.body()))

    async def _transcript(self, params: TranscriptParams, sink: Sink) -> None:
        news = asyncio.Event()
        with self._hearing(news):
            await sink.put(TranscriptItem(status=self._board.status))
            last = params.after
            if not last:
                last = self._log.stored_seq
                history = await self._log.read(after=None, before=last + 1, limit=params.history)
                await _put(history, sink)
            while True:
                news.clear()
                while events := await self._log.read(after=last, before=None, limit=_CHUNK):
                    await _put(events, sink)
                    last = events[-1].seq
                await news.wait()
                await sink.put(TranscriptItem(status=self._board.status))

    @contextmanager
    def _hearing(self, news: asyncio.Event) -> Iterator[None]:
        def hear(_events: Sequence[AgentEvent]) -> None:
            news.set()

        stop = self._log.listen(hear)
        try:
            yield
        finally:
            stop()


async def _put(events: Sequence[AgentEvent], sink: Sink) -> None:
    for event in events:
        if not isinstance(event.body, StatusChanged):
            await sink.put(TranscriptItem(event=event))


class _Server(uvicorn.Server):
    @override
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # the process has its own way to end


@asynccontextmanager
async def serving(app: Any, settings: Settings, group: asyncio.TaskGroup) -> AsyncIterator[None]:
    """Answer browsers on the agent's port for the length of the block.

    A port that is taken is waited for in the background: the agent works without its page.
    """
    server = _Server(
        uvicorn.Config(
            app, log_config=None, access_log=False, lifespan="off", ws="websockets-sansio",
            ws_max_size=MAX_FRAME_BYTES, timeout_graceful_shutdown=1, server_header=False,
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
                await server.serve(sockets=[sock])
                return

    task = group.create_task(serve())
    try:
        yield
    finally:
        server.should_exit = True
        if not server.started:
            task.cancel()
