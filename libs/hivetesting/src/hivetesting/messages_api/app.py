"""The HTTP face of the scripted Messages API."""

import asyncio
import time

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route

from hivetesting.messages_api.frames import answer
from hivetesting.messages_api.gates import Gates
from hivetesting.messages_api.journal import Journal, Outcome
from hivetesting.messages_api.playback import Playback, error_response
from hivetesting.messages_api.request import Request, credential, view
from hivetesting.messages_api.rules import Script
from hivetesting.messages_api.steps import Error, Step
from hivetesting.messages_api.validation import violation
from hivetesting.messages_api.wire import Body

MOST_BYTES = 32 * 2**20
"""Request size limit of the Messages API (platform.claude.com, "Errors": 413)."""


class RefusedError(Exception):
    """A request the real API would refuse, with what it would say."""

    def __init__(self, error: Error) -> None:
        super().__init__(error.message)
        self.error = error


class MessagesApp:
    """Reads requests, asks the script, plays the answer; keeps what happened in its journal."""

    def __init__(self, script: Script, *, agent_pattern: str, journal: Journal) -> None:
        self.script = script
        self.gates = Gates()
        self._under_way: set[asyncio.Task[Outcome]] = set()
        self.script_failures: list[Exception] = []
        self._agent_pattern = agent_pattern
        self._journal = journal
        self.asgi = Starlette(
            routes=[
                Route("/", _alive, methods=["GET", "HEAD"]),
                Route("/v1/messages", self._messages, methods=["POST"]),
            ],
            exception_handlers={HTTPException: _http_error, RefusedError: self._refused},
        )

    def cut_all(self) -> None:
        """Drop every answer that is under way."""
        for playing in tuple(self._under_way):
            playing.cancel()

    async def _messages(self, http: HttpRequest) -> Response | Playback:
        request = await self._read(http)
        said = answer(request, self._ask(request))
        number = self._journal.begin(request, said.steps, time.monotonic())

        def ended(outcome: Outcome) -> None:
            self._journal.end(number, outcome)

        return Playback(
            said,
            stream=request.stream,
            gates=self.gates,
            under_way=self._under_way,
            ended=ended,
        )

    async def _read(self, http: HttpRequest) -> Request:
        headers = {name.lower(): value for name, value in http.headers.items()}
        if not credential(headers):
            raise RefusedError(Error(401, "x-api-key header is required"))
        if "anthropic-version" not in headers:
            raise RefusedError(Error(400, "anthropic-version: header is required"))
        raw = await http.body()
        if len(raw) > MOST_BYTES:
            raise RefusedError(Error(413, "Request exceeds the maximum allowed number of bytes."))
        try:
            body = msgspec.json.decode(raw, type=Body)
        except msgspec.DecodeError as error:
            raise RefusedError(Error(400, str(error))) from error
        if reason := violation(body):
            raise RefusedError(Error(400, reason))
        return view(body, headers=headers, size_bytes=len(raw), agent_pattern=self._agent_pattern)

    def _ask(self, request: Request) -> list[Step]:
        try:
            return list(self.script(request))
        except Exception as error:
            self.script_failures.append(error)
            # 400, since a client would retry a 500 and hide the mistake for minutes
            refusal = Error(400, f"the script failed: {type(error).__name__}: {error}")
            raise RefusedError(refusal) from error

    async def _refused(self, _http: HttpRequest, problem: Exception) -> Response:
        if not isinstance(problem, RefusedError):
            raise problem
        self._journal.reject(problem.error.message)
        return error_response(problem.error, "req_refused")


async def _alive(_http: HttpRequest) -> Response:
    return Response(status_code=200)


async def _http_error(http: HttpRequest, problem: Exception) -> Response:
    if not isinstance(problem, HTTPException):
        raise problem
    said = f"{http.method} {http.url.path}: {problem.detail}"
    return error_response(Error(problem.status_code, said), "req_refused")
