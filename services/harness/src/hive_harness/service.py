"""What a harness answers on the bus."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import msgspec
from hivecommon.contracts.base import Request
from hivecommon.contracts.events import AgentEvent
from hivecommon.contracts.harness import (
    ApplyCap,
    AskHarness,
    Compact,
    HarnessReply,
    Interrupt,
    NewSession,
    OpenItemsReply,
    ReadOpenItems,
    ReadTranscript,
    ResendParked,
    RetryNow,
    SetModel,
    SetPaused,
    Ticket,
    TranscriptReply,
    UiTicket,
)
from hivecommon.contracts.lifecycle import Done
from hivecommon.contracts.usage import ReadUsage, UsageReply

from hive_harness.control import Control
from hive_harness.endpoints import Handler
from hive_harness.eventlog import EventLog

_ANSWER_BYTES: Final = 700_000


class HarnessService:
    """The handlers of `agent.<agent>.*`."""

    def __init__(
        self, control: Control, log: EventLog, mint_ticket: Callable[[], Awaitable[Ticket]]
    ) -> None:
        self._control = control
        self._log = log
        self._mint_ticket = mint_ticket

    @property
    def endpoints(self) -> dict[type[Request[Any]], Handler[Any]]:
        """Return each request class with its handler."""
        return {
            AskHarness: self._status,
            Interrupt: self._interrupt,
            SetPaused: self._set_paused,
            RetryNow: self._retry_now,
            ApplyCap: self._apply_cap,
            ReadUsage: self._usage,
            Compact: self._compact,
            NewSession: self._new_session,
            SetModel: self._set_model,
            ReadOpenItems: self._open_items,
            ResendParked: self._resend,
            UiTicket: self._ticket,
            ReadTranscript: self._transcript,
        }

    async def _status(self, _request: AskHarness) -> HarnessReply:
        return HarnessReply(status=self._control.status)

    async def _interrupt(self, _request: Interrupt) -> Done:
        return Done(changed=await self._control.interrupt())

    async def _set_paused(self, request: SetPaused) -> Done:
        return Done(changed=self._control.set_paused(request.paused))

    async def _retry_now(self, _request: RetryNow) -> Done:
        return Done(changed=await self._control.retry_now())

    async def _apply_cap(self, request: ApplyCap) -> Done:
        return Done(changed=self._control.set_cap(request.usd_per_day))

    async def _usage(self, request: ReadUsage) -> UsageReply:
        return await self._control.usage(days=request.days, turns=request.turns)

    async def _compact(self, _request: Compact) -> Done:
        return Done(changed=await self._control.compact())

    async def _new_session(self, _request: NewSession) -> Done:
        return Done(changed=await self._control.new_session())

    async def _set_model(self, request: SetModel) -> HarnessReply:
        status = await self._control.choose(model=request.model, effort=request.effort)
        return HarnessReply(status=status)

    async def _open_items(self, _request: ReadOpenItems) -> OpenItemsReply:
        return await self._control.open_items()

    async def _resend(self, request: ResendParked) -> Done:
        return Done(changed=await self._control.resend(request.number))

    async def _ticket(self, _request: UiTicket) -> Ticket:
        return await self._mint_ticket()

    async def _transcript(self, request: ReadTranscript) -> TranscriptReply:
        events = await self._log.read(
            after=request.after, before=request.before, limit=request.limit
        )
        return TranscriptReply(
            events=_fitting(events, from_the_end=request.after is None),
            first_seq=self._log.first_seq,
            last_seq=self._log.stored_seq,
        )


def _fitting(events: Sequence[AgentEvent], *, from_the_end: bool) -> list[AgentEvent]:
    """Return as many events as one answer on the bus can carry."""
    ordered = list(reversed(events)) if from_the_end else list(events)
    size = 0
    for count, event in enumerate(ordered):
        size += len(msgspec.json.encode(event))
        if size > _ANSWER_BYTES and count:
            ordered = ordered[:count]
            break
    return ordered[::-1] if from_the_end else ordered
