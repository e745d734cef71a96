"""The connection to the bus: requests with a deadline, acknowledged publishing, declared streams."""

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Self, TypeVar
from uuid import uuid4

import msgspec
import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, RetentionPolicy, StoreCompression, StreamConfig
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_exponential

from hivecommon.contracts.base import (
    DEADLINE_HEADER,
    OPERATOR_HEADER,
    REQUEST_ID_HEADER,
    Reply,
    Request,
    decode_reply,
    fill,
)
from hivecommon.contracts.events import HiveEvent, HiveEventBody
from hivecommon.contracts.inbox import InboxMessage
from hivecommon.contracts.streams import StreamSpec
from hivecommon.errors import HiveError, Unavailable

R = TypeVar("R", bound=Reply)

RECONNECT_WAIT_S: Final = 0.25
DEFAULT_TIMEOUT_S: Final = 5.0
_PENDING_BYTES: Final = 8 << 20
# JetStream's error for `discard_new_per_subject` (nats-server/server/errors.json).
_FULL_SUBJECT: Final = 10077
# The server's words, in lower case as nats-py hands them on; they come apart from any reply.
_FORBIDDEN: Final = re.compile(r'permissions violation for publish to "([^"]+)"')


def _log() -> Any:
    """Return the log; structlog takes 0.12 s to import, and `hive ls` has nothing to log."""
    from hivecommon.structured import structlog  # noqa: PLC0415 - see above

    return structlog.get_logger()


Say = Callable[[str, str, str], None]
"""Is told of the connection's ups and downs: a log level, an event's name, a detail."""


def _say_in_log(level: str, event: str, detail: str) -> None:
    _log().log(getattr(logging, level.upper()), event, detail=detail)


@dataclass(frozen=True)
class Login:
    """How one principal connects."""

    url: str
    name: str
    """Shown in `nats server report connections`."""
    inbox_prefix: str
    seed: str = field(repr=False)


