"""A stand-in NixOS host for one test: started, turned, looked at, rebooted, taken down."""

# A stand-in for a program of the host: starting processes is what it does.

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from hivetesting.nixos.layout import Layout

# Run for every look at a unit, so it imports next to nothing.
CLIENT = """#!{python} -IS
import _socket, os, sys
client = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
try:
    client.connect({socket!r})
except OSError:
    os.write(2, b"Failed to connect to bus: No such file or directory\\n")
    sys.exit(1)
client.sendall("\\0".join([{name!r}, *sys.argv[1:]]).encode() + b"\\n")
answer = b""
while part := client.recv(65536):
    answer += part
head, _, text = answer.partition(b"\\n")
code, length = (head or b"1 0").split()
os.write(1, text[:int(length)])
os.write(2, text[int(length):])
os._exit(int(code))
"""
SCRIPT = """#!{python}
import sys
from hivetesting.nixos.{module} import main
sys.exit(main({root!r}))
"""
JOURNALCTL = """#!/bin/sh
lines=10 systemd=.
while [ $# -gt 0 ]; do case "$1" in
  -u) unit=$2; shift;; -n) lines=$2; shift;; -t) systemd="^systemd: "; shift;;
esac; shift; done
if [ "$systemd" = . ]; then tail -n "$lines" "{journal}/$unit.log" 2>/dev/null
else grep -v "$systemd" "{journal}/$unit.log" 2>/dev/null | tail -n "$lines"; fi
"""
PATIENCE_S = 60.0


