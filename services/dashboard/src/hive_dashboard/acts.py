"""What operators do from the page: each act is one request on the bus, in the operator's name."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import uuid4

import msgspec
from hivecommon.bus import Bus
from hivecommon.contracts.approvals import Approve, CancelApproval, Deny, ReadLog
from hivecommon.contracts.audit import ListAudit
from hivecommon.contracts.base import Reply, Request
from hivecommon.contracts.changes import DiffApproval, ListHistory, Rollback
from hivecommon.contracts.harness import Interrupt, UiTicket, ticket_fragment
from hivecommon.contracts.inbox import OPERATOR, InboxMessage, MessageId, ThreadId, check_body
from hivecommon.contracts.jobs import CancelJob
from hivecommon.contracts.lifecycle import (
    Destroy,
    Done,
    GetStatus,
    Pause,
    Rebuild,
    Restart,
    Resume,
    SetCap,
    Spawn,
    Start,
    Stop,
)
from hivecommon.contracts.login import LOGIN_VERBS
from hivecommon.contracts.questions import AnswerQuestion
from hivecommon.contracts.schedules import (
    CreateSchedule,
    DeleteSchedule,
    EditSchedule,
    FireSchedule,
    PauseSchedule,
    ResumeSchedule,
)
from hivecommon.contracts.usage import ReadUsage
from hivecommon.errors import HiveError
from hivecommon.names import AgentName, agent_port, parse_agent_name

VERBS: Final[dict[str, type[Request[Any]]]] = {
    "spawn": Spawn,
    "start": Start,
    "stop": Stop,
    "restart": Restart,
    "rebuild": Rebuild,
    "pause": Pause,
    "resume": Resume,
    "cap": SetCap,
    "approve": Approve,
    "deny": Deny,
    "cancel-approval": CancelApproval,
    "cancel-job": CancelJob,
    "diff": DiffApproval,
    "approval-log": ReadLog,
    "rollback": Rollback,
    "history": ListHistory,
    "answer": AnswerQuestion,
    "create-schedule": CreateSchedule,
    "edit-schedule": EditSchedule,
    "pause-schedule": PauseSchedule,
    "resume-schedule": ResumeSchedule,
    "fire-schedule": FireSchedule,
    "delete-schedule": DeleteSchedule,
    "audit": ListAudit,
}
"""The last part of `POST /api/hive/<verb>`, and the request that its body is."""

_HARNESS_S: Final = 3.0
_STATUS_S: Final = 3.0
_USAGE_DAYS: Final = 14
_REQUEST_ID = re.compile(r"\A[A-Za-z0-9-]{8,64}\Z")


class DestroyOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Destroy an agent whose name was typed again."""

    agent: str
    confirm: str
    purge: bool = False


class MessageOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Send a message; sending it again with the same `id` changes nothing."""

    id: Annotated[MessageId, msgspec.Meta(min_length=16)]
    body: str
    thread: ThreadId | None = None
    reply_to: MessageId | None = None


class Sent(Reply, frozen=True, kw_only=True):
    """The message is stored; `again` when it already was."""

    id: str
    again: bool


class PageTicket(Reply, frozen=True, kw_only=True):
    """How to open an agent's own page: on the host that the browser knows, at `port`."""

    port: int
    fragment: str


@dataclass(frozen=True)
class Acts:
    """The operators' hands on the bus."""

    bus: Bus
    clock: Callable[[], datetime]
    known: Callable[[str], bool]
    """Whether the roster that the page shows has such an agent."""

    async def ask(self, verb: str, body: bytes, *, operator: str, request_id: str | None) -> Reply:
        """Carry out one of `VERBS`; raise the service's refusal.

        The same `request_id` means the same act, so that a page may try again.
        """
        request_type = VERBS.get(verb)
        if request_type is None:
            raise HiveError(f"there is no act {verb[:40]!r}", code="not_found")
        request = request_type.decode(body)
        if isinstance(request, Approve) and not request.digest:
            raise HiveError(
                "an approval needs the digest of what was shown", code="bad_request",
                hint="reload the page",
            )  # fmt: skip
        return await self._request(request, operator=operator, request_id=request_id)

    async def destroy(self, order: DestroyOrder, *, operator: str, request_id: str | None) -> Reply:
        """Destroy an agent; raise `not_confirmed` when its name was not typed."""
        if order.confirm != order.agent:
            raise HiveError(
                f"{order.confirm[:40]!r} is not {order.agent[:40]!r}", code="not_confirmed",
                hint="type the agent's name to destroy it",
            )  # fmt: skip
        request = Destroy(agent=order.agent, purge=order.purge)
        return await self._request(request, operator=operator, request_id=request_id)

    async def _request(
        self, request: Request[Any], *, operator: str, request_id: str | None
    ) -> Reply:
        if request_id is not None and not _REQUEST_ID.match(request_id):
            raise HiveError("the request id is no UUID", code="bad_request")
        reply: Reply = await self.bus.request(
            request, request_id=request_id or uuid4().hex, operator=operator
        )
        return reply

    async def send(self, agent: str, order: MessageOrder, *, operator: str) -> Sent:
        """Put a message into the agent's inbox; it waits there when the agent is stopped."""
        name = await self._existing(agent, operator)
        message = InboxMessage(
            id=order.id,
            body=check_body(order.body),
            thread=order.thread,
            reply_to=order.reply_to,
            sent_at=self.clock(),
            by=operator,
        )
        stored = await self.bus.send_message(to=name, sender=OPERATOR, message=message)
        return Sent(id=order.id, again=not stored)

    async def interrupt(self, agent: str, *, operator: str) -> Done:
        """Stop the turn that runs."""
        name = await self._existing(agent, operator)
        return await self.bus.request(
            Interrupt(), agent=name, operator=operator, timeout_s=_HARNESS_S
        )

    async def login(self, agent: str, verb: str, body: bytes, *, operator: str) -> Reply:
        """Carry out one of `LOGIN_VERBS`; whatever is wrong with a key, it is not quoted."""
        request_type = LOGIN_VERBS.get(verb)
        if request_type is None:
            raise HiveError(f"there is no act {verb[:40]!r}", code="not_found")
        request = request_type.decode(body)
        name = await self._existing(agent, operator)
        return await self.bus.request(request, agent=name, operator=operator, timeout_s=_HARNESS_S)

    async def usage(self, agent: str, *, operator: str) -> Reply:
        """Ask the agent what its turns of the last days took; only one that runs can tell."""
        name = await self._existing(agent, operator)
        request = ReadUsage(days=_USAGE_DAYS)
        return await self.bus.request(request, agent=name, operator=operator, timeout_s=_HARNESS_S)

    async def page_ticket(self, agent: str, *, operator: str) -> PageTicket:
        """Return how to open the agent's own page."""
        name = await self._existing(agent, operator)
        ticket = await self.bus.request(
            UiTicket(), agent=name, operator=operator, timeout_s=_HARNESS_S
        )
        return PageTicket(port=agent_port(name), fragment=ticket_fragment(name, ticket))

    async def _existing(self, agent: str, operator: str) -> AgentName:
        """Return the agent's name; raise lifecycle's refusal when there is no such agent."""
        name = parse_agent_name(agent)
        if not self.known(name):
            await self.bus.request(GetStatus(agent=name), operator=operator, timeout_s=_STATUS_S)
        return name
