"""The stand-ins of a NixOS host have the faults of the real programs, one test each."""

# The stand-ins are run as an operator runs the real programs.

import asyncio
import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hivetesting.nixos.host import StandInHost, stand_in_host, until

PROJECT = Path(__file__).resolve().parents[3]

pytestmark = pytest.mark.needs("bwrap")


@pytest.fixture
def host() -> Iterator[StandInHost]:
    with stand_in_host(PROJECT) as host:
        yield host


@pytest.fixture
def meta(host: StandInHost) -> Path:
    tree = host.layout.root / "meta"
    names = ["alice", "bob"]
    for name in names:
        (tree / "agents" / name).mkdir(parents=True)
        (tree / "agents" / name / "agent.nix").write_text("{ }\n")
    (tree / "flake.nix").write_text("".join(f'"{name}" ' for name in names))
    git(tree, "init", "-q")
    git(tree, "add", "-A")
    return tree


def git(tree: Path, *argv: str) -> None:
    subprocess.run(["git", "-C", str(tree), *argv], check=True)


def create(host: StandInHost, meta: Path, agent: str = "alice") -> str:
    name = f"h-{agent}"
    done = host.run("nixos-container", "create", name, "--flake", f"{meta}#{agent}")
    assert done.returncode == 0, done.stderr
    return name


def rewrite(host: StandInHost, name: str, *lines: str) -> None:
    (host.layout.conf_dir / f"{name}.conf").write_text("".join(f"{line}\n" for line in lines))


