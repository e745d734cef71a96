"""Events on their way from the agent's file to the bus: each once, in order, however long it was away."""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import msgspec
import nats.errors
import structlog
from hivecommon.bus import Bus
from hivecommon.contracts.events import AgentEvent, AgentEventBody
from hivecommon.errors import HiveError
from hivecommon.names import AgentName

from hive_harness.eventlog import Clock, EventLog

_BATCH: Final = 200
_FIRST_WAIT_S: Final = 0.1
# A mark is a write to the disk, for which the next event would wait: it goes along with that, or is
# made when none comes. What is sent again after a kill for want of it the stream knows by its id.
_QUIET_S: Final = 0.1
_LONGEST_WAIT_S: Final = 5.0

_log = structlog.get_logger()


class Outbox:
    """Publishes stored events one after another; the stream drops what it has already."""

    def __init__(self, log: EventLog, bus: Bus, agent: AgentName, clock: Clock) -> None:
        self._log = log
        self._bus = bus
        self._agent = agent
        self._clock = clock
        self._new = asyncio.Event()
        self._idle = asyncio.Event()
        # Handed on without being read again, as long as they are the very next ones.
        self._fresh: deque[AgentEvent] = deque(maxlen=_BATCH)
        self._sent = self._marked = log.published
        log.listen(self._on_stored)

    def _on_stored(self, events: Sequence[AgentEvent]) -> None:
        self._fresh.extend(events)
        self._idle.clear()
        self._new.set()

    async def run(self) -> None:
        """Publish for ever; what was published is marked in the file when nothing else is to be done."""
        self._new.set()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_QUIET_S if self._sent > self._marked else None):
                    await self._new.wait()
            if not self._new.is_set():
                await self._mark()
                continue
            self._new.clear()
            while events := await self._next():
                for event in events:
                    await self._publish(event)
                    self._sent = event.seq
                    self._log.note_published(event.seq)
            if not self._new.is_set():
                self._idle.set()

    async def _next(self) -> Sequence[AgentEvent]:
        """Return the events after the last one that was sent."""
        while self._fresh and self._fresh[0].seq <= self._sent:
            self._fresh.popleft()
        if self._fresh and self._fresh[0].seq == self._sent + 1:
            events = list(self._fresh)
            self._fresh.clear()
            return events
        return await self._log.after(self._sent, _BATCH)

    async def _mark(self) -> None:
        sent = self._sent
        await self._log.mark_published()
        self._marked = sent

    async def tell_unstored(self, body: AgentEventBody) -> None:
        """Publish what the disk does not take, as number 0: of no log, and of this moment alone."""
        event = AgentEvent(seq=0, at=self._clock(), body=body)
        with suppress(nats.errors.Error):
            await self._bus.publish(event.subject_for(self._agent), msgspec.json.encode(event))

    async def drained(self) -> None:
        """Return once everything that is stored is on the bus."""
        await self._idle.wait()
        await self._mark()

    async def _publish(self, event: AgentEvent) -> None:
        wait_s = _FIRST_WAIT_S
        while True:
            try:
                await self._bus.publish_acked(
                    event.subject_for(self._agent),
                    msgspec.json.encode(event),
                    message_id=event.message_id(self._agent, self._log.id),
                )
            except HiveError as error:
                if wait_s == _FIRST_WAIT_S:
                    _log.warning(
                        "event_waits", seq=event.seq, code=error.code, reason=error.message
                    )
                await asyncio.sleep(wait_s)
                wait_s = min(_LONGEST_WAIT_S, wait_s * 2)
            else:
                return
