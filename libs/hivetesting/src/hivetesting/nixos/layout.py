"""Where the stand-ins of a NixOS host keep their files, and the knobs that a test turns."""

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

UNIT_DIRECTORIES = ("etc/systemd/system", "run/systemd/system")


@dataclass(kw_only=True)
class Knobs:
    """How this host behaves; a name in a list is a container's."""

    build_s: float = 0.0
    boot_s: float = 0.0
    linger_s: float = 0.2  # how long machined remembers a machine that is gone
    mixup_s: float = 0.05  # between `nix build -o .tmp` and the reading of that link
    start_timeout_s: float = 60.0
    stop_timeout_s: float = 90.0
    failing_builds: list[str] = field(default_factory=list)
    failing_revisions: list[str] = field(default_factory=list)
    newest: str = "r1"  # what `nix flake lock` finds where inputs come from
    failing_boots: list[str] = field(default_factory=list)
    failing_units: list[str] = field(default_factory=list)
    harness: list[str] = field(default_factory=list)  # what the guest's one service runs
    harness_env: dict[str, str] = field(default_factory=dict)
    visible: list[str] = field(default_factory=list)  # the host's paths that guests see read-only


class Layout:
    """A NixOS host's directories, all below one root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.conf_dir = root / "etc/nixos-containers"
        self.state_dir = root / "var/lib/nixos-containers"
        self.profiles = root / "nix/var/nix/profiles/per-container"
        self.gcroots = root / "nix/var/nix/gcroots/per-container"
        self.store = root / "nix/store"
        self.run = root / "run"
        self.create_lock = root / "run/lock/nixos-container"
        self.socket = root / "run/systemd/private"
        self.dropins = root / "run/systemd/system"
        self.journal = root / "var/log/journal"
        self.bin = root / "bin"
        self.gates = root / "gates"
        self.knobs_file = root / "knobs/knobs.json"

    def make(self) -> None:
        """Make what a booted host has: everything below /run is new after a reboot."""
        made = [self.conf_dir, self.state_dir, self.profiles, self.gcroots, self.store]
        made += [self.create_lock.parent, self.dropins, self.journal, self.bin, self.gates]
        for path in (*made, self.knobs_file.parent):
            path.mkdir(parents=True, exist_ok=True)

    def knobs(self) -> Knobs:
        """Read the knobs as they stand now."""
        try:
            return read_knobs(self.knobs_file)
        except FileNotFoundError:
            return Knobs()

    def turn(self, **knobs: object) -> None:
        """Set some knobs and leave the others; TypeError for one that is not there."""
        wanted = Knobs(**asdict(self.knobs()) | knobs)
        temporary = self.knobs_file.with_suffix(".tmp")
        temporary.write_text(json.dumps(asdict(wanted)))
        temporary.replace(self.knobs_file)

    def pass_gate(self, step: str, name: str) -> None:
        """Stop here for as long as a test keeps the gate of this step shut."""
        pass_gate(self.gates, step, name)


def pass_gate(gates: Path, step: str, name: str) -> None:
    """Stop at a gate, where a guest sees the gates too."""
    gate = gates / f"{step}.{name}"
    if not gate.exists():
        return
    (gates / f"{step}.{name}.reached").touch()
    while gate.exists():
        time.sleep(0.01)  # this is a program of its own, and the gate is a file


def read_knobs(file: Path) -> Knobs:
    """Read the knobs from their file, where a guest sees it too."""
    return Knobs(**json.loads(file.read_text()))
