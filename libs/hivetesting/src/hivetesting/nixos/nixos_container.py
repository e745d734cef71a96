"""Stand-in for nixos-container: the verbs of the Perl script, its order of steps and its faults."""

# One branch a verb and the quotation marks of the original; starts programs on purpose.
# ruff: noqa: C901, D102, PLR0911, PLR0912, RET503, T201

import contextlib
import errno
import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

from hivetesting.nixos.layout import Layout
from hivetesting.nixos.nix import build, set_profile

NAME = re.compile(r"[a-zA-Z0-9_-]+")
MAX_NAME = 11
FLAGS_WITH_VALUE = ("--flake", "--config", "--config-file", "--host-address", "--local-address")


def main(root: str) -> int:
    """Run one command line and give its exit code."""
    return NixosContainer(Layout(Path(root))).run(sys.argv[1:])


class NixosContainer:
    """One run of the script."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    def run(self, argv: list[str]) -> int:
        words, options = _parse(argv)
        action = words[0] if words else ""
        if not action:
            _die("no action specified")
        if action == "list":
            for conf in sorted(self.layout.conf_dir.glob("*.conf")):
                print(conf.name.removesuffix(".conf"))
            return 0
        if len(words) == 1:
            _die("no container name specified")
        name = words[1]
        if not NAME.fullmatch(name):
            _die("invalid container name")
        if action == "create":
            return self._create(name, options.get("--flake", ""))
        if not self._conf(name).exists():
            if action == "destroy":
                return 0
            if action == "status":
                print("gone")
            _die(f"container ‘{name}’ does not exist", errno.ENOENT)
        verbs = {"destroy": self._destroy, "status": self._status, "terminate": self._terminate}
        if action in verbs:
            verbs[action](name)
            return 0
        if action == "update":
            return self._update(name, options.get("--flake", ""))
        if action == "run":
            return self._run(name, words[2:])
        if action in ("start", "stop", "restart"):
            for verb in ("stop", "start") if action == "restart" else (action,):
                if self._systemctl(verb, f"container@{name}")[0]:
                    _die(f"failed to {verb} container", errno.EINVAL)
            return 0
        _die(f"unknown action ‘{action}’")

    def _create(self, name: str, flake: str) -> int:
        with self.layout.create_lock.open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            conf = self._conf(name)
            if conf.exists():
                _die(f"container ‘{name}’ already exists", errno.EEXIST)
            if len(name) > MAX_NAME:
                _die(f"container name ‘{name}’ is too long")
            used = "".join(path.read_text() for path in self.layout.conf_dir.glob("*.conf"))
            prefix = next(f"10.233.{n}" for n in range(1, 255) if f"=10.233.{n}.1\n" not in used)
            lines = ["PRIVATE_NETWORK=1", f"HOST_ADDRESS={prefix}.1", f"LOCAL_ADDRESS={prefix}.2"]
            lines += ["HOST_BRIDGE=", "HOST_PORT=", "AUTO_START=0"]
            lines += [f"FLAKE={flake.partition('#')[0]}"] if flake else []
            conf.write_text("".join(f"{line}\n" for line in lines))
        self.layout.pass_gate("create", name)
        (self.layout.profiles / name).mkdir(parents=True, exist_ok=True)
        if not flake:
            _die("only flakes are stood in for here")
        set_profile(self.layout, name, self._build_flake(flake))  # a failure leaves the conf behind
        return 0

    def _update(self, name: str, flake: str) -> int:
        if not flake:
            match = re.search(r"^FLAKE=(.*)$", self._conf(name).read_text(), re.MULTILINE)
            flake = match[1] if match else ""
        set_profile(self.layout, name, self._build_flake(flake))
        self.layout.pass_gate("update", name)
        if self._active(name) and self._systemctl("reload", f"container@{name}")[0]:
            _die("failed to reload container", errno.ENOTTY)
        return 0

    def _build_flake(self, flake: str) -> Path:
        """Build into `.tmp` of whatever directory this runs in, and leave the link there."""
        path, _, attribute = flake.partition("#")
        link = Path(".tmp")
        if build(self.layout, path, attribute or "container", link):
            _die(f"failed to build container from flake '{path}'", errno.EINVAL)
        time.sleep(self.layout.knobs().mixup_s)  # where another update of this directory gets in
        try:
            return link.readlink()
        except OSError as error:
            _die("Died", error.errno or 1)

    def _destroy(self, name: str) -> None:
        if self._active(name):  # activating and reloading do not count
            self._terminate(name)
        self.layout.pass_gate("destroy", name)
        for tree in (self.layout.profiles / name, self.layout.gcroots / name):
            shutil.rmtree(tree, ignore_errors=True)
        shutil.rmtree(self.layout.state_dir / name, ignore_errors=True)
        self._conf(name).unlink()

    def _terminate(self, name: str) -> None:
        leader = self._leader(name)
        if self._client("machinectl", "terminate", name)[0]:
            _die("failed to terminate container", errno.EINVAL)
        with contextlib.suppress(ProcessLookupError):
            while True:
                os.kill(leader, 0)
                time.sleep(0.02)

    def _status(self, name: str) -> None:
        print("up" if self._active(name) else "down")

    def _run(self, name: str, command: list[str]) -> int:
        leader = self._leader(name)
        argv = ["nsenter", "-t", str(leader), "-m", "-u", "-i", "-n", "-p"]
        if Path(f"/proc/{leader}/ns/user").readlink() != Path("/proc/self/ns/user").readlink():
            argv += ["-U", "--preserve-credentials"]
        env = {"PATH": os.environ.get("PATH", ""), "HOME": "/root"}
        return subprocess.run([*argv, "--", *command], check=False, env=env).returncode

    def _leader(self, name: str) -> int:
        out = self._client("machinectl", "show", name, "-p", "Leader")[1]
        match = re.fullmatch(r"Leader=(\d+)", out.strip())
        if match is None:
            _die("unable to get container's main PID")
        return int(match[1])

    def _active(self, name: str) -> bool:
        return "ActiveState=active\n" in self._systemctl("show", f"container@{name}")[1]

    def _conf(self, name: str) -> Path:
        return self.layout.conf_dir / f"{name}.conf"

    def _systemctl(self, *argv: str) -> tuple[int, str]:
        return self._client("systemctl", *argv)

    def _client(self, *argv: str) -> tuple[int, str]:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(self.layout.socket))
            client.sendall("\0".join(argv).encode() + b"\n")
            with client.makefile("rb") as reader:
                code, length = (int(word) for word in reader.readline().split())
                out = reader.read(length).decode()
                sys.stderr.write(reader.read().decode())
        return code, out


def _parse(argv: list[str]) -> tuple[list[str], dict[str, str]]:
    words: list[str] = []
    options: dict[str, str] = {}
    rest = iter(argv)
    for word in rest:
        if word == "--":
            words += rest
        elif word in FLAGS_WITH_VALUE:
            options[word] = next(rest, "")
        elif word.startswith("--") and word.partition("=")[0] in FLAGS_WITH_VALUE:
            options[word.partition("=")[0]] = word.partition("=")[2]
        elif word.startswith("-"):
            sys.stderr.write(f"Unknown option: {word.lstrip('-')}\n")
            raise SystemExit(1)
        else:
            words.append(word)
    return words, options


def _die(message: str, code: int = errno.ENOTTY) -> NoReturn:
    """Perl's die leaves with whatever errno happens to hold."""
    sys.stderr.write(f"nixos-container: {message}\n")
    raise SystemExit(code)


signal.signal(signal.SIGINT, signal.SIG_DFL)