class Bus:
    """A principal's connection. It reconnects for ever and takes all subscriptions along."""

    def __init__(
        self, client: Client, login: Login, closed: asyncio.Event, refusals: "_Refusals"
    ) -> None:
        self._client = client
        self._login = login
        self._refusals = refusals
        self.closed = closed
        """Set when the connection is gone for good: the process should end."""

    @classmethod
    async def connect(
        cls, login: Login, *, patience_s: float | None = None, say: Say = _say_in_log
    ) -> Self:
        """Connect; wait for the server for ever, or raise `Unavailable` after `patience_s`."""
        closed = asyncio.Event()
        refusals = _Refusals()

        async def on_error(error: Exception) -> None:
            refusals.hear(str(error))
            say("warning", "bus_error", str(error) or type(error).__name__)

        client = Client()

        async def on_disconnect() -> None:
            if not client.is_closed:  # closing on purpose is no news
                say("warning", "bus_disconnected", login.url)

        async def on_reconnect() -> None:
            say("info", "bus_reconnected", login.url)

        async def on_close() -> None:
            closed.set()

        try:
            async with asyncio.timeout(patience_s):
                await client.connect(
                    login.url,
                    name=login.name,
                    nkeys_seed_str=login.seed,
                    inbox_prefix=login.inbox_prefix.encode(),
                    max_reconnect_attempts=-1,
                    reconnect_time_wait=RECONNECT_WAIT_S,  # type: ignore[arg-type] # it says int and sleeps for what it gets
                    connect_timeout=2,
                    ping_interval=20,
                    max_outstanding_pings=2,
                    drain_timeout=5,
                    pending_size=_PENDING_BYTES,
                    error_cb=on_error,
                    disconnected_cb=on_disconnect,
                    reconnected_cb=on_reconnect,
                    closed_cb=on_close,
                )
        except (TimeoutError, OSError, nats.errors.Error) as error:
            raise Unavailable(
                f"no bus at {login.url}: {str(error) or 'no answer'}",
                hint="start the hive with `hive up`, or set HIVE_NATS_URL",
            ) from error
        return cls(client, login, closed, refusals)

    @property
    def client(self) -> Client:
        """The raw client, for what this wrapper has no words for."""
        return self._client

    @property
    def jetstream(self) -> JetStreamContext:
        """The raw JetStream context."""
        return self._client.jetstream()

    @property
    def connected(self) -> bool:
        """Whether the server is there right now."""
        return self._client.is_connected

    async def request(
        self,
        message: Request[R],
        *,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        request_id: str | None = None,
        operator: str | None = None,
        **tokens: str,
    ) -> R:
        """Send `message` and return its answer; raise the `HiveError` that was answered.

        A service that is restarting is waited for within `timeout_s`; then `Unavailable`. The
        deadline travels along, so that a request delivered after an outage is not carried out
        behind the back of a caller who gave up. `tokens` fill the subject's `{tokens}`.
        """
        subject = fill(message.subject, **tokens)
        headers = {
            REQUEST_ID_HEADER: request_id or uuid4().hex,
            DEADLINE_HEADER: f"{time.time() + timeout_s:.3f}",
        }
        if operator is not None:
            headers[OPERATOR_HEADER] = operator
        answer = await self._ask(subject, msgspec.json.encode(message), headers, timeout_s)
        return decode_reply(answer.data, message.reply_type())

    async def _ask(
        self, subject: str, payload: bytes, headers: Mapping[str, str], timeout_s: float
    ) -> Msg:
        deadline = time.monotonic() + timeout_s

        async def attempt() -> Msg:
            if not self._client.is_connected:
                raise _NotConnected
            left = max(0.05, deadline - time.monotonic())
            return await self._client.request(subject, payload, timeout=left, headers=dict(headers))

        try:
            try:
                # Nearly always enough, and a tenth of the round trip cheaper than tenacity.
                return await attempt()
            except _RETRIED:
                return await AsyncRetrying(
                    retry=retry_if_exception_type(_RETRIED),
                    wait=wait_exponential(multiplier=0.05, max=0.5),
                    stop=stop_after_delay(timeout_s),
                    reraise=True,
                )(attempt)
        except nats.errors.NoRespondersError as error:
            raise Unavailable(
                f"nobody answers {subject}", hint="is its service up? see `hive status`"
            ) from error
        except (
            nats.errors.TimeoutError,
            _NotConnected,
            nats.errors.OutboundBufferLimitError,
        ) as error:
            raise Unavailable(f"no answer to {subject} within {timeout_s:g} s") from error

    async def publish(self, subject: str, payload: bytes, *, message_id: str = "") -> None:
        """Publish without an acknowledgement; during an outage up to 8 MiB are kept and sent later.

        A stream drops what comes again under the same `message_id` within its dedupe window.
        """
        headers = {"Nats-Msg-Id": message_id} if message_id else None
        await self._client.publish(subject, payload, headers=headers)

    async def publish_acked(
        self, subject: str, payload: bytes, *, message_id: str, timeout_s: float = 5.0
    ) -> bool:
        """Publish into a stream; return once it is stored. False: the stream knew `message_id`.

        Raises `inbox_full` when the subject's limit is reached, `forbidden` when the bus does not
        let this principal publish there, else `Unavailable`; after that the caller may publish
        again with the same id.
        """
        if not self._client.is_connected:
            raise Unavailable("the bus is away")
        try:
            async with self._refusals.raised(subject):
                ack = await self.jetstream.publish(
                    subject, payload, timeout=timeout_s, headers={"Nats-Msg-Id": message_id}
                )
        except nats.js.errors.APIError as error:
            if error.err_code == _FULL_SUBJECT:
                raise HiveError(
                    f"{subject} holds as many messages as it may",
                    code="inbox_full",
                    hint="wait until some are read",
                ) from error
            raise Unavailable(f"the stream of {subject} refused: {error.description}") from error
        except (nats.errors.Error, nats.js.errors.Error) as error:
            raise Unavailable(f"not stored: {subject}: {str(error) or 'no answer'}") from error
        return not ack.duplicate

    async def publish_event(self, service: str, body: HiveEventBody, *, event_id: str = "") -> None:
        """Publish an event of a service, without waiting; during an outage it is kept and sent later.

        `event_id` names what happened, so that it is one event however often it is published.
        """
        event = HiveEvent(id=event_id or uuid4().hex, at=datetime.now(UTC), body=body)  # noqa: TID251 - the edge: the moment of publishing
        payload = msgspec.json.encode(event)
        await self.publish(event.subject_for(service), payload, message_id=event_id)

    async def send_message(self, *, to: str, sender: str, message: InboxMessage) -> bool:
        """Put `message` into an inbox; return False when the stream had it already."""
        return await self.publish_acked(
            InboxMessage.subject_for(to=to, sender=sender),
            msgspec.json.encode(message),
            message_id=message.id,
        )

    async def subscribe(
        self, subject: str, handler: Callable[[Msg], Awaitable[None]], *, queue: str = ""
    ) -> Subscription:
        """Call `handler` for each message, one after another; a raising handler is logged."""

        async def guarded(msg: Msg) -> None:
            try:
                await handler(msg)
            except Exception:  # noqa: BLE001 - logged; one bad message must not end the subscription
                _log().exception("handler_failed", subject=msg.subject)

        return await self._client.subscribe(subject, queue=queue, cb=guarded)

    async def declare(self, spec: StreamSpec) -> None:
        """Make the stream, or bring an existing one to what `spec` says."""
        config = StreamConfig(
            name=spec.name,
            subjects=list(spec.subjects),
            retention=RetentionPolicy.LIMITS,
            discard=DiscardPolicy.NEW if spec.refuse_when_full else DiscardPolicy.OLD,
            discard_new_per_subject=spec.refuse_when_full,
            max_age=spec.max_age.total_seconds() if spec.max_age else 0,
            max_bytes=spec.max_bytes or -1,
            max_msgs_per_subject=spec.max_msgs_per_subject or -1,
            compression=StoreCompression.S2 if spec.compress else StoreCompression.NONE,
            duplicate_window=spec.dedupe.total_seconds(),
            allow_direct=True,
        )
        try:
            await self.jetstream.update_stream(config)
        except nats.js.errors.NotFoundError:
            await self.jetstream.add_stream(config)

    async def drain(self) -> None:
        """Answer what is queued, send what is buffered, close; without a server just close."""
        if self._client.is_reconnecting:
            await self._client.close()
        elif not self._client.is_closed:
            await self._client.drain()


class _NotConnected(Exception):
    """The connection is down at this moment."""


_RETRIED: Final = (nats.errors.NoRespondersError, _NotConnected)
"""What passes while a service or the server restarts."""


class _Refusals:
    """Ends publishing into a forbidden subject at once: the server sends no reply to it."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[asyncio.Timeout]] = {}

    def hear(self, error: str) -> None:
        """Take note of an error that the server reported."""
        if found := _FORBIDDEN.search(error.lower()):
            for publishing in self._waiting.get(found[1], ()):
                publishing.reschedule(0)

    @asynccontextmanager
    async def raised(self, subject: str) -> AsyncIterator[None]:
        """Raise `forbidden` as soon as the server refuses what the block publishes to `subject`."""
        publishing = asyncio.timeout(None)
        waiting = self._waiting.setdefault(subject.lower(), [])
        waiting.append(publishing)
        try:
            async with publishing:
                yield
        except TimeoutError as error:
            if not publishing.expired():
                raise
            raise HiveError(
                f"the bus does not let you publish to {subject}",
                code="forbidden",
                hint="who may write to whom is an agent's `recipients` setting",
            ) from error
        finally:
            waiting.remove(publishing)
            if not waiting:
                self._waiting.pop(subject.lower(), None)
