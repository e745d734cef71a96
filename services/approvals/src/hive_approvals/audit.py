"""The audit: an append-only record of who did what, written with what it tells of."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert

from hive_approvals.tables import audit


@dataclass(frozen=True)
class Entry:
    """One act and its result."""

    at: datetime
    who: str
    """`operator:anna`, `agent:hm1nd`, `service:lifecycle`."""
    what: str
    target: str
    """What it was done to, e.g. `approval:3`."""
    result: str
    """The new state, or the code of the refusal."""
    detail: str = ""


def record(connection: Connection, entry: Entry) -> None:
    """Append `entry` in the transaction of `connection`."""
    connection.execute(
        insert(audit).values(
            at=entry.at,
            who=entry.who,
            what=entry.what,
            target=entry.target,
            result=entry.result,
            detail=entry.detail,
        )
    )
