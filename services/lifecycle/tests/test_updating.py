"""Newer flake inputs on a stand-in NixOS host: all agents are built with them, or nothing changes."""

import asyncio
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hive_lifecycle.errors import BuildFailed
from hive_lifecycle.git import Git
from hive_lifecycle.meta_flake import FlakeInputs, MetaFlake
from hive_lifecycle.newer_inputs import NewerInputs
from hive_lifecycle.nixos_config import NixosConfig
from hivecommon.command import Completed, run
from hivecommon.contracts.approvals import FlakeInput
from hivecommon.contracts.changes import JobLog
from hivecommon.contracts.inputs import ExecuteUpdate, FindInputs, Update
from hivecommon.contracts.jobs import Job, JobState, ListJobs
from hivecommon.contracts.roster import ContainerState
from hivecommon.errors import HiveError
from hivecommon.names import AgentName
from hivetesting.nixos.bench import host_environ
from hivetesting.nixos.host import StandInHost, stand_in_host, until

from services.lifecycle.tests.conftest import Hive

PROJECT = Path(__file__).resolve().parents[3]
HARNESS = Path(__file__).with_name("stand_in.py").read_text()

NIX_CONFIG = "extra-experimental-features = nix-command flakes\nbuild-users-group =\n"
ALICE = AgentName("alice")
# The least that the agents' flake asks of its inputs.
FLAKES = {
    "nixpkgs": """{ outputs = _: { lib = { optional = c: v: if c then [ v ] else [ ]; nixosSystem =
      { modules }: { config.system.build.toplevel.name = "a-system"; }; }; }; }""",
    "unstable": "{ outputs = _: { }; }",
    "hive": """{ inputs.nixpkgs.url = "path:/none"; inputs.nixpkgs-unstable.url = "path:/none";
      outputs = _: { nixosModules.harness-base = { }; }; }""",
}

pytestmark = [pytest.mark.needs("bwrap", "flock")]


@pytest.fixture
def host() -> Iterator[StandInHost]:
    with stand_in_host(PROJECT) as host:
        host.layout.turn(
            harness=[sys.executable, "-P", "-c", HARNESS],
            harness_env={"HIVE_AGENT_RUN": "/run/hive", "HYPERHIVE_STATE_DIR": "/state"},
        )
        yield host


@pytest.fixture
def hive_environ(host: StandInHost) -> dict[str, str]:
    return host_environ(host)


async def locked(hive: Hive) -> dict[str, str]:
    found = (await (await hive.approvals_bus()).request(FindInputs())).inputs
    assert all(isinstance(one, FlakeInput) for one in found)
    return {one.name: one.revision for one in found}


async def commits(hive: Hive) -> list[str]:
    git = Git(run, "git", hive.environment.home.meta)
    return (await git("log", "--format=%s")).stdout.decode().splitlines()


async def execute(hive: Hive, approval: int, *inputs: str) -> Job:
    order = ExecuteUpdate(
        approval=approval, inputs=list(inputs) or ["hyperhive", "nixpkgs", "nixpkgs-unstable"],
        requested_by="agent:hm1nd",
    )  # fmt: skip
    return await hive.ended(await (await hive.approvals_bus()).request(order))


async def rebuilds(hive: Hive) -> list[str]:
    """Return whom the jobs that followed have rebuilt, once all of them have ended."""
    async with asyncio.timeout(60):
        while any(not job.state.ended for job in (await hive.operator.request(ListJobs())).jobs):
            await asyncio.sleep(0.05)
    jobs = (await hive.operator.request(ListJobs())).jobs
    assert {job.state for job in jobs if job.verb == "rebuild"} <= {JobState.DONE}
    return sorted(job.agent for job in jobs if job.verb == "rebuild")


async def test_all_agents_are_built_then_rebuilt_with_newer_inputs(
    hive: Hive, host: StandInHost
) -> None:
    for name in ("alice", "bob"):
        await hive.spawn(name)
    before = {name: host.system(f"h-{name}") for name in ("alice", "bob")}
    host.layout.turn(newest="r2")
    job = await execute(hive, 7, "nixpkgs")
    assert job.error is None
    assert "nixpkgs: r1-nixpkgs -> r2-nixpkgs" in [step.text for step in job.steps]
    assert await locked(hive) == {
        "hyperhive": "r1-hyperhive", "nixpkgs": "r2-nixpkgs",
        "nixpkgs-unstable": "r1-nixpkgs-unstable",
    }  # fmt: skip
    assert await rebuilds(hive) == ["alice", "bob"]
    for name, system in before.items():
        assert host.system(f"h-{name}") != system
        row = await hive.row(name)
        assert (row.state, row.needs_update) == (ContainerState.RUNNING, False)
    told = await hive.happenings.wait_for("all", "inputs updated")
    assert (told.by, "r2-nixpkgs" in told.detail) == ("agent:hm1nd", True)
    assert not (hive.environment.home.root / "meta.update").exists()