def wait_for(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        os.sched_yield()


def test_create_writes_the_addresses_that_cut_a_container_off(
    host: StandInHost, meta: Path
) -> None:
    name = create(host, meta)
    assert (host.layout.conf_dir / f"{name}.conf").read_text() == (
        "PRIVATE_NETWORK=1\nHOST_ADDRESS=10.233.1.1\nLOCAL_ADDRESS=10.233.1.2\n"
        f"HOST_BRIDGE=\nHOST_PORT=\nAUTO_START=0\nFLAKE={meta}\n"
    )
    assert "=10.233.2.1" in (
        (host.layout.conf_dir / f"{create(host, meta, 'bob')}.conf").read_text()
    )


@pytest.mark.parametrize(
    ("lines", "shared"),
    [
        (["PRIVATE_NETWORK=0"], True),
        (["PRIVATE_NETWORK=1"], False),
        (["PRIVATE_NETWORK=0", "LOCAL_MAC_ADDRESS=02:00:00:00:00:01"], False),
        (["PRIVATE_NETWORK=0", "HOST_ADDRESS6=fc00::1"], False),
    ],
)
def test_any_address_gives_a_network_of_its_own(
    host: StandInHost,
    meta: Path,
    lines: list[str],
    shared: bool,  # noqa: FBT001 - a table's column
) -> None:
    name = create(host, meta)
    rewrite(host, name, *lines)
    assert host.run("nixos-container", "start", name).returncode == 0
    inside = host.run("nixos-container", "run", name, "--", "readlink", "/proc/self/ns/net").stdout
    assert (inside.strip() == str(Path("/proc/self/ns/net").readlink())) is shared


@pytest.mark.parametrize(
    "line",
    [
        "HOST_PORT=tcp:80:80",
        'EXTRA_NSPAWN_FLAGS="--bind=/no/such/dir:/state"',
        'EXTRA_NSPAWN_FLAGS="--bind=/tmp/with blank:/state"',
        "EXTRA_NSPAWN_FLAGS=--drop-capability=CAP_net",
        "EXTRA_NSPAWN_FLAGS=--no-such-flag",
    ],
)
def test_a_bad_conf_fails_the_start_and_then_hits_the_start_limit(
    host: StandInHost, meta: Path, line: str
) -> None:
    name = create(host, meta)
    rewrite(host, name, "PRIVATE_NETWORK=0", line)
    assert host.run("nixos-container", "start", name).returncode != 0
    wait_for(lambda: host.state(name) == "failed")
    assert "repeated too quickly" in host.journal(name)
    show = host.run("systemctl", "show", "-p", "Result", "-p", "NRestarts", f"container@{name}")
    assert show.stdout == "Result=exit-code\nNRestarts=5\n"
    rewrite(host, name, "PRIVATE_NETWORK=0")
    assert host.run("systemctl", "start", f"container@{name}").returncode == 1
    assert host.run("systemctl", "reset-failed", f"container@{name}").returncode == 0
    assert host.run("systemctl", "start", f"container@{name}").returncode == 0


def test_flags_are_split_and_globbed_and_the_last_line_of_a_key_wins(
    host: StandInHost, meta: Path
) -> None:
    name = create(host, meta)
    data = host.layout.root / "data"
    (data / "sub").mkdir(parents=True)
    rewrite(
        host,
        name,
        "PRIVATE_NETWORK=0",
        "EXTRA_NSPAWN_FLAGS=--bind=/no/such/dir",
        f'EXTRA_NSPAWN_FLAGS="--bind={data}:/state   --bind-ro={data}/sub:/ro"',
        "export EXTRA_NSPAWN_FLAGS=--no-such-flag",
    )
    assert host.run("nixos-container", "start", name).returncode == 0
    script = "touch /state/made; touch /ro/made"
    assert host.run("nixos-container", "run", name, "--", "sh", "-c", script).returncode != 0
    assert sorted(path.name for path in data.rglob("*")) == ["made", "sub"]


def test_a_failed_build_in_create_leaves_the_conf_behind(host: StandInHost, meta: Path) -> None:
    host.layout.turn(failing_builds=["alice"])
    argv = ("nixos-container", "create", "h-alice", "--flake", f"{meta}#alice")
    assert host.run(*argv).returncode not in (0, 1)
    host.layout.turn(failing_builds=[])
    assert "already exists" in host.run(*argv).stderr
    assert host.run("nixos-container", "destroy", "h-alice").returncode == 0
    assert host.run(*argv).returncode == 0


def test_update_without_an_attribute_builds_one_called_container(
    host: StandInHost, meta: Path
) -> None:
    name = create(host, meta)
    done = host.run("nixos-container", "update", name)
    assert done.returncode != 0
    assert 'nixosConfigurations."container"' in done.stderr


async def test_concurrent_updates_from_one_directory_swap_systems(
    host: StandInHost, meta: Path, tmp_path: Path
) -> None:
    names = {"alice": create(host, meta), "bob": create(host, meta, "bob")}
    program = str(host.layout.bin / "nixos-container")
    with contextlib.ExitStack() as gates:
        host.layout.turn(mixup_s=0.5)
        gates.enter_context(contextlib.chdir(tmp_path))
        runs = [
            await asyncio.create_subprocess_exec(
                program, "update", name, "--flake", f"{meta}#{agent}"
            )
            for agent, name in names.items()
        ]
        assert [await run.wait() for run in runs] == [0, 0]
    systems = {host.system(name) for name in names.values()}
    assert len(systems) == 1
    assert (tmp_path / ".tmp").is_symlink()


async def test_status_says_down_while_the_container_starts_and_reloads(
    host: StandInHost, meta: Path
) -> None:
    name = create(host, meta)
    for step, verb in (("boot", "start"), ("reload", "reload")):
        with host.shut_gate(step, name) as reached:
            run = await asyncio.create_subprocess_exec(
                str(host.layout.bin / "systemctl"), verb, f"container@{name}"
            )
            await until(reached)
            assert host.run("nixos-container", "status", name).stdout == "down\n"
        assert await run.wait() == 0
        assert host.run("nixos-container", "status", name).stdout == "up\n"


def test_a_failing_unit_in_the_guest_fails_the_update_that_has_happened(
    host: StandInHost, meta: Path
) -> None:
    name = create(host, meta)
    assert host.run("nixos-container", "start", name).returncode == 0
    before = host.system(name)
    (meta / "agents/alice/agent.nix").write_text("{ x = 1; }\n")
    host.layout.turn(failing_units=[name])
    done = host.run("nixos-container", "update", name, "--flake", f"{meta}#alice")
    assert done.returncode != 0
    assert host.system(name) != before
    assert host.state(name) == "active"


def test_after_nspawn_was_killed_a_start_says_that_the_machine_exists(
    host: StandInHost, meta: Path
) -> None:
    name = create(host, meta)
    host.layout.turn(linger_s=60.0)
    assert host.run("nixos-container", "start", name).returncode == 0
    host.run("systemctl", "kill", "-s", "KILL", f"container@{name}")
    wait_for(lambda: host.state(name) == "failed")
    assert f"Machine '{name}' already exists" in host.journal(name)
    assert host.run("machinectl", "show", name, "-p", "Leader").returncode == 0


async def test_destroying_a_container_that_starts_leaves_one_that_runs_without_its_root(
    host: StandInHost, meta: Path
) -> None:
    name = create(host, meta)
    # Only from here on the guest needs nothing of what is deleted: before, its start would fail.
    with host.shut_gate("ready", name) as reached:
        run = await asyncio.create_subprocess_exec(
            str(host.layout.bin / "systemctl"), "start", f"container@{name}"
        )
        await until(reached)
        assert host.state(name) == "activating"
        assert host.run("nixos-container", "destroy", name).returncode == 0
    assert await run.wait() == 0
    assert host.state(name) == "active"
    assert not (host.layout.state_dir / name).exists()


def test_a_reboot_empties_run_and_ends_every_container(host: StandInHost, meta: Path) -> None:
    name = create(host, meta)
    assert host.run("nixos-container", "start", name).returncode == 0
    (host.layout.run / "hyperhive").mkdir()
    host.reboot()
    assert not (host.layout.run / "hyperhive").exists()
    assert host.state(name) == "inactive"
    assert host.run("machinectl", "show", name).returncode != 0
