"""Stand-in for the start script of container@ and for the systemd-nspawn that it becomes.

Run by the manager as `python -m hivetesting.nixos.nspawn ROOT NAME NOTIFY_FD`.
"""

# A stand-in for a program of the host: starting processes is what it does.
# ruff: noqa: D103, RET503

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import NoReturn

from hivetesting.nixos.env_words import read_environment_file, split_words
from hivetesting.nixos.layout import Layout

ADDRESSES = ("HOST_ADDRESS", "LOCAL_ADDRESS", "HOST_ADDRESS6", "LOCAL_ADDRESS6")
SHARED = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "etc", "opt")
HALT = signal.SIGRTMIN + 3


def main() -> int:
    layout, name, notify_fd = Layout(Path(sys.argv[1])), sys.argv[2], int(sys.argv[3])
    conf = layout.conf_dir / f"{name}.conf"
    environment: dict[str, str] = {}
    with contextlib.suppress(FileNotFoundError):  # EnvironmentFile=-: a missing file is no error
        environment = read_environment_file(conf.read_text(errors="surrogateescape"))
    root = layout.state_dir / name
    for part in ("etc", "var/lib", "root", "usr"):
        (root / part).mkdir(parents=True, exist_ok=True)
    profile = layout.profiles / name
    profile.mkdir(parents=True, exist_ok=True)
    (layout.gcroots / name).mkdir(parents=True, exist_ok=True)
    if not (profile / "system/init").exists():
        _die(f"Failed to execute {profile}/system/init: No such file or directory")
    argv = ["bwrap", "--bind", str(root), "/", "--dev", "/dev", "--proc", "/proc"]
    argv += ["--tmpfs", "/run", "--tmpfs", "/tmp"]  # noqa: S108 - the guest's own, not the host's
    argv += ["--unshare-pid", "--unshare-uts", "--unshare-ipc", "--hostname", name]
    argv += ["--uid", "0", "--gid", "0"] if os.getuid() else []
    argv += ["--as-pid-1", "--die-with-parent", "--new-session"]
    argv += _host_paths(layout, root) + _network(environment)
    argv += ["--ro-bind", str(layout.store), str(layout.store)]
    argv += ["--bind", str(profile), "/nix/var/nix/profiles"]
    argv += ["--ro-bind", str(layout.knobs_file.parent), "/run/knobs"]
    argv += ["--bind", str(layout.gates), "/run/gates"]
    for flag in split_words(environment.get("EXTRA_NSPAWN_FLAGS", ""), Path("/")):
        argv += _extra_flag(flag, root)
    if layout.knobs().boot_s or (layout.gates / f"boot.{name}").exists():
        layout.pass_gate("boot", name)
    return _run(argv, name, notify_fd)


def _run(argv: list[str], name: str, notify_fd: int) -> int:
    """Become the container's supervisor: SIGTERM is passed on as a halt, as --kill-signal says."""
    info_read, info_write = os.pipe()
    argv += ["--info-fd", str(info_write), "--setenv", "NOTIFY_FD", str(notify_fd)]
    argv += ["--setenv", "CONTAINER", name, "--", "/nix/var/nix/profiles/system/init"]
    child = subprocess.Popen(
        argv, pass_fds=(info_write, notify_fd), env={"PATH": os.environ["PATH"]}
    )
    os.close(info_write)
    with os.fdopen(info_read) as info:
        text = info.read()
    if not text:
        return child.wait() or 1
    leader = int(json.loads(text)["child-pid"])
    halting = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: halting.set())
    os.write(notify_fd, f"LEADER={leader}\n".encode())
    os.close(notify_fd)
    while child.poll() is None:
        if halting.is_set():  # again and again: process 1 is deaf until it has its handlers
            with contextlib.suppress(ProcessLookupError):
                os.kill(leader, HALT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(0.1)
    return child.returncode if child.returncode >= 0 else 1


def _host_paths(layout: Layout, root: Path) -> list[str]:
    argv: list[str] = []
    for each in (*(f"/{part}" for part in SHARED), *layout.knobs().visible):
        path = Path(each)
        if path.is_symlink() and path.parent == Path("/"):
            (root / path.name).unlink(missing_ok=True)
            argv += ["--symlink", str(path.readlink()), each]
        elif path.exists():
            argv += ["--ro-bind", each, each]
    return argv


def _network(environment: dict[str, str]) -> list[str]:
    veth = any(environment.get(key) for key in (*ADDRESSES, "LOCAL_MAC_ADDRESS", "HOST_BRIDGE"))
    private = environment.get("PRIVATE_NETWORK") == "1"
    moved = any(environment.get(key) for key in ("INTERFACES", "MACVLANS"))
    if environment.get("HOST_PORT") and not (veth or private):
        _die("--port= is not supported without private networking.")
    path = environment.get("NETWORK_NAMESPACE_PATH")
    if path and not Path(path).exists():
        _die(f"Failed to open {path}: No such file or directory")
    return ["--unshare-net"] if veth or private or moved or path else []


def _extra_flag(flag: str, root: Path) -> list[str]:
    name, equals, value = flag.partition("=")
    if name in ("--bind", "--bind-ro") and value:
        source, _, target = value.partition(":")
        if not Path(source).exists():
            _die(f"Failed to stat {source}: No such file or directory")
        target = (target or source).split(":")[0]
        (root / target.lstrip("/")).mkdir(parents=True, exist_ok=True)
        return ["--ro-bind" if name == "--bind-ro" else "--bind", source, target]
    if name in ("--drop-capability", "--capability") and value:
        verb = "--cap-drop" if name == "--drop-capability" else "--cap-add"
        names = value.split(",")
        for each in names:
            if not re.fullmatch(r"CAP_[A-Z_]+|all", each):
                _die(f"Failed to parse capability {each}.")
        return [word for each in names for word in (verb, each)]
    if name in ("--setenv", "-E") and "=" in value:
        key, _, text = value.partition("=")
        return ["--setenv", key, text]
    if name == "--no-new-privileges" and equals:
        return []
    _die(f"systemd-nspawn: unrecognized option '{flag}'")


def _die(message: str) -> NoReturn:
    sys.stderr.write(message + "\n")
    raise SystemExit(1)


if __name__ == "__main__":
    sys.exit(main())
