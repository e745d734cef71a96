"""The real process: it starts, ends when asked, and says what keeps it from either."""

import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from hivecommon.bus import Bus
from hivecommon.contracts.approvals import (
    ApprovalState,
    Approve,
    GetApproval,
    ListApprovals,
    ProposeSpawn,
)
from hivetesting.broker import Broker

Process = Callable[[], AbstractAsyncContextManager[asyncio.subprocess.Process]]


async def test_asked_to_end_it_ends_at_once_and_finds_everything_again(
    process: Process, operator: Bus
) -> None:
    async with process() as child:
        await operator.request(ProposeSpawn(agent="alice"), timeout_s=20)
        # Its executor now waits for a lifecycle that is not there.
        await operator.request(Approve(id=1))
        child.terminate()
        async with asyncio.timeout(10):
            assert await child.wait() == 0
    async with process():
        found = await operator.request(GetApproval(id=1), timeout_s=20)
    assert (found.approval.agent, found.approval.state) == ("alice", ApprovalState.APPROVED)


async def test_a_database_that_cannot_be_used_ends_it_with_a_reason_and_a_hint(
    own_broker: Broker, process: Process
) -> None:
    own_broker.home.approvals_db.write_bytes(b"a letter" * 1000)
    async with process() as child, asyncio.timeout(20):
        assert await child.wait() == 1
    output = (own_broker.home.root / "out.log").read_text()
    assert "error: " in output
    assert "approvals.sqlite cannot be used: file is not a database" in output
    assert "hint: is the disk full" in output


async def test_it_introduces_itself_to_nats_micro(process: Process, operator: Bus) -> None:
    async with process():
        await operator.request(ListApprovals(), timeout_s=20)
        answer = await operator.client.request("$SRV.INFO.approvals", b"", timeout=2)
    subjects = {endpoint["subject"] for endpoint in json.loads(answer.data)["endpoints"]}
    assert subjects >= {
        "hive.approvals.list", "hive.approvals.get", "hive.approvals.approve",
        "hive.approvals.deny", "hive.approvals.cancel", "hive.approvals.request_spawn",
        "req.*.request_spawn", "req.*.request_destroy", "req.*.cancel_approval",
        "svc.lifecycle.record_spawn",
    }  # fmt: skip
