"""What operators do on the agent's page: what they may do over the bus, and messages that are typed there."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec
from hivecommon.contracts.base import Reply, Request
from hivecommon.contracts.events import AgentEvent
from hivecommon.contracts.harness import (
    Compact,
    Interrupt,
    NewSession,
    ResendParked,
    RetryNow,
    SetModel,
)
from hivecommon.contracts.inbox import MessageId, check_body
from hivecommon.contracts.lifecycle import Done, PauseMyself
from hivecommon.contracts.login import LOGIN_VERBS
from hivecommon.contracts.usage import ReadUsage
from hivecommon.errors import HiveError
from hiveweb.answers import read_json
from starlette.requests import Request as HttpRequest

from hive_harness.eventlog import Clock, EventLog
from hive_harness.live import STATUS, Ask
from hive_harness.store import Store

VERBS: Final[dict[str, type[Request[Any]]]] = {
    "interrupt": Interrupt,
    "retry": RetryNow,
    "compact": Compact,
    "new-session": NewSession,
    "model": SetModel,
    "resend": ResendParked,
    "usage": ReadUsage,
}
"""The last part of `POST /api/<verb>`, and the request that its body is."""


class NewMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was typed; the page makes the id, so that sending twice is sending once."""

    id: MessageId
    body: str


class Earlier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which events to read back."""

    before: Annotated[int, msgspec.Meta(ge=1)]
    limit: Annotated[int, msgspec.Meta(ge=1, le=500)] = 300


class EarlierReply(Reply, frozen=True, kw_only=True):
    """Events before the ones that the page has, the oldest first."""

    events: list[AgentEvent]
    first_seq: int
    """The oldest that is kept."""


@dataclass(frozen=True)
class PageActs:
    """Each takes an HTTP request whose sender is known, and returns what it is answered."""

    ask: Ask
    pause_myself: Callable[[PauseMyself], Awaitable[Done]]
    """lifecycle writes pauses down: it is asked, as the agent."""
    log: EventLog
    store: Store
    wake: Callable[[], None]
    clock: Clock

    async def carry_out(self, request: HttpRequest) -> Reply:
        """Carry out one of `VERBS`."""
        return await self.ask(_read(VERBS, request, await request.body()))

    async def log_in(self, request: HttpRequest) -> Reply:
        """Take a step of the login at Claude."""
        return await self.ask(_read(LOGIN_VERBS, request, await request.body()))

    async def pause(self, request: HttpRequest) -> Reply:
        """Park the turns or let them go on; what an operator paused elsewhere stays so."""
        return await self.pause_myself(await read_json(request, PauseMyself))

    async def send(self, request: HttpRequest) -> Reply:
        """Keep a message for a turn of its own."""
        message = await read_json(request, NewMessage)
        await self.store.add_page_letter(
            id=message.id, body=check_body(message.body), sent_at=self.clock()
        )
        self.wake()
        return Done()

    async def read_back(self, request: HttpRequest) -> Reply:
        """Return events from before the page's own."""
        earlier = await read_json(request, Earlier)
        events = await self.log.read(
            after=None, before=earlier.before, limit=earlier.limit, without=STATUS
        )
        return EarlierReply(events=list(events), first_seq=self.log.first_seq)


def _read(verbs: dict[str, Any], request: HttpRequest, body: bytes) -> Request[Any]:
    verb: str = request.path_params["verb"]
    if verb not in verbs:
        raise HiveError(f"there is no act {verb[:40]!r}", code="not_found")
    asked: Request[Any] = verbs[verb].decode(body)
    return asked
