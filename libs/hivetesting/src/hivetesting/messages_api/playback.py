"""Plays the frames of one answer to one client, to the end, a cut, or until the client leaves."""

import asyncio
from collections.abc import Callable

from starlette.responses import JSONResponse
from starlette.types import Message, Receive, Scope, Send

from hivetesting.messages_api.frames import (
    Answer,
    Cut,
    Event,
    Gate,
    Pause,
    Refusal,
    frames,
    message,
)
from hivetesting.messages_api.gates import Gates
from hivetesting.messages_api.journal import Outcome
from hivetesting.messages_api.steps import Error

BROKEN_OFF = (Outcome.CUT, Outcome.DISCONNECTED)
Ended = Callable[[Outcome], None]


def error_response(error: Error, request_id: str) -> JSONResponse:
    """Make the response by which the API reports this error."""
    body = error.body() | {"request_id": request_id}
    headers = {**error.headers, "request-id": request_id}
    return JSONResponse(body, status_code=error.status, headers=headers)


class Playback:
    """An ASGI response. A cut is made by ending without the last chunk, which closes the socket."""

    def __init__(
        self,
        said: Answer,
        *,
        stream: bool,
        gates: Gates,
        under_way: set[asyncio.Task[Outcome]],
        ended: Ended,
    ) -> None:
        self._said = said
        self._stream = stream
        self._gates = gates
        self._under_way = under_way
        self._ended = ended
        self._started = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Play; a client that leaves stops it at once."""
        outcome = Outcome.DISCONNECTED
        try:
            async with asyncio.TaskGroup() as tasks:
                playing = tasks.create_task(self._play(scope, receive, send))
                leaving = tasks.create_task(_cancel_when_gone(receive, playing))
                self._under_way.add(playing)
                playing.add_done_callback(self._under_way.discard)
                playing.add_done_callback(lambda _: leaving.cancel())
            if not playing.cancelled():
                outcome = playing.result()
            if outcome in BROKEN_OFF and not self._started:
                await send(self._start())  # for an answer that never began uvicorn makes up a 500
        finally:
            self._ended(outcome)

    async def _play(self, scope: Scope, receive: Receive, send: Send) -> Outcome:
        for frame in frames(self._said):
            match frame:
                case Event() if self._stream:
                    await self._send_event(send, frame)
                case Event():
                    pass
                case Pause():
                    await asyncio.sleep(frame.seconds)
                case Gate():
                    await self._gates.passed(frame.name)
                case Cut():
                    return Outcome.CUT
                case Refusal():
                    refusal = error_response(frame.error, self._request_id)
                    refusal.headers.update(self._said.headers)
                    await refusal(scope, receive, send)
                    return Outcome.REFUSED
        if self._stream:
            await send({"type": "http.response.body", "body": b""})
        else:
            headers = {**self._said.headers, "request-id": self._request_id}
            await JSONResponse(message(self._said), headers=headers)(scope, receive, send)
        return Outcome.ANSWERED

    async def _send_event(self, send: Send, event: Event) -> None:
        if not self._started:
            self._started = True
            await send(self._start())
        await send({"type": "http.response.body", "body": event.encode(), "more_body": True})

    def _start(self) -> Message:
        headers = {
            "content-type": "text/event-stream; charset=utf-8",
            "cache-control": "no-cache",
            "request-id": self._request_id,
            **self._said.headers,
        }
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        return {"type": "http.response.start", "status": 200, "headers": raw}

    @property
    def _request_id(self) -> str:
        return self._said.id.replace("msg_", "req_")


async def _cancel_when_gone(receive: Receive, playing: asyncio.Task[Outcome]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    playing.cancel()
