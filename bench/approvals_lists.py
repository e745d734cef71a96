"""Lists of approvals and of the audit over a long life: 10,000 approvals, 100,000 audit rows."""

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from hive_approvals import audit, rows
from hive_approvals.database import Database
from hive_approvals.store import ApprovalStore
from hive_approvals.tables import approvals as approvals_table
from hive_approvals.tables import audit as audit_table
from hivecommon.contracts.approvals import ApprovalState
from hivecommon.contracts.audit import ListAudit
from sqlalchemy import Connection, insert

from bench.frame.figures import Result, figure
from bench.frame.turns import Act, in_turn

APPROVALS: Final = 10_000
AUDIT: Final = 100_000
AIM_MS: Final = 50.0
_ROUNDS: Final = 40
_BUDGET_S: Final = 20
_START: Final = datetime(2026, 1, 1, tzinfo=UTC)


async def measure() -> Result:
    """Measure what the service does for a list, without the bus."""
    with tempfile.TemporaryDirectory(prefix="hive-bench-") as directory:
        database = await Database.open(Path(directory) / "approvals.sqlite")
        try:
            await database.write(_fill)
            store = ApprovalStore(database, lambda: _START)
            taken = await in_turn(
                {
                    "newest 100 approvals": _page(store, rows.Query(limit=100)),
                    "the pending ones": _page(
                        store, rows.Query(limit=100, state=ApprovalState.PENDING)
                    ),
                    "of one agent, from the middle": _page(
                        store, rows.Query(limit=100, agent="a7", before=APPROVALS // 2)
                    ),
                    "newest 100 audit rows": _search(store, ListAudit()),
                    "audit of one approval": _search(store, ListAudit(target="approval:5000")),
                    "audit of operators": _search(store, ListAudit(who="operator:")),
                    "audit of a rare result": _search(store, ListAudit(result="changed")),
                    "audit of a day": _search(
                        store,
                        ListAudit(
                            since=_START + timedelta(days=20), until=_START + timedelta(days=21)
                        ),
                    ),
                },
                rounds=_ROUNDS, budget_s=_BUDGET_S, warm_up=3,
            )  # fmt: skip
        finally:
            await database.close()
    return Result(
        name="approvals_lists",
        title=f"lists over {APPROVALS} approvals and {AUDIT} audit rows, each below 50 ms",
        figures=[figure(name, samples, at_most=AIM_MS) for name, samples in taken.items()],
    )


def _fill(connection: Connection) -> None:
    connection.execute(
        insert(approvals_table),
        [
            {
                "kind": "destroy", "agent": f"a{number % 50}", "details": b"{}", "digest": "d",
                "state": "pending" if number % 500 == 0 else "done", "reason": "because " * 10,
                "requested_by": "agent:hm1nd", "requested_at": _START, "request_id": str(number),
                "decision_reason": "", "note": "", "version": 1,
            }
            for number in range(APPROVALS)
        ],
    )  # fmt: skip
    connection.execute(
        insert(audit_table),
        [
            {
                "at": _START + timedelta(minutes=number), "what": "approve",
                "who": "operator:anna" if number % 10 == 0 else "service:approvals",
                "target": f"approval:{number % APPROVALS}", "detail": "",
                "result": "changed" if number % 9999 == 0 else "approved",
            }
            for number in range(AUDIT)
        ],
    )  # fmt: skip


def _page(store: ApprovalStore, query: rows.Query) -> Act:
    async def act() -> None:
        await store.page(query)

    return act


def _search(store: ApprovalStore, request: ListAudit) -> Act:
    async def act() -> None:
        await store.ledger.read(lambda connection: audit.search(connection, request))

    return act
