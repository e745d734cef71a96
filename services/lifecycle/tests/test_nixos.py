"""The nixos runtime on a stand-in NixOS host; each of the original's notes has a test of its name."""

import asyncio
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hivecommon.contracts.roster import ContainerState
from hivecommon.errors import HiveError
from hivecommon.names import MANAGER
from hivetesting.nixos.bench import ALICE, BOB, Bench, eventually, now, with_etc
from hivetesting.nixos.host import nixos_host, until

PROJECT = Path(__file__).resolve().parents[3]
# What a guest's one service does here: it leaves traces where an agent's harness would.
HARNESS = (
    "readlink /run/current-system > /state/system; touch /root/.claude/was-here; exec sleep 600"
)

# A whole host is started for each: on a busy machine that takes long, and nothing hangs.
pytestmark = [pytest.mark.needs("bwrap", "flock"), pytest.mark.timeout(600)]


@pytest.fixture
def bench() -> Iterator[Bench]:
    with nixos_host(PROJECT) as host:
        host.layout.turn(harness=["/bin/sh", "-c", HARNESS])
        yield Bench(host)


def own_network() -> str:
    return str(Path("/proc/self/ns/net").readlink())


async def test_an_agent_is_made_started_stopped_and_removed(bench: Bench) -> None:
    assert (await bench.observe()).state is ContainerState.STOPPED
    agent = await bench.spawn()
    seen = await bench.observe()
    assert seen.state is ContainerState.RUNNING
    assert seen.sandboxed
    assert seen.pid is not None
    assert not seen.needs_update
    assert seen.note == ""
    assert seen.started_at == seen.since
    assert timedelta() <= now() - seen.since < timedelta(seconds=20)
    await bench.runtime.stop(ALICE, bench.report)
    assert (await bench.observe()).state is ContainerState.STOPPED
    await bench.runtime.start(agent, bench.report)
    await bench.runtime.remove(ALICE, bench.report)
    layout = bench.host.layout
    assert bench.host.run("nixos-container", "list").stdout == ""
    assert list(layout.profiles.iterdir()) == []
    assert list(layout.state_dir.iterdir()) == []
    assert list(layout.dropins.glob("container@*")) == []
    assert "alice" not in (bench.hive.home.meta / "flake.nix").read_text()
    assert bench.hive.home.state(ALICE).is_dir()
    left = {path.name for path in (bench.hive.home.root / "containers").iterdir()}
    assert left <= {"h-alice.lock"}


async def test_every_verb_may_be_repeated(bench: Bench) -> None:
    agent = await bench.spawn()
    bench.steps.clear()
    await bench.runtime.prepare(agent, bench.report)
    await bench.runtime.start(agent, bench.report)
    assert not any(changed for _, changed in bench.steps)
    for _ in range(2):
        await bench.runtime.stop(ALICE, bench.report)
    assert bench.steps[-1] == ("it did not run", False)
    for _ in range(2):
        await bench.runtime.remove(ALICE, bench.report)
    assert not any(changed for _, changed in bench.steps[-2:])


async def test_s1_binds_reach_the_container_through_the_conf_file(bench: Bench) -> None:
    await bench.spawn()
    flags = bench.conf()["EXTRA_NSPAWN_FLAGS"].split()
    home, run_directory = bench.hive.home, bench.hive.run
    assert flags == [
        f"--bind={home.claude(ALICE)}:/root/.claude",
        f"--bind={home.state(ALICE)}:/state",
        f"--bind={run_directory.agent(ALICE)}:/run/hive",
        "--drop-capability=CAP_NET_RAW,CAP_NET_BIND_SERVICE",
    ]
    await until(home.claude(ALICE) / "was-here")
    (run_directory.agent(ALICE) / "later").touch()
    assert "later" in bench.inside(ALICE, "ls", "/run/hive")
    assert list((bench.host.layout.run / "systemd/nspawn").glob("*.nspawn")) == []


async def test_s2_the_meta_flake_makes_every_system_from_the_harness_base(bench: Bench) -> None:
    await bench.spawn()
    text = (bench.hive.home.meta / "flake.nix").read_text()
    assert "hyperhive.nixosModules.harness-base" in text
    base = (PROJECT / "deploy/nix/harness-base.nix").read_text()
    assert "boot.isNspawnContainer = true;" in base


async def test_s3_a_server_in_the_container_answers_on_the_hosts_loopback(bench: Bench) -> None:
    serve = (
        "import socket; s = socket.create_server(('127.0.0.1', 0));"
        "open('/state/port', 'w').write(str(s.getsockname()[1])); c, _ = s.accept(); c.send(b'hi')"
    )
    bench.host.layout.turn(harness=["/usr/bin/env", "python3", "-c", serve])
    await bench.spawn()
    for key in ("HOST_ADDRESS", "LOCAL_ADDRESS", "HOST_ADDRESS6", "LOCAL_ADDRESS6", "HOST_BRIDGE"):
        assert bench.conf()[key] == ""
    assert bench.conf()["PRIVATE_NETWORK"] == "0"
    port_file = bench.hive.home.state(ALICE) / "port"

    async def has_port() -> bool:
        return port_file.exists() and port_file.read_text() != ""

    await eventually(has_port)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(port_file.read_text()))
    assert await reader.read() == b"hi"
    writer.close()


