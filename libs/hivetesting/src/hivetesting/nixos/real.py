"""A real NixOS host in the stand-in's place: real nixos-container, systemd, machined and nspawn.

HIVE_TEST_NIXOS=real, as root on a host that may be played with. The switches of lifecycle itself
(HIVE_NIXOS_*, HIVE_SYSTEMD_DROPINS, HIVE_NIXOS_CONTAINER, HIVE_SYSTEMCTL, HIVE_MACHINECTL,
HIVE_JOURNALCTL, HIVE_FLOCK, HIVE_NIX, HYPERHIVE_GIT, HIVE_META_*, NIX_CONFIG) say where everything is.
Tests that turn what a real host has no knob for are skipped.
"""

# It drives the host's own programs, as an operator does by hand, and is told of them by variables.

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hive_lifecycle.meta_flake import NIX_FEATURES
from typing_extensions import override

from hivetesting.nixos.host import StandInHost
from hivetesting.nixos.layout import Layout

TOOLS = ("nixos-container", "systemctl", "machinectl", "journalctl", "flock", "nix")
SWITCHES = (
    "HIVE_NIXOS_CONF_DIR", "HIVE_NIXOS_ROOTS", "HIVE_NIXOS_PROFILES", "HIVE_SYSTEMD_DROPINS",
    "HIVE_META_HYPERHIVE", "HIVE_META_NIXPKGS", "HIVE_META_NIXPKGS_UNSTABLE", "HYPERHIVE_GIT",
    "NIX_CONFIG", *(f"HIVE_{tool.replace('-', '_').upper()}" for tool in TOOLS),
)  # fmt: skip


class RealLayout(Layout):
    """Where a real host keeps things; it has no knobs."""

    def __init__(self) -> None:
        super().__init__(Path("/"))
        self.conf_dir = _place("HIVE_NIXOS_CONF_DIR", self.conf_dir)
        self.state_dir = _place("HIVE_NIXOS_ROOTS", self.state_dir)
        self.profiles = _place("HIVE_NIXOS_PROFILES", self.profiles)
        self.dropins = _place("HIVE_SYSTEMD_DROPINS", self.dropins)
        self._harness = False

    @override
    def make(self) -> None:
        """Make nothing: the host has it."""

    @override
    def turn(self, **knobs: object) -> None:
        """Skip the test; the harness that most tests begin with is what its agents' systems bring."""
        if set(knobs) == {"mixup_s"} or knobs == {"harness": []}:
            return
        if set(knobs) != {"harness"} or self._harness:
            pytest.skip(f"a real host has no knobs: {', '.join(knobs)}")
        self._harness = True


class RealHost(StandInHost):
    """The host that the tests run on."""

    def __init__(self, directory: Path) -> None:
        super().__init__(RealLayout())
        self._directory = directory
        self._others = self.containers()

    @property
    @override
    def hive_home(self) -> Path:
        return self._directory / "home"

    @property
    @override
    def hive_run(self) -> Path:
        return self._directory / "run"

    @override
    def environ(self) -> dict[str, str]:
        return {name: os.environ[name] for name in SWITCHES if name in os.environ}

    @override
    def run(self, name: str, *argv: str) -> subprocess.CompletedProcess[str]:
        program = os.environ.get(f"HIVE_{name.replace('-', '_').upper()}", name)
        config = f"{os.environ.get('NIX_CONFIG', '')}\n{NIX_FEATURES}"
        return subprocess.run(
            [program, *argv], check=False, capture_output=True, text=True, cwd=self._directory,
            env=os.environ | {"NIX_CONFIG": config},
        )  # fmt: skip

    @override
    def journal(self, container: str) -> str:
        unit = f"container@{container}.service"
        return self.run("journalctl", "-u", unit, "-o", "cat", "--no-pager").stdout

    @override
    def newer_hive(self) -> str:
        pytest.skip("a real host has one hyperhive")

    @override
    def is_built_with(self, system: Path, agent_nix: str) -> bool:
        """Look for the marker of `bench.with_etc` in what environment.etc became."""
        wanted = agent_nix.partition('"')[2].partition('"')[0]
        return (system / "etc/marker").read_text() == wanted

    @override
    def reboot(self) -> None:
        pytest.skip("a real host is not rebooted by a test")

    @override
    @contextlib.contextmanager
    def shut_gate(self, step: str, name: str) -> Iterator[Path]:
        if name:
            pytest.skip(f"a real host has no gates: {step} of {name}")
        yield self._directory

    @override
    def shut_down(self) -> None:
        for name in self.containers() - self._others:
            self.run("systemctl", "stop", f"container@{name}")
            self.run("systemctl", "reset-failed", f"container@{name}")
            self.run("nixos-container", "destroy", name)

    def containers(self) -> set[str]:
        """Name all containers of the host."""
        return {path.stem for path in self.layout.conf_dir.glob("*.conf")}


@contextlib.contextmanager
def real_host() -> Iterator[RealHost]:
    """Give this very host; containers that were made meanwhile are destroyed afterwards."""
    directory = Path(tempfile.mkdtemp(prefix="hive-nixos-", dir="/var/tmp"))
    host = RealHost(directory)
    if there := {name for name in host.containers() if name == "hm1nd" or name.startswith("h-")}:
        pytest.fail(f"this host has agents already, and tests would take theirs for them: {there}")
    try:
        yield host
    finally:
        host.shut_down()
        shutil.rmtree(directory, ignore_errors=True)


def _place(variable: str, default: Path) -> Path:
    return Path(os.environ.get(variable) or default)
