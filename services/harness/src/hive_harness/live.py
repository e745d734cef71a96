"""What the agent's page is told while somebody looks: events as they happen, and what is open."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec
from hivecommon.contracts.base import Reply, Request
from hivecommon.contracts.events import AgentEvent, StatusChanged
from hivecommon.contracts.harness import ReadOpenItems
from hivecommon.contracts.roster import HarnessStatus
from hiveweb.feed import Sink, Topic

from hive_harness.draft import Draft
from hive_harness.eventlog import EventLog
from hive_harness.status import StatusBoard

Ask = Callable[[Request[Any]], Awaitable[Reply]]
"""Has a request answered as it is over the bus; raises the refusal."""

STATUS: Final = str(StatusChanged.__struct_config__.tag)
"""The kind of event that is most of the log and no part of a transcript."""
_CHUNK: Final = 200
_DRAFT_PAUSE_S: Final = 0.1
_OPEN_ITEMS_PAUSE_S: Final = 2.0
_OPEN_ITEMS_LOOK_S: Final = 10.0
"""Answers and decisions are made elsewhere, without an event here."""


class TranscriptParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From where on."""

    after: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Number of the last event that the page has; 0 for the last `history` ones."""
    history: Annotated[int, msgspec.Meta(ge=1, le=5000)] = 300


class NoParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """There are none."""


class TranscriptItem(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is new: an event, how the agent is, or that all there was has been told."""

    event: AgentEvent | None = None
    status: HarnessStatus | None = None
    first_seq: int | None = None
    """The oldest event that is kept, told once the history is."""


@dataclass(frozen=True)
class Live:
    """The topics of the page's socket."""

    log: EventLog
    board: StatusBoard
    draft: Draft
    ask: Ask

    @property
    def topics(self) -> Mapping[str, Topic[Any]]:
        """Return them by name."""
        return {
            "transcript": Topic(TranscriptParams, self._transcript),
            "open_items": Topic(NoParams, self._open_items),
            "draft": Topic(NoParams, self._draft),
        }

    async def _transcript(self, params: TranscriptParams, sink: Sink) -> None:
        news = asyncio.Event()
        with self._hearing(news):
            await sink.put(TranscriptItem(status=self.board.status))
            # A number above ours is that of an events file which was set aside: begin anew.
            last = params.after if params.after <= self.log.stored_seq else 0
            if not last:
                last = self.log.stored_seq
                history = await self.log.read(
                    after=None, before=last + 1, limit=params.history, without=STATUS
                )
                await _put(history, sink)
            caught_up = False
            while True:
                news.clear()
                while events := await self.log.read(after=last, before=None, limit=_CHUNK):
                    await _put(events, sink)
                    last = events[-1].seq
                if not caught_up:
                    caught_up = True
                    await sink.put(TranscriptItem(first_seq=self.log.first_seq))
                await news.wait()
                await sink.put(TranscriptItem(status=self.board.status))

    async def _open_items(self, _params: NoParams, sink: Sink) -> None:
        news = asyncio.Event()
        with self._hearing(news):
            while True:
                news.clear()
                await sink.put(await self.ask(ReadOpenItems()))
                await asyncio.sleep(_OPEN_ITEMS_PAUSE_S)
                with suppress(TimeoutError):
                    async with asyncio.timeout(_OPEN_ITEMS_LOOK_S):
                        await news.wait()

    async def _draft(self, _params: NoParams, sink: Sink) -> None:
        writing = self.draft.writing
        await sink.put(writing)
        while True:
            writing = await self.draft.other_than(writing)
            await sink.put(writing)
            await asyncio.sleep(_DRAFT_PAUSE_S)

    @contextmanager
    def _hearing(self, news: asyncio.Event) -> Iterator[None]:
        def hear(_events: Sequence[AgentEvent]) -> None:
            news.set()

        stop = self.log.listen(hear)
        try:
            yield
        finally:
            stop()


async def _put(events: Sequence[AgentEvent], sink: Sink) -> None:
    for event in events:
        if not isinstance(event.body, StatusChanged):
            await sink.put(TranscriptItem(event=event))
