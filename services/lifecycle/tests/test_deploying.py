"""Commits on their way to an agent, over the bus: lifecycle and the agents are real processes."""

import json

import pytest
from hivecommon.contracts.approvals import (
    Approval,
    ApprovalKind,
    ApprovalReply,
    ApprovalState,
)
from hivecommon.contracts.changes import (
    ExecuteApply,
    JobLog,
    ListHistory,
    MarkCommit,
    PinCommit,
    RecordRollback,
    Rollback,
    Stage,
)
from hivecommon.contracts.inputs import FindInputs, Update
from hivecommon.contracts.jobs import Job, JobState
from hivecommon.contracts.lifecycle import AgentSettings, CheckName, Destroy, ExecuteSpawn
from hivecommon.errors import HiveError
from hivecommon.names import AgentName

from services.lifecycle.tests.conftest import Hive
from services.lifecycle.tests.test_config_repos import Manager

ALICE = AgentName("alice")


def manager_of(hive: Hive) -> Manager:
    return Manager(hive.environment.home.config(ALICE))


def told(hive: Hive) -> dict[str, object]:
    file = hive.environment.run.agent(ALICE) / "harness.json"
    config: dict[str, object] = json.loads(file.read_text())
    return config


async def stages(hive: Hive, approval: int) -> list[Stage]:
    history = await hive.operator.request(ListHistory(agent="alice"))
    return next((one.stages for one in history.revisions if one.approval == approval), [])


async def apply(hive: Hive, commit: str, approval: int, base: str | None = None) -> Job:
    sender = await hive.approvals_bus()
    pinned = await sender.request(PinCommit(agent="alice", commit=commit), timeout_s=10)
    mark = MarkCommit(agent="alice", approval=approval, commit=pinned.commit, stage=Stage.PROPOSAL)
    await sender.request(mark, timeout_s=10)
    order = ExecuteApply(
        agent="alice", approval=approval, commit=pinned.commit, base=base,
        requested_by="agent:hm1nd",
    )  # fmt: skip
    return await hive.ended(await sender.request(order, timeout_s=10))


async def test_an_approved_commit_is_what_the_agent_then_is(hive: Hive) -> None:
    await hive.spawn("alice", AgentSettings(persona="a poet"))
    before = (await hive.row("alice")).pid
    text = (
        'persona = "a painter"\nrecipients = ["bob"]\neffort = "high"\n'
        '[tools]\ndeny = ["WebFetch"]\n[inbox]\nbatch = 5\n'
        '[context]\ncompact_at = 0.5\ncli_memory = "2G"\n'
    )
    wanted = manager_of(hive).commit(agent__toml=text)
    job = await apply(hive, wanted[:9], 7)
    assert job.error is None
    assert [step.text for step in job.steps][-1] == f"deployed/7: main is {wanted[:10]}"
    assert (told(hive)["persona"], told(hive)["recipients"]) == ("a painter", ["bob"])
    assert told(hive)["tools_denied"] == ["WebFetch"]
    assert [told(hive)[key] for key in ("effort", "batch", "compact_at", "cli_memory_bytes")] == [
        "high", 5, 0.5, 2 << 30,
    ]  # fmt: skip
    assert (await hive.row("alice")).pid != before
    assert await stages(hive, 7) == [
        Stage.PROPOSAL, Stage.APPROVED, Stage.BUILDING, Stage.DEPLOYED,
    ]  # fmt: skip


async def test_what_does_not_run_is_taken_back(hive: Hive) -> None:
    await hive.spawn("alice", AgentSettings(persona="a poet"))
    wanted = manager_of(hive).commit(agent__toml='persona = "die-at-start"\n')
    hive.behave("alice", "die-by-persona")
    job = await apply(hive, wanted, 7)
    assert job.error is not None
    assert job.error.code == "deploy_failed"
    assert told(hive)["persona"] == "a poet"
    assert (await hive.row("alice")).state == "running"
    assert await stages(hive, 7) == [
        Stage.PROPOSAL, Stage.APPROVED, Stage.BUILDING, Stage.FAILED,
    ]  # fmt: skip
    history = await hive.operator.request(ListHistory(agent="alice"))
    assert [one.approval for one in history.revisions if one.running] == [0]


async def test_another_deployment_in_between_makes_it_fail(hive: Hive) -> None:
    await hive.spawn("alice")
    manager = manager_of(hive)
    first = manager.git("rev-parse", "HEAD")
    one = manager.commit(agent__toml='persona = "one"\n')
    two = manager.commit(agent__toml='persona = "two"\n')
    assert (await apply(hive, one, 11, base=first)).error is None
    job = await apply(hive, two, 12, base=first)
    assert job.error is not None
    assert job.error.code == "base_moved"
    assert told(hive)["persona"] == "one"


