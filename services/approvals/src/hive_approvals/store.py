"""Approvals in sqlite: every change is one transaction with its event, its message and its audit."""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

import msgspec
from hivecommon.contracts.approvals import Approval, ApprovalId, ApprovalKind, ApprovalState
from hivecommon.errors import HiveError
from sqlalchemy import Connection, select

from hive_approvals import audit, errors, marks, outbox, policy, rows
from hive_approvals.database import Database
from hive_approvals.ledger import Ledger
from hive_approvals.tables import approvals

T = TypeVar("T")
Clock = Callable[[], datetime]
"""Returns this moment, with a time zone."""

SELF: Final = "service:approvals"
MAX_PENDING: Final = 100
"""Of one requester: more than a human looks through, and a bound to an agent that runs wild."""


@dataclass(frozen=True)
class Ask:
    """A change that somebody asks for."""

    kind: ApprovalKind
    agent: str
    details: bytes
    """JSON of the fields of `Approval` that belong to the kind; kept and digested byte by byte."""
    reason: str
    requested_by: str
    request_id: str

    @property
    def digest(self) -> str:
        """Return the digest of what is asked for."""
        return policy.digest_of(self.kind, self.agent, self.details)


@dataclass(frozen=True)
class Decision:
    """What somebody decides about a pending approval."""

    event: policy.Event
    by: str
    request_id: str
    reason: str = ""
    digest: str | None = None
    """Of what was shown; None when nothing was."""
    base: str | None = None
    """What was deployed when they decided."""
    own_only: bool = False
    """Whether they may only decide about what they asked for themselves."""


