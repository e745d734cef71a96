"""The nixos runtime builds, fails, repairs and watches on a stand-in NixOS host."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hivecommon.command import run
from hivecommon.contracts.roster import ContainerState
from hivecommon.errors import HiveError
from hivecommon.names import AgentName
from hivetesting.nixos.bench import ALICE, BOB, Bench, eventually, spec, with_etc
from hivetesting.nixos.host import nixos_host, until

PROJECT = Path(__file__).resolve().parents[3]
HARNESS = "readlink /run/current-system > /state/system; exec sleep 600"

# A whole host is started for each: on a busy machine that takes long, and nothing hangs.
pytestmark = [pytest.mark.needs("bwrap", "flock"), pytest.mark.timeout(600)]


@pytest.fixture
def bench() -> Iterator[Bench]:
    with nixos_host(PROJECT) as host:
        host.layout.turn(harness=["/bin/sh", "-c", HARNESS])
        yield Bench(host)


async def test_limits_become_a_drop_in_of_the_unit(bench: Bench) -> None:
    revision = await bench.commit(ALICE, agent_toml='[limits]\nmemory = "2G"\ncpu = "150%"\n')
    await bench.spawn(ALICE, revision)
    show = ("systemctl", "show", "-P")
    expected = {"MemoryMax": 2 << 30, "CPUQuotaPerSecUSec": "1.500000s", "TimeoutStartUSec": "5min"}
    for key, value in expected.items():
        assert bench.host.run(*show, key, "container@h-alice").stdout == f"{value}\n"
    revision = await bench.commit(ALICE, agent_toml="")
    assert "limits of its unit" in await bench.rebuild(ALICE, revision)
    assert bench.host.run(*show, "MemoryMax", "container@h-alice").stdout == "infinity\n"


async def test_limits_that_are_none_stop_the_build_and_leave_the_agent_running(
    bench: Bench,
) -> None:
    await bench.spawn()
    revision = await bench.commit(ALICE, agent_toml='[limits]\nmemory = "lots"\n')
    with pytest.raises(HiveError, match="'lots' is no size") as caught:
        await bench.rebuild(ALICE, revision)
    assert caught.value.code == "bad_limits"
    assert (await bench.observe()).state is ContainerState.RUNNING


async def test_a_rebuild_that_has_nothing_to_do_says_so(bench: Bench) -> None:
    await bench.spawn()
    assert await bench.rebuild() == ["container h-alice stopped", "container h-alice started"]


async def test_a_changed_config_is_built_and_runs_after_the_rebuild(bench: Bench) -> None:
    await bench.spawn()
    before = (await bench.observe()).deployed
    revision = await bench.commit(ALICE, agent_nix=with_etc("1"))
    changed = await bench.rebuild(ALICE, revision)
    assert changed[0] == "its system in the agents' flake"
    assert any(step.startswith("system ") for step in changed)
    seen = await bench.observe()
    assert (before, seen.deployed) == ("", revision)
    system = bench.host.system("h-alice")
    assert system is not None
    assert bench.host.is_built_with(system, with_etc("1"))
    assert bench.inside(ALICE, "readlink", "/run/current-system").strip() == str(system)


async def test_a_reload_is_no_new_life_of_the_agent(bench: Bench) -> None:
    await bench.spawn()
    since = (await bench.observe()).since
    revision = await bench.commit(ALICE, agent_nix=with_etc("1"))
    await bench.runtime.prepare(spec(ALICE, revision), bench.report)
    assert (await bench.observe()).deployed == revision
    assert (await bench.observe()).since == since


async def test_a_build_that_fails_leaves_what_runs_and_says_why(bench: Bench) -> None:
    await bench.spawn()
    system = bench.host.system("h-alice")
    revision = await bench.commit(ALICE, agent_nix='throw "no such option"\n')
    with pytest.raises(HiveError, match="no such option") as caught:
        await bench.rebuild(ALICE, revision)
    assert caught.value.code == "build_failed"
    assert bench.host.system("h-alice") == system
    assert (await bench.observe()).state is ContainerState.RUNNING
    good = await bench.commit(ALICE, agent_nix="{ }\n")
    await bench.rebuild(ALICE, good)
    assert (await bench.observe()).deployed == good


async def test_a_failed_create_leaves_no_conf_behind(bench: Bench) -> None:
    bench.host.layout.turn(failing_builds=["alice"])
    with pytest.raises(HiveError, match="was not built"):
        await bench.spawn()
    assert bench.host.run("nixos-container", "list").stdout == ""
    bench.host.layout.turn(failing_builds=[])
    await bench.spawn()
    assert (await bench.observe()).state is ContainerState.RUNNING


async def test_a_unit_that_fails_during_the_reload_does_not_fail_the_rebuild(bench: Bench) -> None:
    await bench.spawn()
    bench.host.layout.turn(failing_units=["h-alice"])
    revision = await bench.commit(ALICE, agent_nix=with_etc("1"))
    changed = await bench.rebuild(ALICE, revision)
    assert "a unit failed while the running container took the new system" in changed
    assert (await bench.observe()).state is ContainerState.RUNNING


async def test_ten_agents_rebuilt_at_once_run_their_own_systems(bench: Bench) -> None:
    names = [AgentName(f"a{number}") for number in range(10)]
    bench.host.layout.turn(harness=[])
    revisions = {name: await bench.commit(name, agent_nix=with_etc(name)) for name in names}
    await asyncio.gather(*(bench.spawn(name, revisions[name]) for name in names))
    revisions = {name: await bench.commit(name, agent_nix=with_etc(f"{name} 2")) for name in names}
    bench.host.layout.turn(mixup_s=0.3)
    await asyncio.gather(*(bench.rebuild(name, revisions[name]) for name in names))
    systems = [bench.inside(name, "readlink", "/run/current-system").strip() for name in names]
    assert len(set(systems)) == len(names)
    for name, system in zip(names, systems, strict=True):
        assert f"nixos-system-{name}" in system
        assert bench.host.system(f"h-{name}") == Path(system)
        assert bench.host.is_built_with(Path(system), with_etc(f"{name} 2"))


async def test_a_killed_nspawn_does_not_block_the_next_start(bench: Bench) -> None:
    agent = await bench.spawn()
    bench.host.layout.turn(linger_s=1.0)
    bench.host.run("systemctl", "kill", "-s", "KILL", "container@h-alice")

    async def failed() -> bool:
        return (await bench.observe()).state is ContainerState.FAILED

    await eventually(failed)
    assert "gave up" in (await bench.observe()).note
    await bench.runtime.start(agent, bench.report)
    assert (await bench.observe()).state is ContainerState.RUNNING
    assert (await bench.observe()).note == ""


async def test_a_start_that_fails_says_what_the_container_said(bench: Bench) -> None:
    agent = await bench.spawn()
    await bench.runtime.stop(ALICE, bench.report)
    path = bench.conf_file()
    path.write_text(path.read_text() + "HIVE_EXTRA_NSPAWN_FLAGS=--bind=/no/such:/x\n")
    with pytest.raises(HiveError, match="/no/such: No such file") as caught:
        await bench.runtime.start(agent, bench.report)
    assert caught.value.code == "start_failed"
    path.write_text(path.read_text().replace("HIVE_EXTRA_NSPAWN_FLAGS=--bind=/no/such:/x\n", ""))
    await bench.runtime.start(agent, bench.report)
    assert (await bench.observe()).state is ContainerState.RUNNING


async def test_a_container_destroyed_by_hand_while_it_ran_is_made_anew(bench: Bench) -> None:
    await bench.spawn()
    with bench.host.shut_gate("reload", "h-alice") as reached:
        reload = asyncio.create_task(  # noqa: TID251 - an operator's hand
            asyncio.to_thread(bench.host.run, "systemctl", "reload", "container@h-alice")
        )
        await until(reached)
        assert bench.host.run("nixos-container", "destroy", "h-alice").returncode == 0
        seen = await bench.observe()
        assert seen.state is ContainerState.RUNNING
        assert "destroyed while it ran" in seen.note
    await reload
    await bench.rebuild()
    assert (await bench.observe()).state is ContainerState.RUNNING
    assert (bench.config.paths.roots / "h-alice").is_dir()
    assert bench.inside(ALICE, "ls", "/state") == "system\n"


async def test_needs_update_is_seen_and_not_remembered(bench: Bench) -> None:
    agent = await bench.spawn()

    async def behind() -> bool:
        return (await bench.observe()).needs_update

    assert not await behind()
    # a newer hive
    bench.environ["HIVE_META_HYPERHIVE"] = bench.host.newer_hive()
    bench.restart()
    assert await behind()
    await bench.rebuild()
    assert not await behind()
    # a conf that was changed after the start
    path = bench.conf_file()
    path.write_text(path.read_text() + "NOTE=mine\n")
    assert await behind()
    await bench.rebuild()
    assert not await behind()
    # another system put in place by hand
    by_hand_nix = bench.hive.home.meta / "agents/alice/hive.nix"
    by_hand_nix.write_text(by_hand_nix.read_text() + "# by hand\n")
    await run(["git", "-C", str(bench.hive.home.meta), "add", "--all"], timeout_s=20)
    by_hand = ("update", "h-alice", "--flake", f"{bench.hive.home.meta}#alice")
    assert bench.host.run("nixos-container", *by_hand).returncode == 0
    assert await behind()
    await bench.runtime.prepare(agent, bench.report)
    assert not await behind()


@contextlib.asynccontextmanager
async def watching(bench: Bench) -> AsyncIterator["asyncio.Queue[AgentName]"]:
    seen: asyncio.Queue[AgentName] = asyncio.Queue()

    async def watch() -> None:
        async for name in bench.runtime.changes():
            seen.put_nowait(name)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(watch())
        yield seen
        task.cancel()


async def seen_of(seen: "asyncio.Queue[AgentName]", name: AgentName) -> None:
    async with asyncio.timeout(10):
        while await seen.get() != name:
            pass


async def test_what_is_done_by_hand_is_seen_within_seconds(bench: Bench) -> None:
    await bench.spawn()
    async with watching(bench) as seen:
        await seen_of(seen, ALICE)
        bench.host.run("nixos-container", "stop", "h-alice")
        await seen_of(seen, ALICE)
        assert (await bench.observe()).state is ContainerState.STOPPED
        bench.host.run("nixos-container", "start", "h-alice")
        await seen_of(seen, ALICE)
        bench.host.run("systemctl", "kill", "-s", "KILL", "container@h-alice")
        await seen_of(seen, ALICE)
        unknown = ("create", "h-bob", "--flake", f"{bench.hive.home.meta}#alice")
        assert bench.host.run("nixos-container", *unknown).returncode == 0
        await seen_of(seen, BOB)
        bench.host.run("nixos-container", "create", "other", *unknown[2:])
        bench.host.run("nixos-container", "destroy", "h-bob")
        await seen_of(seen, BOB)
        assert seen.empty() or seen.get_nowait() in {ALICE, BOB}
