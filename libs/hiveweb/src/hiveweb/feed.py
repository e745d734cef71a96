"""The server's end of the one live WebSocket per tab: subscriptions in, coalesced batches out.

Frames from the page: `hello` with the token, then `open`, `close` (a subscription) and `ack` (a
batch). Frames to the page: `batch`, at least once a second, with the page's condition and what is
new. A page that stops acknowledging is dropped instead of buffered for: it resumes by sequence.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Protocol, TypeVar

import msgspec
import structlog
from hivecommon.contracts.base import ErrorDetail
from hivecommon.errors import INTERNAL, HiveError
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

BATCH_S: Final = 0.1
HEARTBEAT_S: Final = 1.0
HELLO_S: Final = 5.0
STALL_S: Final = 15.0
MAX_UNACKED: Final = 16
MAX_SUBSCRIPTIONS: Final = 16
MAX_FRAME_BYTES: Final = 64 * 1024
"""For the server's `ws_max_size`: what a page sends is small."""
_BATCH_BYTES: Final = 256 * 1024
_OUTBOX_BYTES: Final = 1 << 20

# Close codes of our own (RFC 6455 leaves 4000-4999 to applications).
BAD_FRAME: Final = 4400
NOT_LOGGED_IN: Final = 4401
TOO_SLOW: Final = 4408

P = TypeVar("P", bound=msgspec.Struct)
P_contra = TypeVar("P_contra", bound=msgspec.Struct, contravariant=True)

_log = structlog.get_logger()


class Hello(msgspec.Struct, frozen=True, tag_field="type", tag="hello"):
    """The first frame."""

    token: str


class Open(msgspec.Struct, frozen=True, tag_field="type", tag="open"):
    """Subscribe to a topic; `id` is the page's own name for the subscription."""

    id: int
    topic: str
    params: msgspec.Raw = msgspec.Raw(b"{}")


class Close(msgspec.Struct, frozen=True, tag_field="type", tag="close"):
    """End a subscription."""

    id: int


class Ack(msgspec.Struct, frozen=True, tag_field="type", tag="ack"):
    """The page has taken batch `n` and all before it."""

    n: int


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that is new in the subscription `id`."""

    id: int
    item: msgspec.Raw | None = None
    error: ErrorDetail | None = None
    """The subscription has ended with this."""


class Batch(msgspec.Struct, frozen=True, tag_field="type", tag="batch"):
    """What is new since the last one."""

    n: int
    condition: Mapping[str, Any]
    entries: list[Entry]


_Frame = Open | Close | Ack


class Sink(Protocol):
    """Where a topic puts what is new."""

    async def put(self, item: object) -> None:
        """Hand over one item; waits while the page is slow, and ends the session if it stays so."""


class Source(Protocol[P_contra]):
    """A topic's own part: puts what is new into the sink until it is cancelled.

    A `HiveError` that it raises is shown in the page as the subscription's end.
    """

    async def __call__(self, params: P_contra, sink: Sink, /) -> None:
        """Run one subscription."""


@dataclass(frozen=True)
class Topic(Generic[P]):
    """Something a page may subscribe to."""

    params: type[P]
    source: Source[P]


class _Leave(Exception):
    """Ends a session with a close code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True)
class Feed:
    """All live sockets of one page's server."""

    holder: Callable[[str], str | None]
    """Returns whose token it is; asked again every second, so that a removed operator is cut off."""
    topics: Mapping[str, Topic[Any]]
    condition: Callable[[], Mapping[str, Any]] = dict
    """What every batch says of the server, e.g. whether the bus is there."""
    stall_s: float = STALL_S

    def topic(self, name: str) -> Topic[Any]:
        """Return the topic `name`; raise `bad_request` when there is none."""
        if name not in self.topics:
            raise HiveError(f"there is no topic {name[:40]!r}", code="bad_request")
        return self.topics[name]

    async def serve(self, socket: WebSocket) -> None:
        """Serve one socket until it closes."""
        await socket.accept()
        session = _Session(self, socket)
        try:
            await session.run()
        except* _Leave as group:
            leave = _first(group)
            _log.info("feed_closed", code=leave.code, reason=leave.reason)
            if socket.application_state is WebSocketState.CONNECTED:
                with suppress(RuntimeError, WebSocketDisconnect, TimeoutError):
                    async with asyncio.timeout(1):
                        await socket.close(leave.code, leave.reason)
        except* WebSocketDisconnect:
            pass


def _first(group: BaseExceptionGroup[_Leave]) -> _Leave:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner


@dataclass
class _Session:
    """One socket: a task that reads, a task that writes, and one per subscription."""

    feed: Feed
    socket: WebSocket
    token: str = ""
    outbox: deque[tuple[Entry, int]] = field(default_factory=deque)
    outbox_bytes: int = 0
    sent: int = 0
    acked: int = 0
    subscriptions: dict[int, asyncio.Task[None]] = field(default_factory=dict)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    room: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            await self._hello()
            group.create_task(self._write())
            while True:
                await self._handle(await self._receive(_Frame), group)

    async def _receive(self, kind: Any) -> Any:
        try:
            text = await self.socket.receive_text()
            return msgspec.json.decode(text, type=kind)
        except (msgspec.MsgspecError, KeyError) as error:
            raise _Leave(BAD_FRAME, "no such frame") from error

    async def _hello(self) -> None:
        try:
            async with asyncio.timeout(HELLO_S):
                hello: Hello = await self._receive(Hello)
        except TimeoutError as error:
            raise _Leave(NOT_LOGGED_IN, "no hello") from error
        self.token = hello.token
        if self.feed.holder(self.token) is None:
            raise _Leave(NOT_LOGGED_IN, "not logged in")

    async def _handle(self, frame: Open | Close | Ack, group: asyncio.TaskGroup) -> None:
        match frame:
            case Ack(n=n):
                async with self.room:
                    self.acked = max(self.acked, min(n, self.sent))
                    self.room.notify_all()
            case Close(id=number):
                if task := self.subscriptions.pop(number, None):
                    task.cancel()
            case Open():
                if old := self.subscriptions.pop(frame.id, None):
                    old.cancel()
                if len(self.subscriptions) >= MAX_SUBSCRIPTIONS:
                    raise _Leave(BAD_FRAME, f"more than {MAX_SUBSCRIPTIONS} subscriptions")
                self.subscriptions[frame.id] = group.create_task(self._subscribe(frame))

    async def _subscribe(self, frame: Open) -> None:
        try:
            topic = self.feed.topic(frame.topic)
            params = msgspec.json.decode(frame.params, type=topic.params)
            await topic.source(params, _EntrySink(self, frame.id))
        except HiveError as error:
            await self._fail(frame.id, error)
        except msgspec.MsgspecError as error:
            await self._fail(frame.id, HiveError(f"{frame.topic}: {error}", code="bad_request"))
        except _Leave:
            raise
        except Exception:  # noqa: BLE001 - logged with its traceback, shown as `internal`
            _log.exception("topic_failed", topic=frame.topic)
            await self._fail(frame.id, HiveError("the server failed", code=INTERNAL))
        finally:
            if self.subscriptions.get(frame.id) is asyncio.current_task():
                del self.subscriptions[frame.id]

    async def _fail(self, number: int, error: HiveError) -> None:
        detail = ErrorDetail(code=error.code, message=error.message, hint=error.hint)
        await self.put(Entry(number, error=detail), 0)

    async def put(self, entry: Entry, size: int) -> None:
        """Queue `entry` for the next batch; raise when there is no room for too long."""
        try:
            async with asyncio.timeout(self.feed.stall_s), self.room:
                await self.room.wait_for(lambda: self.outbox_bytes < _OUTBOX_BYTES)
        except TimeoutError as error:
            raise _Leave(TOO_SLOW, "the page does not keep up") from error
        self.outbox.append((entry, size))
        self.outbox_bytes += size
        self.news.set()

    async def _write(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT_S):
                    await self.news.wait()
            if self.feed.holder(self.token) is None:
                raise _Leave(NOT_LOGGED_IN, "not logged in any more")
            await self._send_batch()
            # What arrives meanwhile travels together.
            await asyncio.sleep(BATCH_S)

    async def _send_batch(self) -> None:
        try:
            async with asyncio.timeout(self.feed.stall_s):
                async with self.room:
                    await self.room.wait_for(lambda: self.sent - self.acked < MAX_UNACKED)
                    entries = self._take()
                    self.room.notify_all()
                self.sent += 1
                batch = Batch(self.sent, self.feed.condition(), entries)
                await self.socket.send_text(msgspec.json.encode(batch).decode())
        except TimeoutError as error:
            raise _Leave(TOO_SLOW, "the page does not keep up") from error

    def _take(self) -> list[Entry]:
        entries: list[Entry] = []
        size = 0
        while self.outbox and size < _BATCH_BYTES:
            entry, length = self.outbox.popleft()
            entries.append(entry)
            size += length
        self.outbox_bytes -= size
        if not self.outbox:
            self.news.clear()
        return entries


@dataclass(frozen=True)
class _EntrySink:
    """The sink of one subscription."""

    session: _Session
    number: int

    async def put(self, item: object) -> None:
        """Queue one item."""
        encoded = msgspec.json.encode(item)
        await self.session.put(Entry(self.number, item=msgspec.Raw(encoded)), len(encoded))