async def test_one_agent_that_cannot_be_built_leaves_everything_as_it_was(
    hive: Hive, host: StandInHost
) -> None:
    await hive.spawn("alice")
    before, system = await commits(hive), host.system("h-alice")
    host.layout.turn(newest="r2", failing_revisions=["r2-nixpkgs"])
    job = await execute(hive, 7)
    assert job.error is not None
    assert (job.error.code, "alice" in job.error.message) == ("build_failed", True)
    log = (await (await hive.approvals_bus()).request(JobLog(approval=7))).text
    assert "nixpkgs: r1-nixpkgs -> r2-nixpkgs" in log
    assert "failed on these inputs" in log
    assert (await commits(hive), host.system("h-alice")) == (before, system)
    assert (await locked(hive))["nixpkgs"] == "r1-nixpkgs"
    row = await hive.row("alice")
    assert (row.state, row.needs_update) == (ContainerState.RUNNING, False)


@pytest.mark.needs("nix")
async def test_real_nix_takes_the_named_input_anew_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NIX_CONFIG", NIX_CONFIG)
    for name in ("nixpkgs", "unstable", "hive"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "flake.nix").write_text(FLAKES[name])
    inputs = FlakeInputs(*(f"path:{tmp_path}/{name}" for name in ("hive", "nixpkgs", "unstable")))
    meta = MetaFlake(inputs, Git(run, "git", tmp_path / "meta"), run)
    await meta.put(ALICE, None)
    newer = NewerInputs(meta, NixosConfig(inputs), nix_without_building)
    before = {one.name: one for one in newer.locked()}
    steps = list[str]()

    async def report(text: str, *, changed: bool = True) -> None:
        steps.append(text)

    for name in ("nixpkgs", "unstable"):
        (tmp_path / name / "news").write_text("yes")
    await newer.take(["nixpkgs"], [ALICE], "first", report)
    after = {one.name: one for one in newer.locked()}
    assert [name for name in after if after[name].revision != before[name].revision] == ["nixpkgs"]
    assert "alice can be built with them" in steps
    await newer.take([], [ALICE], "second", report)
    last = {one.name: one for one in newer.locked()}
    assert [name for name in last if last[name].revision != after[name].revision] == [
        "nixpkgs-unstable"
    ]
    base = meta.base()
    (tmp_path / "nixpkgs/flake.nix").write_text('{ outputs = _: { lib = throw "gone"; }; }')
    with pytest.raises(BuildFailed, match="gone"):
        await newer.take([], [ALICE], "third", report)
    assert meta.base() == base


async def nix_without_building(argv: Sequence[str], **options: Any) -> Completed:
    """Evaluate what real nix would build: a test has no time for systems, and no builders."""
    if list(argv[:2]) == ["nix", "build"]:
        argv = ["nix", "eval", "--raw", "--offline", f"{argv[-1]}.name"]
    return await run(argv, **options)


async def test_nothing_newer_is_said_and_nothing_done(hive: Hive, host: StandInHost) -> None:
    await hive.spawn("alice")
    before = await commits(hive)
    job = await execute(hive, 7)
    assert "there is nothing newer" in [step.text for step in job.steps]
    assert await commits(hive) == before
    with pytest.raises(HiveError) as caught:
        await (await hive.approvals_bus()).request(FindInputs(inputs=["nixpgks"]))
    assert caught.value.code == "unknown_input"


async def test_killed_in_the_middle_of_a_build_it_is_done_once(
    hive: Hive, host: StandInHost
) -> None:
    await hive.spawn("alice")
    host.layout.turn(newest="r2")
    order = ExecuteUpdate(approval=7, inputs=["nixpkgs"], requested_by="agent:hm1nd")
    with host.shut_gate("build", "alice") as reached:
        accepted = await (await hive.approvals_bus()).request(order)
        await until(reached)
        hive.end_lifecycle(signal.SIGKILL)
    hive.start_lifecycle()
    job = await hive.done(accepted)
    again = await (await hive.approvals_bus()).request(order)
    assert again.job == job.id
    assert (await commits(hive)).count("Update inputs: approval 7") == 1
    assert (await locked(hive))["nixpkgs"] == "r2-nixpkgs"
    assert await rebuilds(hive) == ["alice"]


async def test_an_operators_own_update_is_recorded_as_decided(
    hive: Hive, host: StandInHost
) -> None:
    await hive.spawn("alice")
    host.layout.turn(newest="r2")
    job = await hive.done(await hive.operator.request(Update(inputs=["nixpkgs"], reason="a hole")))
    (record,) = hive.approvals.updates
    assert (record.operator, record.reason) == ("tester", "a hole")
    assert [one.revision for one in record.inputs] == ["r1-nixpkgs"]
    assert job.approval is not None
    assert (await locked(hive))["nixpkgs"] == "r2-nixpkgs"


async def test_an_agent_that_runs_what_is_old_is_told_of(hive: Hive, host: StandInHost) -> None:
    await hive.spawn("alice")
    hive.end_lifecycle()
    lock = hive.environment.home.meta / "flake.lock"
    lock.write_text(lock.read_text().replace("r1-nixpkgs", "r0-nixpkgs"))
    hive.start_lifecycle()
    told = await hive.happenings.wait_for("alice", "needs update")
    assert (told.by, "hive rebuild alice" in told.detail) == ("", True)
