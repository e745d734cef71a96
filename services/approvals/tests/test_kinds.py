"""The kinds: what each refuses before it waits, and what it asks of lifecycle."""

from typing import Any

import pytest
from hive_approvals.kinds.registry import KINDS
from hive_approvals.kinds.spawn import MAX_RECIPIENTS
from hivecommon.bus import Bus
from hivecommon.contracts.approvals import (
    ApprovalKind,
    ApprovalState,
    GetApproval,
    ListApprovals,
    ProposeSpawn,
    RecordSpawn,
    RequestDestroy,
    RequestSpawn,
)
from hivecommon.contracts.lifecycle import AgentSettings
from hivecommon.errors import HiveError
from hivetesting.broker import Broker
from hivetesting.fixtures import Connect
from hivetesting.lifecycle import ScriptedLifecycle

pytestmark = pytest.mark.usefixtures("service")


async def refusal(attempt: Any) -> HiveError:
    with pytest.raises(HiveError) as caught:
        await attempt
    return caught.value


def test_every_kind_of_the_contract_is_there() -> None:
    assert set(KINDS) == set(ApprovalKind)


@pytest.mark.parametrize(
    ("recipients", "code"),
    [
        (["*"], "bad_name"),
        ([">"], "bad_name"),
        (["bob.hive"], "bad_name"),
        (["bob", "hive"], "reserved_name"),
        ([f"a{n}" for n in range(MAX_RECIPIENTS + 1)], "bad_request"),
    ],
)
async def test_recipients_that_would_widen_a_subject_are_refused(
    operator: Bus, lifecycle: ScriptedLifecycle, recipients: list[str], code: str
) -> None:
    wish = ProposeSpawn(agent="alice", settings=AgentSettings(recipients=recipients))
    assert (await refusal(operator.request(wish))).code == code
    assert (await operator.request(ListApprovals())).approvals == []


async def test_good_settings_are_shown_as_they_were_asked_for(
    manager: Bus, operator: Bus, lifecycle: ScriptedLifecycle
) -> None:
    settings = AgentSettings(persona="<b>hostile</b>", model="opus", recipients=["operator", "bob"])
    wish = RequestSpawn(agent="alice", settings=settings, reason="a hand more")
    await manager.request(wish, caller="hm1nd")
    (shown,) = (await operator.request(ListApprovals())).approvals
    assert (shown.settings, shown.reason) == (settings, "a hand more")


async def test_a_persona_that_no_terminal_could_show_is_refused(
    operator: Bus, lifecycle: ScriptedLifecycle
) -> None:
    wish = ProposeSpawn(agent="alice", settings=AgentSettings(persona="ab\0"))
    assert "position 2" in (await refusal(operator.request(wish))).message


async def test_a_spawn_that_lifecycle_would_refuse_never_waits(
    operator: Bus, lifecycle: ScriptedLifecycle
) -> None:
    lifecycle.refusals["uma"] = HiveError("uma and victor share 8214", code="port_taken", hint="h")
    error = await refusal(operator.request(ProposeSpawn(agent="uma")))
    assert (error.code, error.message) == ("port_taken", "uma and victor share 8214")
    assert (await operator.request(ListApprovals())).approvals == []


async def test_a_wish_is_taken_while_lifecycle_is_away(manager: Bus) -> None:
    for wish in (RequestSpawn(agent="alice"), RequestDestroy(agent="bob")):
        taken = await manager.request(wish, caller="hm1nd")
        assert taken.approval.state is ApprovalState.PENDING


async def test_an_operators_own_spawn_is_recorded_once(
    own_broker: Broker, connect: Connect
) -> None:
    sender = await connect(own_broker.service_login("lifecycle"))
    record = RecordSpawn(agent="alice", settings=AgentSettings(), operator="anna")
    first = (await sender.request(record, request_id="x")).approval
    again = (await sender.request(record, request_id="x")).approval
    assert (first.id, first.decided_by, first.requested_by) == (1, "operator:anna", "operator:anna")
    assert first.state is ApprovalState.APPROVED
    assert again.id == first.id


async def test_an_operators_name_is_checked(own_broker: Broker, connect: Connect) -> None:
    sender = await connect(own_broker.service_login("lifecycle"))
    record = RecordSpawn(agent="alice", settings=AgentSettings(), operator="anna:x")
    assert (await refusal(sender.request(record))).code == "bad_request"


async def test_nobody_but_lifecycle_can_record_a_spawn(operator: Bus, manager: Bus) -> None:
    record = RecordSpawn(agent="alice", settings=AgentSettings(), operator="anna")
    for principal in (operator, manager):
        error = await refusal(principal.request(record, timeout_s=0.3))
        assert error.code == "unavailable"


async def test_a_destroy_waits_for_an_operator(manager: Bus, lifecycle: ScriptedLifecycle) -> None:
    lifecycle.book.state_dirs.add("alice")
    wish = RequestDestroy(agent="alice", reason="it is done")
    taken = (await manager.request(wish, caller="hm1nd")).approval
    assert (taken.kind, taken.state) == (ApprovalKind.DESTROY, ApprovalState.PENDING)


@pytest.mark.parametrize(("agent", "code"), [("ghost", "unknown_agent"), ("hm1nd", "refused")])
async def test_a_destroy_of_nobody_or_of_itself_is_refused(
    manager: Bus, lifecycle: ScriptedLifecycle, agent: str, code: str
) -> None:
    lifecycle.book.state_dirs.add("hm1nd")
    error = await refusal(manager.request(RequestDestroy(agent=agent), caller="hm1nd"))
    assert error.code == code


async def test_nobody_but_the_manager_may_ask_for_a_destroy(
    own_broker: Broker, connect: Connect
) -> None:
    alice = await connect(await own_broker.register("alice"))
    error = await refusal(alice.request(RequestDestroy(agent="bob"), caller="alice"))
    assert error.code == "refused"


async def test_a_spawn_with_files_of_its_first_commit_is_shown_and_checked_with_them(
    manager: Bus, lifecycle: ScriptedLifecycle, operator: Bus
) -> None:
    files = {"agent.toml": 'persona = "a poet"\nmodel = "opus"\n', "agent.nix": "{ }\n"}
    asked = await manager.request(RequestSpawn(agent="eve", files=files), caller="hm1nd")
    found = (await operator.request(GetApproval(id=asked.approval.id))).approval
    assert found.files == files
    assert found.settings == AgentSettings(persona="a poet", model="opus")
    assert lifecycle.book.checked == [files]


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        ({"files": {"agent.toml": "x"}, "settings": AgentSettings(persona="p")}, "bad_request"),
        ({"files": {"agent.toml": "persona = 3"}}, "bad_agent_toml"),
        ({"files": {"agent.toml": 'recipients = ["*"]'}}, "bad_agent_toml"),
        ({"files": {"../x": ""}}, "bad_request"),
        ({"files": {".git": ""}}, "bad_request"),
        ({"files": {"a\nb": ""}}, "bad_request"),
        ({"files": {f"f{n}": "" for n in range(11)}}, "bad_request"),
    ],
)
async def test_a_first_commit_that_cannot_be_made_never_waits(
    manager: Bus, operator: Bus, lifecycle: ScriptedLifecycle, wish: dict[str, Any], code: str
) -> None:
    assert (
        await refusal(manager.request(RequestSpawn(agent="eve", **wish), caller="hm1nd"))
    ).code == code
    assert (await operator.request(ListApprovals())).approvals == []
