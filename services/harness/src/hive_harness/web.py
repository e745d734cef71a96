"""The agent's own page: who may use it, and where its parts are."""

import sqlite3
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import structlog
from hivecommon.contracts.base import Reply
from hivecommon.contracts.harness import Ticket
from hivecommon.errors import INTERNAL, HiveError
from hiveweb.answers import JsonResponse, error_response
from hiveweb.bundle import StaticBundle
from hiveweb.feed import Feed
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

from hive_harness.config import Settings
from hive_harness.live import Live
from hive_harness.page_acts import PageActs

TICKET_LIFE: Final = timedelta(minutes=10)
TOKEN_LIFE: Final = timedelta(days=30)
OPERATOR_HOLDER: Final = "operator"
_STATIC: Final = Path(__file__).parent / "static"
# A browser on this host reaches a page that listens on every address by the loopback one.
_ANY_ADDRESS: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - not bound to here

_log = structlog.get_logger()


class AgentPage:
    """Answers browsers. Who may speak to the agent here is an operator: nobody else gets a ticket."""

    def __init__(
        self, settings: Settings, acts: PageActs, live: Live, bus_is_there: Callable[[], bool]
    ) -> None:
        self._settings = settings
        self._acts = acts
        self._bus_is_there = bus_is_there
        secret = load_secret(settings.state / ".hyperhive" / "page.secret")
        self._login = Login(
            TicketStore(TICKET_LIFE),
            TokenSigner(secret, audience=f"agent:{settings.name}", lifetime=TOKEN_LIFE),
            FailureLimit(),
        )
        self._bundle = StaticBundle("/static", {"agent": _STATIC})
        self._feed = Feed(self._login.holder, live.topics, self._condition)
        self._on_its_port = False

    def app(self) -> SecurityHeaders:
        """Return the ASGI application."""
        acts = {
            "messages": self._acts.send,
            "pause": self._acts.pause,
            "history": self._acts.read_back,
            "claude/{verb}": self._acts.log_in,
            "{verb}": self._acts.carry_out,
        }
        routes = [
            Route("/", self._index),
            Route("/api/login", self._login.answer, methods=["POST"]),
            WebSocketRoute("/api/live", self._feed.serve),
            *(
                Route(f"/api/{path}", self._guarded(act), methods=["POST"])
                for path, act in acts.items()
            ),
            Mount("/static", self._bundle),
        ]
        config = self._settings.harness
        hosts = {*LOOPBACK_HOSTS, config.host, *config.operator_hosts}
        return SecurityHeaders(Fence(Starlette(routes=routes), hosts=hosts))

    def arrived(self) -> None:
        """Take note that the agent's port is ours."""
        self._on_its_port = True

    async def mint_ticket(self) -> Ticket:
        """Return a link that logs one browser in, once; raise `port_taken` while others have the port.

        Whoever has the port would be shown the ticket.
        """
        config = self._settings.harness
        if not self._on_its_port:
            raise HiveError(
                f"another program holds port {config.port}, where {self._settings.name}'s page belongs",
                code="port_taken",
                hint=f"see `ss -ltnp sport = :{config.port}`; stop it, or rename the agent",
            )
        ticket, expires_at = self._login.tickets.mint(OPERATOR_HOLDER)
        host = _ANY_ADDRESS.get(config.host, config.host)
        host = f"[{host}]" if ":" in host else host
        return Ticket(url=f"http://{host}:{config.port}/#ticket={ticket}", expires_at=expires_at)

    def _condition(self) -> dict[str, Any]:
        return {"bus": self._bus_is_there(), "page": self._bundle.base}

    async def _index(self, _request: Request) -> Response:
        config = self._settings.harness
        page = self._bundle.page("agent/index.html")
        for name, value in {"agent": config.agent, "dashboard": config.dashboard_port}.items():
            page = page.replace(b"{{%s}}" % name.encode(), str(value).encode())
        return Response(page, media_type="text/html", headers={"Cache-Control": "no-cache"})

    def _guarded(
        self, act: Callable[[Request], Awaitable[Reply]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def guarded(request: Request) -> Response:
            try:
                self._login.bearer(request)
                return JsonResponse(await act(request))
            except HiveError as error:
                return error_response(error)
            except sqlite3.OperationalError as error:
                full = HiveError(
                    f"the agent's disk does not take it: {error}", code="disk_full",
                    hint="make room, then try again",
                )  # fmt: skip
                return error_response(full)
            except Exception:  # noqa: BLE001 - logged with its traceback, answered as `internal`
                _log.exception("page_act_failed", path=request.url.path)
                hint = f"see `hive logs {self._settings.name} --level error`"
                message = "something went wrong inside the harness"
                return error_response(HiveError(message, code=INTERNAL, hint=hint))

        return guarded
