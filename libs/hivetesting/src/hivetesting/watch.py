"""What tests see on the bus: approvals as they change, and what lies in an inbox."""

import asyncio
from collections.abc import Callable
from typing import Final, Self

import msgspec
from hivecommon.bus import Bus
from hivecommon.contracts.approvals import Approval, ApprovalState
from hivecommon.contracts.events import ApprovalChanged, HiveEvent
from hivecommon.contracts.inbox import InboxMessage
from hivecommon.contracts.streams import INBOX
from nats.aio.msg import Msg

from hivetesting.stream_reader import read_stream

_PATIENCE_S: Final = 20
_LOOK_S: Final = 0.02


class ApprovalWatch:
    """Follows the events of approvals from the moment it was begun."""

    def __init__(self) -> None:
        self.seen: list[HiveEvent] = []
        self._latest: dict[int, Approval] = {}
        self._changed = asyncio.Condition()

    @classmethod
    async def begin(cls, bus: Bus) -> Self:
        """Follow from now on, with any connection that may read events."""
        watch = cls()
        await bus.subscribe(HiveEvent.filter_for("approvals"), watch._take)
        await bus.client.flush()
        return watch

    async def until(
        self, number: int, wanted: Callable[[Approval], bool], *, within_s: float = 10
    ) -> Approval:
        """Return the approval once `wanted` is true of it; raise `TimeoutError` otherwise."""

        def found() -> bool:
            return number in self._latest and wanted(self._latest[number])

        await self.when(found, within_s=within_s)
        return self._latest[number]

    async def when(self, true: Callable[[], bool], *, within_s: float = 10) -> None:
        """Return once an event has made it `true`; raise `TimeoutError` otherwise."""
        async with asyncio.timeout(within_s), self._changed:
            await self._changed.wait_for(true)

    async def state(self, number: int, state: ApprovalState, *, within_s: float = 10) -> Approval:
        """Return the approval once it is in `state`."""
        return await self.until(number, lambda a: a.state is state, within_s=within_s)

    async def _take(self, msg: Msg) -> None:
        event = msgspec.json.decode(msg.data, type=HiveEvent)
        if not isinstance(event.body, ApprovalChanged):
            return
        async with self._changed:
            self.seen.append(event)
            self._latest[event.body.approval.id] = event.body.approval
            self._changed.notify_all()


async def inbox_of(bus: Bus, agent: str) -> list[InboxMessage]:
    """Return all messages to `agent`, read or not, in order; `bus` may be an operator's."""
    subject = InboxMessage.filter_for(agent)
    return [InboxMessage.decode(data) async for _, data in read_stream(bus, INBOX.name, subject)]


async def inbox_with(bus: Bus, agent: str, count: int) -> list[InboxMessage]:
    """Return all messages to `agent` once there are `count` of them; TimeoutError after 20 s."""
    async with asyncio.timeout(_PATIENCE_S):
        while len(found := await inbox_of(bus, agent)) < count:  # noqa: ASYNC110 - another process
            # Each look leaves a consumer behind for a while, and the server bounds their number.
            await asyncio.sleep(_LOOK_S)
    return found