class StandInHost:
    """The programs in `layout.bin` and the stand-in for process 1 behind them."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._manager: subprocess.Popen[bytes] | None = None

    @property
    def hive_home(self) -> Path:
        """Where a hive on this host keeps what survives a reboot."""
        return self.layout.root / "var/lib/hyperhive"

    @property
    def hive_run(self) -> Path:
        """Where it keeps what does not."""
        return self.layout.run / "hyperhive"

    def environ(self) -> dict[str, str]:
        """Give the variables by which lifecycle finds the stand-ins instead of the real programs."""
        layout = self.layout
        tools = ("nixos-container", "systemctl", "machinectl", "journalctl", "nix")
        return {
            "HIVE_META_HYPERHIVE": "path:/hive",
            "HIVE_META_NIXPKGS": "path:/nixpkgs",
            "HIVE_META_NIXPKGS_UNSTABLE": "path:/unstable",
            "HIVE_NIXOS_CONF_DIR": str(layout.conf_dir),
            "HIVE_NIXOS_ROOTS": str(layout.state_dir),
            "HIVE_NIXOS_PROFILES": str(layout.profiles),
            "HIVE_SYSTEMD_DROPINS": str(layout.dropins),
            **{f"HIVE_{tool.replace('-', '_').upper()}": str(layout.bin / tool) for tool in tools},
        }

    def boot(self) -> None:
        """Start the host's process 1, and wait until it answers."""
        self.layout.make()
        for name in ("systemctl", "machinectl"):
            text = CLIENT.format(python=sys.executable, socket=str(self.layout.socket), name=name)
            self._install(name, text)
        for name, module in (("nixos-container", "nixos_container"), ("nix", "nix")):
            values = {"python": sys.executable, "root": str(self.layout.root), "module": module}
            self._install(name, SCRIPT.format(**values))
        self._install("journalctl", JOURNALCTL.format(journal=self.layout.journal))
        command = [sys.executable, "-m", "hivetesting.nixos.manager", str(self.layout.root)]
        self._manager = subprocess.Popen(command, start_new_session=True)
        deadline = time.monotonic() + PATIENCE_S
        while not self._answers():
            if self._manager.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the stand-in for process 1 did not start")
            time.sleep(0.01)

    def shut_down(self) -> None:
        """Stop everything that runs on the host."""
        if self._manager is not None:
            self._manager.terminate()
            self._manager.wait(PATIENCE_S)
            self._manager = None
        for process in Path("/proc").glob("[0-9]*"):
            # A container in the first moments of its start is known to nobody yet.
            with contextlib.suppress(OSError):
                if str(self.layout.root).encode() in (process / "cmdline").read_bytes():
                    os.kill(int(process.name), signal.SIGKILL)

    def reboot(self) -> None:
        """Lose every process and everything below /run."""
        self.shut_down()
        shutil.rmtree(self.layout.run)
        self.boot()

    def run(self, name: str, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run one of the host's programs, as an operator would by hand."""
        command = [str(self.layout.bin / name), *argv]
        # nixos-container leaves a link `.tmp` wherever it is run.
        return subprocess.run(
            command, check=False, capture_output=True, text=True, cwd=self.layout.root
        )

    def state(self, container: str) -> str:
        """Give the ActiveState of a container's unit."""
        return self.run(
            "systemctl", "show", "-P", "ActiveState", f"container@{container}"
        ).stdout.strip()

    def journal(self, container: str) -> str:
        """Give what the container's unit wrote."""
        path = self.layout.journal / f"container@{container}.service.log"
        return path.read_text() if path.exists() else ""

    def newer_hive(self) -> str:
        """Give another flake that agents' systems can be made from."""
        return "path:/newer"

    def is_built_with(self, system: Path, agent_nix: str) -> bool:
        """Whether this was the agent.nix that the system was built with."""
        return (system / "sources/config/agent.nix").read_text() == agent_nix

    def faults(self) -> list[str]:
        """Name what must never be: a conf without a system, or one that runs without its root."""
        layout = self.layout
        confs = {path.stem: path.read_text() for path in layout.conf_dir.glob("*.conf")}
        found = [f"{name} has no system" for name in confs if self.system(name) is None]
        found += [
            f"{name} has a network of its own" for name in confs
            if "PRIVATE_NETWORK=0" not in confs[name]
        ]  # fmt: skip
        running = [line.split()[0] for line in self.run("machinectl", "list").stdout.splitlines()]
        found += [f"{name} runs without a conf" for name in running if name not in confs]
        root = layout.state_dir
        found += [f"{name} runs without its root" for name in running if not (root / name).is_dir()]
        return found

    def system(self, container: str) -> Path | None:
        """Give the store path that a container's profile points at."""
        profile = self.layout.profiles / container / "system"
        return profile.resolve() if profile.exists() else None

    @contextlib.contextmanager
    def shut_gate(self, step: str, name: str) -> Iterator[Path]:
        """Make the step stop before it goes on; yields the file that says it got there."""
        gate = self.layout.gates / f"{step}.{name}"
        reached = gate.with_name(f"{gate.name}.reached")
        reached.unlink(missing_ok=True)
        gate.touch()
        try:
            yield reached
        finally:
            gate.unlink(missing_ok=True)

    def _install(self, name: str, text: str) -> None:
        path = self.layout.bin / name
        path.write_text(text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(str(self.layout.socket))
            except OSError:
                return False
        return True


@contextlib.contextmanager
def nixos_host(project: Path) -> Iterator[StandInHost]:
    """Give a stand-in, or with HIVE_TEST_NIXOS=real the very host that the tests run on."""
    if os.environ.get("HIVE_TEST_NIXOS", "") == "real":
        from hivetesting.nixos.real import real_host  # noqa: PLC0415 - it is made of this module

        with real_host() as real:
            yield real
        return
    with stand_in_host(project) as host:
        yield host


@contextlib.contextmanager
def stand_in_host(project: Path) -> Iterator[StandInHost]:
    """Give a booted host whose guests see `project` and this Python; all of it is gone after."""
    # not pytest's tmp_path: a Unix socket's path may have at most 107 characters
    root = Path(tempfile.mkdtemp(prefix="hive-nixos-"))
    host = StandInHost(Layout(root))
    host.layout.make()
    visible = {
        str(project),
        sys.prefix,
        sys.base_prefix,
        str(Path(sys.executable).resolve().parent),
    }
    host.layout.turn(visible=sorted(path for path in visible if not path.startswith("/usr/")))
    try:
        host.boot()
        yield host
    finally:
        host.shut_down()
        shutil.rmtree(root, ignore_errors=True)


async def until(path: Path) -> None:
    """Wait for a file that another process makes."""
    async with asyncio.timeout(PATIENCE_S):
        while not path.exists():  # noqa: ASYNC110, ASYNC240 - the event is in another process
            await asyncio.sleep(0.01)
