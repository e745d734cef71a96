"""The service over the bus: who may do what, what is answered, what is refused."""

import asyncio
import json
from typing import Any

import pytest
from hivecommon.bus import Bus
from hivecommon.contracts.approvals import (
    ApprovalsReply,
    ApprovalState,
    Approve,
    CancelApproval,
    CancelOwnApproval,
    Deny,
    GetApproval,
    ListApprovals,
    ProposeSpawn,
    RequestSpawn,
)
from hivecommon.errors import HiveError
from hivetesting.broker import OPERATOR, Broker
from hivetesting.fixtures import Connect
from hivetesting.lifecycle import ScriptedLifecycle
from hivetesting.watch import ApprovalWatch, inbox_of

pytestmark = pytest.mark.usefixtures("service")


@pytest.fixture(autouse=True)
def with_lifecycle(lifecycle: ScriptedLifecycle) -> None:
    """In these tests lifecycle is there."""


async def refusal(attempt: Any) -> HiveError:
    with pytest.raises(HiveError) as caught:
        await attempt
    return caught.value


async def test_what_the_manager_asks_for_waits_for_an_operator(
    manager: Bus, operator: Bus, watch: ApprovalWatch
) -> None:
    asked = (await manager.request(RequestSpawn(agent="alice"), caller="hm1nd")).approval
    assert (asked.state, asked.requested_by) == (ApprovalState.PENDING, "agent:hm1nd")
    listed = await operator.request(ListApprovals())
    assert listed == ApprovalsReply(approvals=[asked], pending=1)
    assert await watch.state(asked.id, ApprovalState.PENDING) == asked


async def test_the_reason_of_a_denial_reaches_the_inbox_of_whoever_asked(
    manager: Bus, operator: Bus, watch: ApprovalWatch
) -> None:
    await manager.request(RequestSpawn(agent="alice"), caller="hm1nd")
    denied = (await operator.request(Deny(id=1, reason="we are enough"))).approval
    assert (denied.decided_by, denied.decision_reason) == (f"operator:{OPERATOR}", "we are enough")
    await operator.request(ProposeSpawn(agent="bob"))
    await watch.state(2, ApprovalState.PENDING)  # events and messages leave in order
    (message,) = await inbox_of(operator, "hm1nd")
    assert (message.id, message.by) == ("approval-1-denied", "")
    assert message.body == (
        f"Your request 1 (spawn alice) was denied by operator {OPERATOR}. Reason: we are enough"
    )


async def test_two_operators_at_the_same_moment_one_wins_and_the_other_is_told(
    dashboard: Bus, operator: Bus
) -> None:
    for number in range(1, 11):
        await operator.request(ProposeSpawn(agent=f"a{number}"))
        outcomes = await asyncio.gather(
            dashboard.request(Approve(id=number), operator="anna"),
            dashboard.request(Deny(id=number, reason="no"), operator="bert"),
            return_exceptions=True,
        )
        lost = [outcome for outcome in outcomes if isinstance(outcome, HiveError)]
        assert [error.code for error in lost] == ["already_decided"]
        won = (await operator.request(GetApproval(id=number))).approval
        assert str(won.decided_by) in lost[0].message


async def test_two_tabs_of_one_operator_are_two_commands_but_a_repeated_one_is_one(
    dashboard: Bus, operator: Bus
) -> None:
    await operator.request(ProposeSpawn(agent="alice"))
    await dashboard.request(Approve(id=1), operator="anna", request_id="tab-1")
    again = await dashboard.request(Approve(id=1), operator="anna", request_id="tab-1")
    assert again.approval.decided_by == "operator:anna"
    other = await refusal(dashboard.request(Approve(id=1), operator="anna", request_id="tab-2"))
    assert other.code == "already_decided"
    assert "operator:anna: approved" in other.message


async def test_approving_another_digest_than_what_waits_is_refused(operator: Bus) -> None:
    asked = (await operator.request(ProposeSpawn(agent="alice"))).approval
    error = await refusal(operator.request(Approve(id=1, digest="f" * 64)))
    assert (error.code, asked.digest in error.message) == ("changed", True)
    approved = await operator.request(Approve(id=1, digest=asked.digest))
    assert approved.approval.decided_by == f"operator:{OPERATOR}"


