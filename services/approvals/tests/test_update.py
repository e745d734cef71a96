"""Newer flake inputs: asked for by the manager, or recorded as an operator's own act."""

from typing import Any

import pytest
from hivecommon.bus import Bus
from hivecommon.contracts.approvals import (
    Approval,
    ApprovalKind,
    ApprovalState,
    Approve,
    GetApproval,
    ListApprovals,
    ReadLog,
)
from hivecommon.contracts.base import ErrorDetail
from hivecommon.contracts.inputs import EVERY_AGENT, RecordUpdate, RequestUpdate
from hivecommon.errors import HiveError
from hivetesting.broker import Broker
from hivetesting.fixtures import Connect
from hivetesting.lifecycle import ScriptedLifecycle
from hivetesting.watch import ApprovalWatch

pytestmark = pytest.mark.usefixtures("service")


async def asked(manager: Bus, *inputs: str) -> Approval:
    wish = RequestUpdate(inputs=list(inputs), reason="a hole in <b>openssl</b>")
    return (await manager.request(wish, caller="hm1nd")).approval


async def refusal(attempt: Any) -> HiveError:
    with pytest.raises(HiveError) as caught:
        await attempt
    return caught.value


async def test_it_waits_with_the_inputs_as_they_are_and_is_carried_out_once(
    manager: Bus, operator: Bus, lifecycle: ScriptedLifecycle, watch: ApprovalWatch
) -> None:
    approval = await asked(manager, "nixpkgs")
    assert (approval.kind, approval.agent) == (ApprovalKind.UPDATE, EVERY_AGENT)
    assert [(one.name, one.revision) for one in approval.inputs or ()] == [("nixpkgs", "old")]
    await operator.request(Approve(id=approval.id, digest=approval.digest))
    await watch.until(approval.id, lambda one: one.state is ApprovalState.EXECUTING)
    await lifecycle.finish(approval.id)
    await watch.until(approval.id, lambda one: one.state is ApprovalState.DONE)
    assert lifecycle.book.carried_out[approval.id] == 1


async def test_it_is_no_orphan_though_no_directory_is_its_own(
    manager: Bus, operator: Bus, lifecycle: ScriptedLifecycle
) -> None:
    await asked(manager)
    lifecycle.book.state_dirs.clear()
    listed = await operator.request(ListApprovals())
    assert [one.state for one in listed.approvals] == [ApprovalState.PENDING]


async def test_what_has_no_inputs_never_waits(
    manager: Bus, operator: Bus, lifecycle: ScriptedLifecycle
) -> None:
    lifecycle.refusals[EVERY_AGENT] = HiveError("made from no flake", code="no_inputs")
    assert (await refusal(asked(manager))).code == "no_inputs"
    assert (await operator.request(ListApprovals())).approvals == []


async def test_nobody_but_the_manager_may_ask(
    own_broker: Broker, connect: Connect, lifecycle: ScriptedLifecycle
) -> None:
    alice = await connect(await own_broker.register("alice"))
    assert (await refusal(alice.request(RequestUpdate(), caller="alice"))).code == "refused"


@pytest.mark.parametrize("name", ["--impure", "a b", "x;y", "", "a" * 65, "../x"])
async def test_an_input_with_a_hostile_name_is_refused_by_the_contract(
    manager: Bus, lifecycle: ScriptedLifecycle, name: str
) -> None:
    assert (await refusal(asked(manager, name))).code == "bad_request"


async def test_an_operators_own_is_recorded_as_decided_once(
    lifecycle: ScriptedLifecycle,
) -> None:
    record = RecordUpdate(inputs=[], operator="anna")
    bus = lifecycle.bus
    first = (await bus.request(record, request_id="r1")).approval
    again = (await bus.request(record, request_id="r1")).approval
    assert (first.id, first.decided_by) == (again.id, "operator:anna")
    assert (await bus.request(record, request_id="r2")).approval.id != first.id


async def test_the_log_of_a_failed_build_is_read_with_the_approval(
    manager: Bus, operator: Bus, lifecycle: ScriptedLifecycle, watch: ApprovalWatch
) -> None:
    approval = await asked(manager)
    assert (await operator.request(ReadLog(id=approval.id))).text == ""
    await operator.request(Approve(id=approval.id, digest=approval.digest))
    await watch.until(approval.id, lambda one: one.state is ApprovalState.EXECUTING)
    lifecycle.book.logs[approval.id] = "building\nerror: <b>boom</b>"
    await lifecycle.finish(approval.id, ErrorDetail(code="build_failed", message="boom"))
    failed = await watch.until(approval.id, lambda one: one.state is ApprovalState.FAILED)
    assert failed.note == "boom"
    assert (await operator.request(ReadLog(id=approval.id))).text.endswith("<b>boom</b>")
    assert (await refusal(operator.request(ReadLog(id=999)))).code == "unknown_approval"
    assert (await operator.request(GetApproval(id=approval.id))).approval == failed
