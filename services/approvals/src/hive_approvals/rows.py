"""Rows of the table of approvals, read and written as the contract's structs."""

from dataclasses import dataclass
from typing import Any, Final

import msgspec
from hivecommon.contracts.approvals import Approval, ApprovalId, ApprovalState
from sqlalchemy import ColumnElement, Connection, Row, and_, func, insert, select, update

from hive_approvals import errors
from hive_approvals.tables import approvals

# A bus message holds 1 MiB; half of it leaves room for the envelope.
_MAX_ANSWER_BYTES: Final = 512 * 1024
_IS_PENDING: Final = approvals.c.state == ApprovalState.PENDING


@dataclass(frozen=True)
class Record:
    """An approval, and what of its row is nobody's business outside."""

    approval: Approval
    version: int
    decision_id: str | None


@dataclass(frozen=True)
class Query:
    """Which approvals to list."""

    limit: int
    state: ApprovalState | None = None
    agent: str | None = None
    before: ApprovalId | None = None
    """Go on after this one."""


@dataclass(frozen=True)
class Page:
    """A part of the list: pending ones first, then the newest."""

    approvals: list[Approval]
    pending: int
    """Of all, whatever was asked for."""
    more: bool


def add(connection: Connection, values: dict[str, Any]) -> Record:
    """Insert a row and return it."""
    query = insert(approvals).values(**values, version=1).returning(approvals)
    return _record(connection.execute(query).one())


def get(connection: Connection, number: ApprovalId) -> Record:
    """Return the approval of that number; raise `unknown_approval`."""
    found = find(connection, approvals.c.id == number)
    if not found:
        raise errors.unknown_approval(number)
    return found[0]


def find(
    connection: Connection, *conditions: ColumnElement[bool], newest: int | None = None
) -> list[Record]:
    """Return what meets the conditions, in the order of the numbers; or only the `newest`, backwards."""
    order = approvals.c.id if newest is None else approvals.c.id.desc()
    query = select(approvals).where(*conditions).order_by(order).limit(newest)
    return [_record(row) for row in connection.execute(query)]


def count(connection: Connection, *conditions: ColumnElement[bool]) -> int:
    """Return how many meet the conditions."""
    query = select(func.count()).select_from(approvals).where(*conditions)
    return connection.execute(query).scalar_one()


def swap(connection: Connection, approval: Approval, values: dict[str, Any]) -> Record | None:
    """Change the row of `approval` if its state still is what `approval` says; else return None.

    Compare and swap in one statement: whoever comes second changes nothing.
    """
    query = (
        update(approvals)
        .where(approvals.c.id == approval.id, approvals.c.state == approval.state)
        .values(**values, version=approvals.c.version + 1)
        .returning(approvals)
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else _record(row)


def page(connection: Connection, query: Query) -> Page:
    """Return the part of the list that `query` asks for, as much as a message can hold."""
    found: list[Record] = []
    for part in _parts(connection, query):
        found += find(connection, *part, newest=query.limit + 1 - len(found))
    size, fitting = 0, 0
    for record in found[: query.limit]:
        size += len(msgspec.json.encode(record.approval))
        if fitting and size > _MAX_ANSWER_BYTES:
            break
        fitting += 1
    return Page(
        approvals=[record.approval for record in found[:fitting]],
        pending=count(connection, _IS_PENDING),
        more=fitting < len(found),
    )


def _parts(connection: Connection, query: Query) -> list[list[ColumnElement[bool]]]:
    """Return the conditions of the list's sections, each to be read from the newest down."""
    common = [] if query.agent is None else [approvals.c.agent == query.agent]
    below = [] if query.before is None else [approvals.c.id < query.before]
    if query.state is not None:
        return [[*common, approvals.c.state == query.state, *below]]
    pending, others = [*common, _IS_PENDING], [*common, ~_IS_PENDING]
    if query.before is None:
        return [pending, others]
    if count(connection, and_(approvals.c.id == query.before, _IS_PENDING)):
        return [[*pending, *below], others]
    return [[*others, *below]]


def _record(row: Row[Any]) -> Record:
    # The names are of a subclass of str, which msgspec takes for no str.
    fields = {str(name): value for name, value in row._mapping.items()}  # noqa: SLF001 - documented
    details = msgspec.json.decode(fields.pop("details"), type=dict[str, Any])
    version, decision_id = fields.pop("version"), fields.pop("decision_id")
    del fields["request_id"]
    return Record(msgspec.convert(fields | details, Approval), version, decision_id)