async def test_an_operator_rolls_back_to_what_was_deployed(hive: Hive) -> None:
    await hive.spawn("alice", AgentSettings(persona="a poet"))
    wanted = manager_of(hive).commit(agent__toml='persona = "a painter"\n')
    await apply(hive, wanted, 7)
    with pytest.raises(HiveError) as caught:
        await hive.operator.request(Rollback(agent="alice", to=3))
    assert caught.value.code == "unknown_revision"
    hive.approvals.answer_rollback(
        ApprovalReply(
            approval=Approval(
                id=8, kind=ApprovalKind.ROLLBACK, agent="alice", state=ApprovalState.APPROVED,
                requested_by="operator:tester", requested_at=hive.now(),
            )
        )
    )  # fmt: skip
    job = await hive.done(await hive.operator.request(Rollback(agent="alice", to=0)))
    assert (job.state, job.approval) == (JobState.DONE, 8)
    assert told(hive)["persona"] == "a poet"
    (record,) = hive.approvals.rollbacks
    assert isinstance(record, RecordRollback)
    assert (record.to, record.operator) == (0, "tester")
    assert Stage.DEPLOYED in await stages(hive, 8)


async def test_a_revived_agent_is_what_it_last_was(hive: Hive) -> None:

    await hive.spawn("alice", AgentSettings(persona="a poet"))
    wanted = manager_of(hive).commit(agent__toml='persona = "a painter"\n')
    await apply(hive, wanted, 7)
    await hive.done(await hive.operator.request(Destroy(agent="alice")))
    await hive.spawn("alice")
    assert told(hive)["persona"] == "a painter"


async def test_there_are_no_inputs_to_update_where_nothing_is_built(hive: Hive) -> None:
    with pytest.raises(HiveError) as caught:
        await (await hive.approvals_bus()).request(FindInputs())
    assert caught.value.code == "no_inputs"
    with pytest.raises(HiveError) as caught:
        await hive.operator.request(Update())
    assert (caught.value.code, hive.approvals.updates) == ("no_inputs", [])


async def test_the_log_of_a_change_has_its_steps_and_its_end(hive: Hive) -> None:
    await hive.spawn("alice", AgentSettings(persona="a poet"))
    await apply(hive, manager_of(hive).commit(agent__toml='persona = "a painter"\n'), 7)
    sender = await hive.approvals_bus()
    lines = (await sender.request(JobLog(approval=7))).text.splitlines()
    assert lines[0].endswith("UTC  building/7: " + lines[0][-10:])
    assert lines[-1].endswith("UTC  done")
    with pytest.raises(HiveError) as caught:
        await sender.request(JobLog(approval=8))
    assert caught.value.code == "unknown_job"


async def test_the_first_commit_has_the_files_that_an_agent_was_asked_for_with(hive: Hive) -> None:
    sender = await hive.approvals_bus()
    toml = 'persona = "a poet"\n[tools]\ndeny = ["WebFetch"]\n'
    order = ExecuteSpawn(
        agent="alice", approval=3, settings=AgentSettings(persona="a poet"),
        files={"agent.toml": toml, "notes.md": "begin here"}, requested_by="agent:hm1nd",
    )  # fmt: skip
    await hive.done(await sender.request(order))
    assert (told(hive)["persona"], told(hive)["tools_denied"]) == ("a poet", ["WebFetch"])
    proposed = hive.environment.home.config(ALICE)
    assert (proposed / "agent.toml").read_text() == toml
    assert (proposed / "notes.md").read_text() == "begin here"
    assert "systemPackages" in (proposed / "agent.nix").read_text()
    (first,) = (await hive.operator.request(ListHistory(agent="alice"))).revisions
    assert (first.approval, first.stages) == (0, [Stage.DEPLOYED])
    await hive.done(await hive.operator.request(Destroy(agent="alice")))
    with pytest.raises(HiveError) as caught:
        await sender.request(CheckName(agent="alice", files={"agent.nix": "{ }"}))
    assert caught.value.code == "kept_state"


@pytest.mark.needs("nix-instantiate")
async def test_a_first_commit_that_is_no_nix_is_refused(hive: Hive) -> None:
    sender = await hive.approvals_bus()
    with pytest.raises(HiveError) as caught:
        await sender.request(CheckName(agent="alice", files={"agent.nix": "{ x = "}), timeout_s=10)
    assert (caught.value.code, "agent.nix" in caught.value.message) == ("bad_nix", True)
