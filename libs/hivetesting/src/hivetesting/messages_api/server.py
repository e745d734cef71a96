"""The scripted Messages API as a running server, in a thread of its own."""

import asyncio
import socket
import threading
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import uvicorn

from hivetesting.messages_api.app import MessagesApp
from hivetesting.messages_api.journal import (
    Exchange,
    Journal,
    Predicate,
    blocking_within,
    within,
)
from hivetesting.messages_api.request import NOBODY, Request
from hivetesting.messages_api.rules import Script, echo


def listening(host: str, port: int) -> socket.socket:
    """Open a listening socket, on a free port if `port` is 0; `OSError` if the port is taken."""
    listener = socket.create_server((host, port), backlog=128)
    # asyncio does so for sockets that name their protocol, which this one and those from it do not:
    # every second piece of a stream would wait 40 ms for the client to acknowledge the one before.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def uvicorn_server(app: MessagesApp) -> uvicorn.Server:
    """Make a server for the app that leaves logging alone; what a client sees is in the journal."""
    return uvicorn.Server(
        uvicorn.Config(
            app.asgi,
            log_config=None,
            log_level="critical",  # a cut stream is asked for, and uvicorn would call it an error
            access_log=False,
            lifespan="off",
            ws="none",
            timeout_keep_alive=60,
            timeout_graceful_shutdown=1,
        )
    )


class ScriptedMessagesApi:
    """A server for `with` and `async with`; both run it in a background thread.

    `script` is called in that thread. `agent_pattern`, a regular expression with a group `agent`, finds an
    agent's name in the system text. If the script raised, the client got a 400 and leaving the context
    raises the script's first exception.
    """

    def __init__(
        self,
        script: Script = echo,
        *,
        agent_pattern: str = NOBODY,
        port: int = 0,
        capacity: int = 1_000,
    ) -> None:
        self._journal = Journal(capacity)
        self._app = MessagesApp(script, agent_pattern=agent_pattern, journal=self._journal)
        self._port = port
        self._running: _Running | None = None

    @property
    def base_url(self) -> str:
        """What `ANTHROPIC_BASE_URL` must be; `RuntimeError` unless the server runs."""
        port = self._need_running().socket.getsockname()[1]
        return f"http://127.0.0.1:{port}"

    @property
    def script(self) -> Script:
        """The script; another one may be set at any time and answers from the next request on."""
        return self._app.script

    @script.setter
    def script(self, script: Script) -> None:
        self._app.script = script

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """The newest requests with their answers and outcomes, oldest first."""
        return self._journal.exchanges

    @property
    def requests(self) -> tuple[Request, ...]:
        """The newest requests, oldest first."""
        return tuple(exchange.request for exchange in self._journal.exchanges)

    @property
    def invalid(self) -> tuple[str, ...]:
        """Why requests were refused as invalid: a client's bug unless the test provoked it."""
        return self._journal.invalid

    def count(self, agent: str | None = None) -> int:
        """How many valid requests came, in all or from one agent."""
        return self._journal.count(agent)

    async def wait_for(self, predicate: Predicate, deadline_s: float = 10.0) -> Exchange:
        """Await the first exchange, past or to come, that fits; each is tried again when it ends.

        `TimeoutError` says what came instead. The predicate may run in the server's thread.
        """
        return await within(self._journal.expect(predicate), deadline_s, self._journal)

    def wait_for_blocking(self, predicate: Predicate, deadline_s: float = 10.0) -> Exchange:
        """`wait_for` for code without a loop."""
        return blocking_within(self._journal.expect(predicate), deadline_s, self._journal)

    def release(self, gate: str = "hang") -> None:
        """Let every answer that hangs, or will hang, at this gate go on."""
        self._need_running().loop.call_soon_threadsafe(self._app.gates.release, gate)

    def shut(self, gate: str = "hang") -> None:
        """Make answers to come hang at a released gate again."""
        self._need_running().loop.call_soon_threadsafe(self._app.gates.shut, gate)

    def start(self) -> None:
        """Serve on 127.0.0.1; `OSError` if the port is taken."""
        if self._running:
            raise RuntimeError("the scripted Messages API runs already")
        listener = listening("127.0.0.1", self._port)
        loop = asyncio.new_event_loop()
        server = uvicorn_server(self._app)
        thread = threading.Thread(
            target=_serve, args=(server, listener, loop), name="messages-api", daemon=True
        )
        self._running = _Running(server, listener, loop, thread)
        thread.start()

    def stop(self) -> None:
        """Stop serving; answers under way are cut."""
        running, self._running = self._need_running(), None
        running.loop.call_soon_threadsafe(self._app.cut_all)
        running.server.should_exit = True
        running.thread.join()

    def _need_running(self) -> "_Running":
        if self._running is None:
            raise RuntimeError("the scripted Messages API does not run: use it with `with`")
        return self._running

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        self._raise_script_failure(error)

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self.stop)
        self._raise_script_failure(error)

    def _raise_script_failure(self, error: BaseException | None) -> None:
        if error is None and self._app.script_failures:
            raise self._app.script_failures[0]


@dataclass(frozen=True, slots=True)
class _Running:
    server: uvicorn.Server
    socket: socket.socket
    loop: asyncio.AbstractEventLoop
    thread: threading.Thread


def _serve(
    server: uvicorn.Server, listener: socket.socket, loop: asyncio.AbstractEventLoop
) -> None:
    with listener:
        try:
            loop.run_until_complete(server.serve(sockets=[listener]))
        finally:
            loop.close()
