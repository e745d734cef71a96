"""Stand-in for a container's own systemd: process 1 with one service, the agent's harness.

It runs as `python -m hivetesting.nixos.guest`, or with an argument as switch-to-configuration.
"""

# Process 1 of a guest: single-threaded, starts what it is told to.
# ruff: noqa: D102, D103, PLW1509

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from hivetesting.nixos.layout import Knobs, pass_gate, read_knobs

HALT = signal.SIGRTMIN + 3
WANTED = (HALT, signal.SIGHUP, signal.SIGCHLD, signal.SIGTERM)
PROFILE = Path("/nix/var/nix/profiles/system")
CURRENT = Path("/run/current-system")
KNOBS = Path("/run/knobs/knobs.json")
GATES = Path("/run/gates")
GRACE_S = 5.0
RESTART_S = 0.1


class Guest:
    """The state of process 1: which system it runs and its one service."""

    def __init__(self, knobs: Knobs, name: str) -> None:
        self.argv = knobs.harness
        self.env = {"PATH": os.environ["PATH"], "HOME": "/root", "CONTAINER": name}
        self.env |= knobs.harness_env
        self.service: subprocess.Popen[bytes] | None = None

    def switch(self) -> None:
        """Make the profile's system the current one and run its service anew."""
        temporary = CURRENT.with_suffix(".new")
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(PROFILE.resolve())
        temporary.replace(CURRENT)
        self.stop_service()
        self.start_service()

    def start_service(self) -> None:
        if self.argv:
            self.service = subprocess.Popen(
                self.argv, env=self.env, start_new_session=True, preexec_fn=_unblock
            )

    def stop_service(self) -> None:
        service, self.service = self.service, None
        if service is None or service.poll() is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(service.pid, signal.SIGTERM)
        try:
            service.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            os.killpg(service.pid, signal.SIGKILL)
            service.wait()


def main() -> int:
    if len(sys.argv) > 1:
        return switch_to_configuration(sys.argv[1])
    name = os.environ["CONTAINER"]
    knobs = read_knobs(KNOBS)
    signal.pthread_sigmask(signal.SIG_BLOCK, WANTED)
    for number in WANTED:
        signal.signal(number, lambda *_: None)
    time.sleep(knobs.boot_s)
    pass_gate(GATES, "ready", name)  # it runs, and has not said so yet
    if name in knobs.failing_boots:
        return 1
    guest = Guest(knobs, name)
    with contextlib.suppress(OSError):  # its root was deleted: it runs on all the same
        guest.switch()
    notify_fd = int(os.environ["NOTIFY_FD"])
    os.write(notify_fd, b"READY=1\n")
    os.close(notify_fd)
    while True:
        got = signal.sigtimedwait(WANTED, RESTART_S)
        if got is not None and got.si_signo == HALT:
            guest.stop_service()
            return 0
        if got is not None and got.si_signo == signal.SIGHUP:
            guest.switch()
        _reap(guest)
        if got is None and guest.service is not None and guest.service.poll() is not None:
            guest.start_service()


def switch_to_configuration(action: str) -> int:
    """Do what a reload does inside: switch, and say with 4 that a unit failed meanwhile."""
    if action != "test":
        sys.stderr.write(f"unknown action {action}\n")
        return 1
    knobs = read_knobs(KNOBS)
    target = PROFILE.resolve()
    os.kill(1, signal.SIGHUP)
    deadline = time.monotonic() + GRACE_S
    while CURRENT.resolve() != target and time.monotonic() < deadline:
        time.sleep(0.01)  # another process, and no other word from process 1
    name = Path("/proc/sys/kernel/hostname").read_text().strip()
    if name in knobs.failing_units:
        sys.stderr.write("warning: the following units failed: broken.service\n")
        return 4
    return 0


def _reap(guest: Guest) -> None:
    """Take in orphans: as process 1 nobody else does; the service's own end is left to Popen."""
    service = guest.service
    while True:
        try:
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if found is None or (service is not None and found.si_pid == service.pid):
            return
        os.waitpid(found.si_pid, 0)


def _unblock() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, WANTED)


if __name__ == "__main__":
    sys.exit(main())