async def test_s3_addresses_set_by_hand_are_cleared_by_a_rebuild(bench: Bench) -> None:
    await bench.spawn()
    path = bench.conf_file()
    path.write_text(path.read_text() + "HOST_ADDRESS=10.0.0.1\nNOTE=mine\n")
    assert "network, binds and capabilities of h-alice" in await bench.rebuild()
    assert bench.conf()["HOST_ADDRESS"] == ""
    assert bench.conf()["NOTE"] == "mine"
    assert bench.inside(ALICE, "readlink", "/proc/self/ns/net").strip() == own_network()


async def test_s5_every_container_starts_again_after_a_restart_of_lifecycle(bench: Bench) -> None:
    agent = await bench.spawn()
    (bench.hive.run.agent(ALICE) / "bus.nk").write_text("key")
    bench.restart()
    await bench.runtime.stop(ALICE, bench.report)
    await bench.runtime.start(agent, bench.report)
    assert bench.inside(ALICE, "cat", "/run/hive/bus.nk") == "key"


async def test_s5_after_a_reboot_that_emptied_run_a_start_needs_no_hand(bench: Bench) -> None:
    agent = await bench.spawn()
    dropin = bench.config.paths.dropins / "container@h-alice.service.d/50-hyperhive.conf"
    assert dropin.exists()
    bench.host.reboot()
    assert not bench.hive.run.root.exists()
    assert (await bench.observe()).state is ContainerState.STOPPED
    bench.restart()
    await bench.runtime.start(agent, bench.report)
    assert (await bench.observe()).state is ContainerState.RUNNING
    assert dropin.exists()
    assert not (await bench.observe()).needs_update


async def test_s9_notes_survive_destroy_and_come_back(bench: Bench) -> None:
    await bench.spawn()
    bench.inside(ALICE, "sh", "-c", "echo notes > /state/notes.md; echo login > /root/.claude/cred")
    await bench.runtime.remove(ALICE, bench.report)
    assert (bench.hive.home.state(ALICE) / "notes.md").read_text() == "notes\n"
    await bench.spawn()
    assert bench.inside(ALICE, "cat", "/state/notes.md", "/root/.claude/cred") == "notes\nlogin\n"


async def test_s13_a_read_only_config_tree_becomes_part_of_the_meta_flake(bench: Bench) -> None:
    revision = await bench.commit(ALICE, agent_nix="{ }\n")
    repo = bench.hive.home.applied(ALICE)
    (repo / "agent.nix").chmod(0o444)
    for text in (with_etc("1"), with_etc("2")):
        await bench.spawn(ALICE, revision)
        copy = bench.hive.home.meta / "agents/alice/config/agent.nix"
        assert copy.stat().st_mode & 0o200
        (repo / "agent.nix").chmod(0o644)
        revision = await bench.commit(ALICE, agent_nix=text)


async def test_capabilities_that_reach_the_hosts_network_are_dropped(bench: Bench) -> None:
    await bench.spawn()
    # Process 1 has what nspawn left it; `run` enters with the host's own capabilities.
    line = bench.inside(ALICE, "grep", "CapEff", "/proc/1/status")
    left = int(line.split()[1], 16)
    cap_net_bind_service, cap_net_raw, cap_chown = 10, 13, 0  # linux/capability.h
    assert not left & (1 << cap_net_raw | 1 << cap_net_bind_service)
    if os.getuid() == 0:
        assert left & 1 << cap_chown


async def test_the_manager_sees_the_configs_of_the_others(bench: Bench) -> None:
    for name in (ALICE, BOB):
        bench.hive.home.config(name).mkdir(parents=True)
    (bench.hive.home.config(ALICE) / "agent.toml").write_text("x")
    await bench.spawn(MANAGER)
    assert "agent.toml" in bench.inside(MANAGER, "ls", "/agents/alice/config")
    assert bench.host.run("nixos-container", "list").stdout == "hm1nd\n"
    inside = bench.inside(MANAGER, "sh", "-c", "ls /agents/bob; ls /agents")
    assert inside == "config\nalice\nbob\n"


async def test_the_manager_is_behind_when_there_is_another_config_to_look_after(
    bench: Bench, tmp_path: Path
) -> None:
    bench.hive.home.config(ALICE).mkdir(parents=True)
    await bench.spawn(MANAGER)
    assert not (await bench.observe(MANAGER)).needs_update
    # What is no agent's config keeps the manager neither from starting nor up to date.
    (bench.hive.home.agents / "no agent" / "config").mkdir(parents=True)
    (bench.hive.home.agents / "eve").mkdir()
    (bench.hive.home.agents / "eve/config").symlink_to(tmp_path)
    assert not (await bench.observe(MANAGER)).needs_update
    bench.hive.home.config(BOB).mkdir(parents=True)
    assert (await bench.observe(MANAGER)).needs_update
    assert "network, binds and capabilities of hm1nd" in await bench.rebuild(MANAGER)
    assert not (await bench.observe(MANAGER)).needs_update
    assert bench.inside(MANAGER, "ls", "/agents") == "alice\nbob\n"


async def test_a_link_at_the_state_directory_is_refused_and_nothing_is_touched(
    bench: Bench, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.mkdir(mode=0o755)
    bench.hive.home.agent(ALICE).mkdir(parents=True)
    bench.hive.home.state(ALICE).symlink_to(victim)
    with pytest.raises(HiveError, match="is not a directory") as caught:
        await bench.spawn()
    assert caught.value.code == "unsafe_dir"
    assert list(victim.iterdir()) == []
    assert victim.stat().st_mode & 0o777 == 0o755
    assert bench.host.run("nixos-container", "list").stdout == ""
