"""A service on the bus: typed endpoints that answer in JSON, whatever happens inside them."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from inspect import iscoroutinefunction
from typing import Any, Final, TypeVar
from uuid import uuid4

import msgspec
import nats.micro
from nats.micro.request import Request as MicroRequest
from nats.micro.service import Endpoint
from nats.micro.service import Service as MicroService

from hivecommon.bus import Bus
from hivecommon.callers import Caller, OperatorNames, identify
from hivecommon.contracts.base import (
    DEADLINE_HEADER,
    REQUEST_ID_HEADER,
    ErrorDetail,
    ErrorReply,
    Reply,
    Request,
    wildcard,
)
from hivecommon.errors import INTERNAL, HiveError
from hivecommon.structured import structlog

RequestT = TypeVar("RequestT", bound=Request[Any])

MAX_IN_FLIGHT: Final = 256
"""Requests that one service works on at once; beyond it callers are told `busy`."""
DRAIN_S: Final = 5.0
_MAX_REQUEST_ID: Final = 80

_log = structlog.get_logger()


@dataclass(frozen=True)
class Call:
    """What the bus says about one request."""

    caller: Caller
    request_id: str
    """The same id means the same command."""


Handler = Callable[[Call, RequestT], Awaitable[Reply] | Reply]
"""Answers one request. A plain function, which cannot wait for anything, is spared a task of its own."""


class Service:
    """Endpoints of one service; each request runs in a task of its own.

    nats.micro awaits the handlers of an endpoint one after another and puts `repr(error)` into a
    header; here neither can happen.
    """

    def __init__(
        self, bus: Bus, group: asyncio.TaskGroup, *, name: str, version: str, description: str,
        operators: OperatorNames,
    ) -> None:  # fmt: skip
        self._bus = bus
        self._group = group
        self._name = name
        self._version = version
        self._description = description
        self._operators = operators
        self._micro: MicroService | None = None
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def start(self, endpoints: Mapping[type[Request[Any]], Handler[Any]]) -> None:
        """Answer each request class with its handler from now on."""
        self._micro = await nats.micro.add_service(
            self._bus.client,
            name=self._name,
            version=self._version,
            description=self._description,
        )
        for request_type, handler in endpoints.items():
            await self._add(request_type, handler)

    async def _add(self, request_type: type[Request[Any]], handler: Handler[Any]) -> None:
        if self._micro is None:
            raise RuntimeError("start() comes first")
        measured: list[Endpoint] = []
        waits = iscoroutinefunction(handler)

        async def dispatch(request: MicroRequest) -> None:
            if self._in_flight >= MAX_IN_FLIGHT:
                busy = HiveError(f"{self._name} is busy", code="busy", hint="try again in a second")
                await _answer(request, _error_reply(busy))
                return
            self._in_flight += 1
            self._idle.clear()
            if waits:
                began_ns = time.perf_counter_ns()
                self._group.create_task(
                    self._run(request, request_type, handler, measured[0], began_ns)
                )
            else:
                # nats.micro measures what happens inside of its callback.
                await self._run(request, request_type, handler, measured[0], None)
                structlog.contextvars.unbind_contextvars("caller", "request_id")

        subject = wildcard(request_type.subject)
        await self._micro.add_endpoint(
            name=subject.replace("*", "any").replace(".", "-"),
            subject=subject,
            handler=dispatch,
            metadata={
                "description": (request_type.__doc__ or "").strip(),
                "payload": request_type.describe(),
                "schema": msgspec.json.encode(request_type.schema()).decode(),
            },
        )
        # nats-py has no way to report a handler that goes on after its callback returned.
        measured.append(self._micro._endpoints[-1])  # noqa: SLF001

    async def drain(self) -> None:
        """Take no new requests, answer those that have arrived; gives up on slow ones after 5 s."""
        if self._micro is None:
            return
        # Service.stop() would drop what is queued (nats-py 2.16).
        for endpoint in self._micro._endpoints:  # noqa: SLF001 - as above
            if endpoint._subscription is not None:  # noqa: SLF001
                await endpoint._subscription.drain()  # noqa: SLF001
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                await self._idle.wait()

    async def _run(
        self,
        request: MicroRequest,
        request_type: type[Request[Any]],
        handler: Handler[Any],
        endpoint: Endpoint,
        began_ns: int | None,
    ) -> None:
        try:
            await self._run_counted(request, request_type, handler, endpoint, began_ns)
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._idle.set()

    async def _run_counted(
        self,
        request: MicroRequest,
        request_type: type[Request[Any]],
        handler: Handler[Any],
        endpoint: Endpoint,
        began_ns: int | None,
    ) -> None:
        reply: Reply | ErrorReply
        try:
            reply = await self._answer_of(request, request_type, handler)
        except HiveError as error:
            _log.info(
                "request_refused", subject=request.subject, code=error.code, reason=error.message
            )
            reply = _error_reply(error)
        except Exception:  # noqa: BLE001 - logged with its traceback, answered as `internal`
            _log.exception("request_failed", subject=request.subject)
            reply = _error_reply(
                HiveError(
                    "something went wrong inside the service", code=INTERNAL,
                    hint=f"see `hive logs {self._name} --level error`",
                )
            )  # fmt: skip
        if isinstance(reply, ErrorReply):
            endpoint._num_errors += 1  # noqa: SLF001 - as above
            endpoint._last_error = f"{reply.error.code}: {reply.error.message}"  # type: ignore[assignment] # noqa: SLF001
        if began_ns is not None:
            endpoint._processing_time += time.perf_counter_ns() - began_ns  # noqa: SLF001
            endpoint._average_processing_time = (  # noqa: SLF001
                endpoint._processing_time // max(1, endpoint._num_requests)  # noqa: SLF001
            )
        await _answer(request, reply)

    async def _answer_of(
        self, request: MicroRequest, request_type: type[Request[Any]], handler: Handler[Any]
    ) -> Reply:
        headers = request.headers or {}
        caller = identify(
            request.subject, request._msg.reply, headers, self._operators  # noqa: SLF001 - nats.micro hides the reply subject
        )  # fmt: skip
        request_id = (headers.get(REQUEST_ID_HEADER) or uuid4().hex)[:_MAX_REQUEST_ID]
        structlog.contextvars.bind_contextvars(caller=str(caller), request_id=request_id)
        _refuse_expired(headers.get(DEADLINE_HEADER))
        answer = handler(Call(caller, request_id), request_type.decode(request.data))
        return answer if isinstance(answer, Reply) else await answer


def _refuse_expired(deadline: str | None) -> None:
    if deadline is None:
        return
    try:
        late_s = time.time() - float(deadline)
    except ValueError as error:
        raise HiveError(
            f"{DEADLINE_HEADER}: {deadline!r} is no Unix time", code="bad_request"
        ) from error
    if late_s > 0:
        raise HiveError(f"the deadline passed {late_s:.1f} s ago", code="expired", hint="ask again")


def _error_reply(error: HiveError) -> ErrorReply:
    return ErrorReply(error=ErrorDetail(code=error.code, message=error.message, hint=error.hint))


async def _answer(request: MicroRequest, reply: Reply | ErrorReply) -> None:
    if not request._msg.reply:  # noqa: SLF001 - nats.micro hides the reply subject
        return
    payload = msgspec.json.encode(reply)
    try:
        if isinstance(reply, ErrorReply):
            # A header line ends at a line break, and the message may quote what was sent.
            text = reply.error.message.encode("ascii", "replace").decode()
            line = "".join(c if c.isprintable() else "?" for c in text)[:200]
            await request.respond_error(reply.error.code, line, payload)
        else:
            await request.respond(payload)
    except Exception:  # noqa: BLE001 - logged
        # The bus went away meanwhile: the caller has its timeout, the operator this line.
        _log.exception("answer_lost", subject=request.subject)
