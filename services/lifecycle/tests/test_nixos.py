"""The nixos runtime on a stand-in NixOS host; each of the original's notes has a test of its name."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hive_lifecycle.git import Git
from hive_lifecycle.meta_flake import FlakeInputs
from hive_lifecycle.nixos import NixosRuntime
from hive_lifecycle.nixos_config import HostPaths, HostTools, NixosConfig
from hive_lifecycle.nspawn_conf import read_conf
from hive_lifecycle.runtime import AgentSpec, Observation
from hivecommon.command import run
from hivecommon.contracts.lifecycle import AgentSettings
from hivecommon.contracts.roster import ContainerState
from hivecommon.environment import HiveEnvironment, read_environment
from hivecommon.errors import HiveError
from hivecommon.names import MANAGER, AgentName, container_name
from hivetesting.nixos.host import StandInHost, stand_in_host, until

PROJECT = Path(__file__).resolve().parents[3]
ALICE, BOB = AgentName("alice"), AgentName("bob")
# What a guest's one service does here: it leaves traces where an agent's harness would.
HARNESS = (
    "readlink /run/current-system > /state/system; touch /root/.claude/was-here; exec sleep 600"
)

pytestmark = [pytest.mark.needs("bwrap", "flock")]


@dataclass
class Bench:
    """A hive's directories, its runtime, and the host below it."""

    host: StandInHost
    hive: HiveEnvironment
    config: NixosConfig
    steps: list[tuple[str, bool]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.runtime = self.new_runtime()

    def new_runtime(self) -> NixosRuntime:
        """Give the runtime of another lifecycle process, which remembers nothing."""
        return NixosRuntime(self.hive, self.config, run, lambda: datetime.now(UTC))  # noqa: TID251 - the real clock

    async def report(self, text: str, *, changed: bool = True) -> None:
        self.steps.append((text, changed))

    async def spawn(self, name: AgentName = ALICE, revision: str = "") -> AgentSpec:
        agent = spec(name, revision)
        await self.runtime.prepare(agent, self.report)
        await self.runtime.start(agent, self.report)
        return agent

    async def rebuild(self, name: AgentName = ALICE, revision: str = "") -> list[str]:
        """Do what `hive rebuild` does, and give the steps that changed something."""
        self.steps.clear()
        agent = spec(name, revision)
        await self.runtime.prepare(agent, self.report)
        await self.runtime.stop(name, self.report)
        await self.runtime.start(agent, self.report)
        return [text for text, changed in self.steps if changed]

    async def observe(self, name: AgentName = ALICE) -> Observation:
        return await self.runtime.observe(name)

    async def commit(self, name: AgentName, **files: str) -> str:
        """Put files into the agent's applied config repo and give the commit."""
        repo = self.hive.home.applied(name)
        repo.mkdir(parents=True, exist_ok=True)
        git = Git(run, "git", repo)
        if not (repo / ".git").exists():
            await git("init", "--quiet")
        for file, text in files.items():
            (repo / file.replace("_", ".")).write_text(text)
        await git("add", "--all")
        await git("commit", "--quiet", "-m", "x")
        return (await git("rev-parse", "HEAD")).stdout.decode().strip()

    def conf(self, name: AgentName = ALICE) -> dict[str, str]:
        return read_conf((self.config.paths.conf / f"{container_name(name)}.conf").read_text())

    def inside(self, name: AgentName, *command: str) -> str:
        done = self.host.run("nixos-container", "run", container_name(name), "--", *command)
        assert done.returncode == 0, done.stderr
        return done.stdout


def spec(name: AgentName, revision: str = "") -> AgentSpec:
    return AgentSpec(name=name, settings=AgentSettings(), revision=revision)


@pytest.fixture
def host() -> Iterator[StandInHost]:
    with stand_in_host(PROJECT) as host:
        host.layout.turn(harness=["/bin/sh", "-c", HARNESS])
        yield host


@pytest.fixture
def bench(host: StandInHost) -> Bench:
    layout = host.layout
    environ = {
        "HIVE_HOME": str(layout.root / "var/lib/hyperhive"),
        "HIVE_RUN": str(layout.run / "hyperhive"),
        "HIVE_RUNTIME": "nixos",
    }
    config = NixosConfig(
        inputs=FlakeInputs("path:/hive", "path:/nixpkgs", "path:/unstable"),
        paths=HostPaths(layout.conf_dir, layout.state_dir, layout.profiles, layout.dropins),
        tools=HostTools(
            nixos_container=str(layout.bin / "nixos-container"),
            systemctl=str(layout.bin / "systemctl"),
            machinectl=str(layout.bin / "machinectl"),
            journalctl=str(layout.bin / "journalctl"),
            nix=str(layout.bin / "nix"),
        ),
        poll_s=0.05,
    )
    return Bench(host, read_environment(environ, uid=0), config)


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(30):
        while not await holds():
            await asyncio.sleep(0.02)


async def test_an_agent_is_made_started_stopped_and_removed(bench: Bench) -> None:
    assert (await bench.observe()).state is ContainerState.STOPPED
    agent = await bench.spawn()
    seen = await bench.observe()
    assert seen.state is ContainerState.RUNNING
    assert seen.sandboxed
    assert seen.pid is not None
    assert not seen.needs_update
    assert seen.note == ""
    assert timedelta() <= datetime.now(UTC) - seen.since < timedelta(seconds=20)  # noqa: TID251
    await bench.runtime.stop(ALICE, bench.report)
    assert (await bench.observe()).state is ContainerState.STOPPED
    await bench.runtime.start(agent, bench.report)
    await bench.runtime.remove(ALICE, bench.report)
    layout = bench.host.layout
    assert bench.host.run("nixos-container", "list").stdout == ""
    assert list(layout.profiles.iterdir()) == []
    assert list(layout.state_dir.iterdir()) == []
    assert list(layout.dropins.iterdir()) == []
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
    assert not (bench.host.layout.run / "systemd/nspawn").exists()


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
    path = bench.config.paths.conf / "h-alice.conf"
    path.write_text(path.read_text() + "HOST_ADDRESS=10.0.0.1\nNOTE=mine\n")
    assert "network, binds and capabilities in h-alice.conf" in await bench.rebuild()
    assert bench.conf()["HOST_ADDRESS"] == ""
    assert bench.conf()["NOTE"] == "mine"
    namespace = bench.inside(ALICE, "readlink", "/proc/self/ns/net").strip()
    assert namespace == str(Path("/proc/self/ns/net").readlink())


async def test_s5_every_container_starts_again_after_a_restart_of_lifecycle(bench: Bench) -> None:
    agent = await bench.spawn()
    (bench.hive.run.agent(ALICE) / "bus.nk").write_text("key")
    bench.runtime = bench.new_runtime()
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
    bench.runtime = bench.new_runtime()
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
    for text in ("{ a = 1; }\n", "{ a = 2; }\n"):
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


async def test_limits_become_a_drop_in_of_the_unit(bench: Bench) -> None:
    revision = await bench.commit(ALICE, agent_toml='[limits]\nmemory = "2G"\ncpu = "150%"\n')
    await bench.spawn(ALICE, revision)
    show = ("systemctl", "show", "-P")
    for key, value in (("MemoryMax", "2G"), ("CPUQuota", "150%"), ("TimeoutStartSec", "300")):
        assert bench.host.run(*show, key, "container@h-alice").stdout == f"{value}\n"
    revision = await bench.commit(ALICE, agent_toml="")
    assert "limits of its unit" in await bench.rebuild(ALICE, revision)
    assert bench.host.run(*show, "MemoryMax", "container@h-alice").stdout == "\n"


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
    revision = await bench.commit(ALICE, agent_nix="{ x = 1; }\n")
    changed = await bench.rebuild(ALICE, revision)
    assert changed[0] == "its system in the agents' flake"
    assert any(step.startswith("system ") for step in changed)
    seen = await bench.observe()
    assert (before, seen.deployed) == ("", revision)
    system = bench.host.system("h-alice")
    assert system is not None
    assert (system / "sources/config/agent.nix").read_text() == "{ x = 1; }\n"
    assert bench.inside(ALICE, "readlink", "/run/current-system").strip() == str(system)


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
    revision = await bench.commit(ALICE, agent_nix="{ x = 1; }\n")
    changed = await bench.rebuild(ALICE, revision)
    assert "a unit failed while the running container took the new system" in changed
    assert (await bench.observe()).state is ContainerState.RUNNING


async def test_ten_agents_rebuilt_at_once_run_their_own_systems(bench: Bench) -> None:
    names = [AgentName(f"a{number}") for number in range(10)]
    bench.host.layout.turn(harness=[])
    revisions = {name: await bench.commit(name, agent_nix=f'"{name}"\n') for name in names}
    await asyncio.gather(*(bench.spawn(name, revisions[name]) for name in names))
    revisions = {name: await bench.commit(name, agent_nix=f'"{name} 2"\n') for name in names}
    bench.host.layout.turn(mixup_s=0.3)
    await asyncio.gather(*(bench.rebuild(name, revisions[name]) for name in names))
    for name in names:
        system = bench.inside(name, "readlink", "/run/current-system").strip()
        assert (Path(system) / "agent").read_text() == name
        assert (Path(system) / "sources/config/agent.nix").read_text() == f'"{name} 2"\n'


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
    path = bench.config.paths.conf / "h-alice.conf"
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
    newer = replace(bench.config.inputs, hyperhive="path:/newer")
    bench.config = replace(bench.config, inputs=newer)
    bench.runtime = bench.new_runtime()
    assert await behind()
    await bench.rebuild()
    assert not await behind()
    # a conf that was changed after the start
    path = bench.config.paths.conf / "h-alice.conf"
    path.write_text(path.read_text() + "NOTE=mine\n")
    assert await behind()
    await bench.rebuild()
    assert not await behind()
    # another system put in place by hand
    (bench.hive.home.meta / "agents/alice/hive.nix").write_text("{ by = hand; }\n")
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
