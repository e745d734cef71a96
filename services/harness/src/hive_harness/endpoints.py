"""Answers requests to one agent (`agent.<agent>.<verb>`) on plain subscriptions, in JSON, whatever happens.

nats.micro is not for here: its `$SRV` subjects do not exist in the agents' account.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

import msgspec
import nats.errors
import structlog
from hivecommon.bus import Bus
from hivecommon.contracts.base import DEADLINE_HEADER, ErrorDetail, ErrorReply, Reply, Request, fill
from hivecommon.errors import INTERNAL, HiveError
from hivecommon.names import AgentName
from nats.aio.msg import Msg

RequestT = TypeVar("RequestT", bound=Request[Any])
Handler = Callable[[RequestT], Awaitable[Reply]]
Handlers = Mapping[type[Request[Any]], Handler[Any]]

MAX_IN_FLIGHT: Final = 64
# Requests from the services' and operators' accounts have such a reply subject, made by the server.
_CROSSED: Final = "_R_."

_log = structlog.get_logger()


class Endpoints:
    """Dispatches to handlers, each request in a task of its own."""

    def __init__(self, bus: Bus, group: asyncio.TaskGroup, agent: AgentName) -> None:
        self._bus = bus
        self._group = group
        self._agent = agent
        self._in_flight = 0

    async def start(self, handlers: Handlers) -> None:
        """Answer each request class with its handler from now on."""
        for request_type, handler in handlers.items():
            subject = fill(request_type.subject, agent=self._agent)
            await self._bus.subscribe(subject, self._dispatcher(request_type, handler))

    def _dispatcher(
        self, request_type: type[Request[Any]], handler: Handler[Any]
    ) -> Callable[[Msg], Awaitable[None]]:
        async def dispatch(msg: Msg) -> None:
            if self._in_flight >= MAX_IN_FLIGHT:
                busy = HiveError(
                    f"{self._agent} is busy", code="busy", hint="try again in a second"
                )
                await self._answer(msg, _refusal(busy))
                return
            self._in_flight += 1
            self._group.create_task(self._run(msg, request_type, handler))

        return dispatch

    async def _run(self, msg: Msg, request_type: type[Request[Any]], handler: Handler[Any]) -> None:
        reply: Reply | ErrorReply
        try:
            reply = await _answer_of(msg, request_type, handler)
        except HiveError as error:
            _log.info("request_refused", subject=msg.subject, code=error.code, reason=error.message)
            reply = _refusal(error)
        except Exception:  # noqa: BLE001 - logged with its traceback, answered as `internal`
            _log.exception("request_failed", subject=msg.subject)
            hint = f"see `hive logs {self._agent} --level error`"
            reply = _refusal(
                HiveError("something went wrong inside the harness", code=INTERNAL, hint=hint)
            )
        finally:
            self._in_flight -= 1
        await self._answer(msg, reply)

    async def _answer(self, msg: Msg, reply: Reply | ErrorReply) -> None:
        if not msg.reply.startswith(_CROSSED):
            return
        try:
            await self._bus.publish(msg.reply, msgspec.json.encode(reply))
        except nats.errors.Error:
            # The bus went away meanwhile: the caller has its timeout, the operator this line.
            _log.exception("answer_lost", subject=msg.subject)


async def _answer_of(msg: Msg, request_type: type[Request[Any]], handler: Handler[Any]) -> Reply:
    if not msg.reply.startswith(_CROSSED):
        raise HiveError(
            f"the reply subject {msg.reply!r} is none of a requester's own", code="refused",
            hint="send a request, with a reply inbox below _INBOX",
        )  # fmt: skip
    deadline = (msg.headers or {}).get(DEADLINE_HEADER)
    try:
        late_s = time.time() - float(deadline) if deadline else 0.0
    except ValueError as error:
        raise HiveError(
            f"{DEADLINE_HEADER}: {deadline!r} is no Unix time", code="bad_request"
        ) from error
    if late_s > 0:
        raise HiveError(f"the deadline passed {late_s:.1f} s ago", code="expired", hint="ask again")
    return await handler(request_type.decode(msg.data))


def _refusal(error: HiveError) -> ErrorReply:
    return ErrorReply(error=ErrorDetail(code=error.code, message=error.message, hint=error.hint))
