"""lifecycle killed with -9 in the middle of a verb: the next start or rebuild puts all right."""

import asyncio
import contextlib
import json
import os
import subprocess  # noqa: TID251 - the lifecycle that is killed is a process of its own
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from hivecommon.contracts.roster import ContainerState
from hivetesting.nixos.bench import ALICE, Bench, spec
from hivetesting.nixos.host import stand_in_host, until

PROJECT = Path(__file__).resolve().parents[3]
HARNESS = "readlink /run/current-system > /state/system; exec sleep 600"
VICTIM = """
import asyncio, json, sys
from hive_lifecycle.nixos import NixosRuntime
from hive_lifecycle.nixos_config import read_nixos_config
from hivecommon.command import run
from hivecommon.environment import read_environment
from hivetesting.nixos.bench import ALICE, now, spec

verbs, revision, environ = sys.argv[1].split(), sys.argv[2], json.loads(sys.argv[3])
runtime = NixosRuntime(read_environment(environ, uid=0), read_nixos_config(environ), run, now)

async def report(text, *, changed=True):
    print(text, flush=True)

async def main():
    for verb in verbs:
        with_spec = verb in ("prepare", "start")
        await getattr(runtime, verb)(spec(ALICE, revision) if with_spec else ALICE, report)

asyncio.run(main())
"""
SPAWN, REBUILD = "prepare start", "prepare stop start"
WITH_CHILDREN, ALONE = True, False
# (what was done before, what is interrupted, where, what of lifecycle is killed)
MOMENTS = [
    ("", SPAWN, "create.h-alice", WITH_CHILDREN),
    ("", SPAWN, "create.h-alice", ALONE),
    ("", SPAWN, "build.alice", WITH_CHILDREN),
    ("", SPAWN, "boot.h-alice", WITH_CHILDREN),
    (SPAWN, REBUILD, "build.alice", ALONE),
    (SPAWN, REBUILD, "update.h-alice", WITH_CHILDREN),
    (SPAWN, REBUILD, "update.h-alice", ALONE),
    (SPAWN, REBUILD, "reload.h-alice", WITH_CHILDREN),
    (SPAWN, "stop start", "boot.h-alice", ALONE),
    (SPAWN, "remove", "destroy.h-alice", WITH_CHILDREN),
    (SPAWN, "remove", "destroy.h-alice", ALONE),
]

# A whole host is started for each: on a busy machine that takes long, and nothing hangs.
pytestmark = [pytest.mark.needs("bwrap", "flock"), pytest.mark.timeout(600)]


@pytest.fixture
def bench() -> Iterator[Bench]:
    with stand_in_host(PROJECT) as host:
        host.layout.turn(harness=["/bin/sh", "-c", HARNESS])
        yield Bench(host)


async def killed_at(bench: Bench, verbs: str, revision: str, gate: str, whole: bool) -> None:  # noqa: FBT001 - a table's column
    """Let a lifecycle of its own do `verbs`, and kill it at the gate, with its children or alone.

    systemd kills what lifecycle started with it; without that, an orphan goes on for a while.
    """
    step, name = gate.split(".")
    with bench.host.shut_gate(step, name) as reached:
        victim = await asyncio.to_thread(
            subprocess.Popen,
            [sys.executable, "-c", VICTIM, verbs, revision, json.dumps(bench.environ)],
            env=os.environ | {"HOME": str(bench.host.layout.root)},  # noqa: TID251 - a process's own
        )
        try:
            await until(reached)
        finally:
            lifecycle = psutil.Process(victim.pid)
            for process in (lifecycle, *(lifecycle.children(recursive=True) if whole else [])):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            await asyncio.to_thread(victim.wait)


@pytest.mark.parametrize(("before", "verbs", "gate", "whole"), MOMENTS)
async def test_the_next_rebuild_brings_the_agent_to_a_right_state(
    bench: Bench,
    before: str,
    verbs: str,
    gate: str,
    whole: bool,  # noqa: FBT001 - a table's column
) -> None:
    if before:
        await bench.spawn()
    revision = await bench.commit(ALICE, agent_nix="{ x = 1; }\n")
    await killed_at(bench, verbs, revision, gate, whole)
    bench.restart()
    await bench.rebuild(ALICE, revision)
    seen = await bench.observe()
    assert seen.state is ContainerState.RUNNING
    assert not seen.needs_update
    assert seen.deployed == revision
    system = bench.host.system("h-alice")
    assert bench.inside(ALICE, "readlink", "/run/current-system").strip() == str(system)
    assert bench.host.faults() == []
    # The private directory of the call that was cut off goes too.
    left = {path.name for path in (bench.hive.home.root / "containers").iterdir()}
    assert left == {"h-alice.lock", "alice.json"}


@pytest.mark.parametrize("gate", ["create.h-alice", "build.alice", "boot.h-alice"])
async def test_the_next_start_alone_makes_up_for_a_spawn_cut_off(bench: Bench, gate: str) -> None:
    await killed_at(bench, SPAWN, "", gate, whole=True)
    bench.restart()
    await bench.runtime.start(spec(ALICE), bench.report)
    assert (await bench.observe()).state is ContainerState.RUNNING
    assert bench.host.faults() == []


@pytest.mark.parametrize("gate", ["create.h-alice", "boot.h-alice", "destroy.h-alice"])
async def test_a_destroy_after_the_kill_leaves_nothing(bench: Bench, gate: str) -> None:
    if gate == "destroy.h-alice":
        await bench.spawn()
    await killed_at(bench, "remove" if "destroy" in gate else SPAWN, "", gate, ALONE)
    bench.restart()
    await bench.runtime.remove(ALICE, bench.report)
    layout = bench.host.layout
    assert bench.host.run("nixos-container", "list").stdout == ""
    assert bench.host.run("machinectl", "list").stdout == ""
    assert [*layout.profiles.iterdir(), *layout.state_dir.iterdir()] == []
    assert bench.hive.home.state(ALICE).is_dir()