class ApprovalStore:
    """All approvals there ever were."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.ledger = Ledger(database)
        self._clock = clock

    def watch(self) -> asyncio.Event:
        """Return an event that is set now, and after every change."""
        return self.ledger.watch()

    async def ask(self, ask: Ask) -> Approval:
        """Record a pending approval; the same request id, or the same wish again, returns the first.

        Raises `already_pending` while another wish of this kind waits for the agent, and
        `too_many_pending`.
        """
        return await self.ledger.change(lambda connection: self._ask(connection, ask))

    async def record_decided(self, ask: Ask) -> Approval:
        """Record what an operator does as approved by them; the same request id returns the first."""

        def work(connection: Connection) -> Approval:
            first = _asked_before(connection, ask)
            return first or self._add(connection, ask, ApprovalState.APPROVED)

        return await self.ledger.change(work)

    async def get(self, number: ApprovalId) -> Approval:
        """Return an approval; raise `unknown_approval`."""
        return await self.ledger.read(lambda connection: rows.get(connection, number).approval)

    async def page(self, query: rows.Query) -> rows.Page:
        """Return a part of the list of all approvals."""
        return await self.ledger.read(lambda connection: rows.page(connection, query))

    async def requested_by(self, who: str, state: ApprovalState, limit: int) -> list[Approval]:
        """Return what somebody asked for that is in this state, the newest first."""
        conditions = (approvals.c.requested_by == who, approvals.c.state == state)
        found = await self.ledger.read(
            lambda connection: rows.find(connection, *conditions, newest=limit)
        )
        return [record.approval for record in found]

    async def unfinished(self) -> list[Approval]:
        """Return what is approved and not carried out yet, in the order of the numbers."""
        states = approvals.c.state.in_(policy.UNFINISHED)
        found = await self.ledger.read(lambda connection: rows.find(connection, states))
        return [record.approval for record in found]

    async def pending_of(self, kinds: Collection[ApprovalKind]) -> list[Approval]:
        """Return what is pending of `kinds`, in the order of the numbers."""
        pending = (approvals.c.state == ApprovalState.PENDING, approvals.c.kind.in_(kinds))
        found = await self.ledger.read(lambda connection: rows.find(connection, *pending))
        return [record.approval for record in found]

    async def decide(self, number: ApprovalId, decision: Decision) -> Approval:
        """Decide about a pending approval; the same command again is answered with its outcome.

        Of several at the same moment one wins, the others get `already_decided`. Raises
        `unknown_approval`, `refused` and, for another digest, `changed`; refusals are audited too.
        """

        def work(connection: Connection) -> Approval | HiveError:
            try:
                return self._decide(connection, number, decision)
            except HiveError as error:
                self._audit(connection, decision.by, decision.event, number, error.code)
                return error

        outcome = await self.ledger.change(work)
        if isinstance(outcome, HiveError):
            raise outcome
        return outcome

    async def advance(
        self, approval: Approval, event: policy.Event, *, note: str = "", job: str | None = None,
        settle: Callable[[Connection, Approval], None] | None = None,
    ) -> Approval | None:  # fmt: skip
        """Let `event` happen to `approval`; None when it is no longer in the state that it was in.

        `settle` is done in the same transaction.
        """
        step = policy.advance(approval.state, event)
        if step is None:
            return None
        values = {"note": policy.shorten(note), "job": job or approval.job}

        def work(connection: Connection) -> Approval | None:
            moved = self._take(connection, approval, step, values)
            if moved is not None:
                self._audit(connection, SELF, event, approval.id, moved.state, moved.note)
                if settle is not None:
                    settle(connection, moved)
            return moved

        return await self.ledger.change(work)

    async def annotate(self, approval: Approval, note: str) -> None:
        """Say why `approval` does not move; nothing happens when it says so already, or has moved."""
        note = policy.shorten(note)
        if note == approval.note:
            return

        def work(connection: Connection) -> None:
            if (record := rows.swap(connection, approval, {"note": note})) is not None:
                outbox.announce(connection, record, self._clock())

        await self.ledger.change(work)

    def follow_agent(
        self, connection: Connection, agent: str, *, renamed_to: str | None = None
    ) -> None:
        """Let what waits for an agent go with it to its new name; what is gone is swept.

        The digest changes with the name: who looked at it before is shown it again.
        """
        if renamed_to is None:
            return
        # A spawn is about the name and not about an agent that had it.
        mine = (
            approvals.c.state == ApprovalState.PENDING,
            approvals.c.agent == agent,
            approvals.c.kind != ApprovalKind.SPAWN,
        )
        for record in rows.find(connection, *mine):
            approval = record.approval
            own = select(approvals.c.details).where(approvals.c.id == approval.id)
            details: bytes = connection.execute(own).scalar_one()
            digest = policy.digest_of(approval.kind, renamed_to, details)
            moved = rows.swap(connection, approval, {"agent": renamed_to, "digest": digest})
            if moved is not None:
                outbox.announce(connection, moved, self._clock())
                detail = f"{agent} is now {renamed_to}"
                self._audit(connection, SELF, "rename", approval.id, approval.state, detail)

    def _ask(self, connection: Connection, ask: Ask) -> Approval:
        if first := _asked_before(connection, ask):
            return first
        pending = approvals.c.state == ApprovalState.PENDING
        same = (pending, approvals.c.kind == ask.kind, approvals.c.agent == ask.agent)
        for record in rows.find(connection, *same):
            waiting = record.approval
            if (waiting.digest, waiting.requested_by) == (ask.digest, ask.requested_by):
                return waiting
            raise errors.already_pending(waiting)
        own = (pending, approvals.c.requested_by == ask.requested_by)
        if rows.count(connection, *own) >= MAX_PENDING:
            raise errors.too_many_pending(MAX_PENDING)
        return self._add(connection, ask, ApprovalState.PENDING)

    def _add(self, connection: Connection, ask: Ask, state: ApprovalState) -> Approval:
        now = self._clock()
        values: dict[str, Any] = {
            "kind": ask.kind,
            "agent": ask.agent,
            "state": state,
            "details": ask.details,
            "digest": ask.digest,
            "reason": ask.reason,
            "requested_by": ask.requested_by,
            "requested_at": now,
            "request_id": ask.request_id,
            "decision_reason": "",
            "note": "",
        }
        if state is ApprovalState.APPROVED:
            values |= {
                "decided_by": ask.requested_by,
                "decided_at": now,
                "decision_id": ask.request_id,
            }
        record = rows.add(connection, values)
        outbox.announce(connection, record, now)
        marks.note(connection, record.approval)
        number = record.approval.id
        self._audit(connection, ask.requested_by, f"request {ask.kind}", number, state, ask.reason)
        return record.approval

    def _decide(self, connection: Connection, number: ApprovalId, decision: Decision) -> Approval:
        record = rows.get(connection, number)
        approval = record.approval
        if decision.own_only and approval.requested_by != decision.by:
            raise errors.not_yours(number)
        if (approval.decided_by, record.decision_id) == (decision.by, decision.request_id):
            return approval
        step = policy.advance(approval.state, decision.event)
        if step is None:
            raise errors.already_decided(approval)
        if decision.digest not in {None, approval.digest}:
            raise errors.changed(approval, decision.digest or "")
        values = {
            "decided_by": decision.by,
            "decided_at": self._clock(),
            "decision_id": decision.request_id,
            "decision_reason": decision.reason,
            "base": decision.base,
        }
        moved = self._take(connection, approval, step, values)
        if moved is None:
            raise errors.already_decided(rows.get(connection, number).approval)
        self._audit(connection, decision.by, decision.event, number, moved.state, decision.reason)
        return moved

    def _take(
        self, connection: Connection, approval: Approval, step: policy.Step, values: dict[str, Any]
    ) -> Approval | None:
        now = self._clock()
        ended = {"ended_at": now} if step.state in policy.ENDED else {}
        record = rows.swap(connection, approval, {"state": step.state, **values, **ended})
        if record is None:
            return None
        outbox.announce(connection, record, now)
        marks.note(connection, record.approval)
        if step.tell:
            outbox.tell_requester(connection, record.approval, now)
        return record.approval

    def _audit(
        self, connection: Connection, who: str, what: str, number: ApprovalId, result: str,
        detail: str = "",
    ) -> None:  # fmt: skip
        entry = audit.Entry(self._clock(), who, what, f"approval:{number}", result, detail)
        audit.record(connection, entry)


def _asked_before(connection: Connection, ask: Ask) -> Approval | None:
    found = rows.find(
        connection,
        approvals.c.requested_by == ask.requested_by,
        approvals.c.request_id == ask.request_id,
    )
    return found[0].approval if found else None


def encode_details(details: msgspec.Struct) -> bytes:
    """Return `details` as they are stored and digested."""
    return msgspec.json.encode(details, order="deterministic")