async def test_an_operator_cancels_and_the_requester_is_told(
    manager: Bus, operator: Bus, watch: ApprovalWatch
) -> None:
    await manager.request(RequestSpawn(agent="alice"), caller="hm1nd")
    await operator.request(CancelApproval(id=1))
    await operator.request(ProposeSpawn(agent="bob"))
    await watch.state(2, ApprovalState.PENDING)
    assert [m.id for m in await inbox_of(operator, "hm1nd")] == ["approval-1-cancelled"]


async def test_the_requester_takes_back_its_own_and_nobody_elses(
    manager: Bus, operator: Bus, watch: ApprovalWatch
) -> None:
    await manager.request(RequestSpawn(agent="alice"), caller="hm1nd")
    await operator.request(ProposeSpawn(agent="bob"))
    cancelled = await manager.request(CancelOwnApproval(id=1), caller="hm1nd")
    assert cancelled.approval.state is ApprovalState.CANCELLED
    error = await refusal(manager.request(CancelOwnApproval(id=2), caller="hm1nd"))
    assert error.code == "refused"
    await operator.request(ProposeSpawn(agent="carol"))
    await watch.state(3, ApprovalState.PENDING)
    assert await inbox_of(operator, "hm1nd") == []


async def test_nobody_but_the_manager_may_ask(own_broker: Broker, connect: Connect) -> None:
    alice = await connect(await own_broker.register("alice"))
    error = await refusal(alice.request(RequestSpawn(agent="bob"), caller="alice"))
    assert (error.code, error.message) == ("refused", "agent:alice may not ask for a spawn")


async def test_an_agent_cannot_decide(manager: Bus) -> None:
    error = await refusal(manager.request(Approve(id=1), timeout_s=0.5))
    assert error.code == "unavailable"  # the bus lets it reach nobody


@pytest.mark.parametrize(
    ("subject", "payload", "code"),
    [
        ("hive.approvals.get", b"", "bad_request"),
        ("hive.approvals.get", b"seven", "bad_request"),
        ("hive.approvals.get", b"0", "bad_request"),
        ("hive.approvals.get", b"-1", "bad_request"),
        ("hive.approvals.get", b"99999999999999999999", "bad_request"),
        ("hive.approvals.get", b"7", "unknown_approval"),
        ("hive.approvals.get", b'{"id": 7, "x": 1}', "bad_request"),
        ("hive.approvals.approve", b"7", "unknown_approval"),
        ("hive.approvals.approve", b"1; DROP TABLE approvals", "bad_request"),
        ("hive.approvals.deny", b'{"id": 7, "reason": "no\\u0000"}', "bad_request"),
        ("hive.approvals.deny", b'{"id": 7, "reason": "\\ud800"}', "bad_request"),
        ("hive.approvals.deny", b'{"id": 7, "reason": "' + b"x" * 2001 + b'"}', "bad_request"),
        ("hive.approvals.list", b"all", "bad_request"),
        ("hive.approvals.list", b'{"limit": 0}', "bad_request"),
        ("hive.approvals.list", b'{"limit": 1001}', "bad_request"),
        ("hive.approvals.request_spawn", b"../x", "bad_name"),
        ("hive.approvals.request_spawn", b"manager", "reserved_name"),
        ("hive.approvals.request_spawn", b"averylongname", "bad_name"),
    ],
)
async def test_bad_input_is_refused_with_a_hint_and_leaves_nothing(
    operator: Bus, subject: str, payload: bytes, code: str
) -> None:
    answer = json.loads((await operator.client.request(subject, payload, timeout=2)).data)
    assert (answer["ok"], answer["error"]["code"]) == (False, code)
    assert answer["error"]["hint"]
    assert (await operator.request(ListApprovals())).approvals == []


@pytest.mark.parametrize("payload", [b"", b"pending", b'{"agent": "alice"}', b'{"limit": 1}'])
async def test_a_bare_word_or_json_lists(operator: Bus, payload: bytes) -> None:
    await operator.request(ProposeSpawn(agent="alice"))
    answer = await operator.client.request("hive.approvals.list", payload, timeout=2)
    body = json.loads(answer.data)
    assert [found["agent"] for found in body["approvals"]] == ["alice"]
