"""Runs the Claude CLI and ends everything it started, when the CLI or the harness ends.

A program of its own that needs the standard library alone: `keeper.py PARENT CLI [ARGUMENT…]`.
The CLI survives a kill -9 of whoever started it, and its Bash children survive a kill -9 of the
CLI. As a subreaper (prctl(2)) this process inherits every orphan below it, so none is missed,
whatever session or process group it has put itself into.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_PR_SET_CHILD_SUBREAPER = 36
_HANDLED = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
_CANNOT_RUN = 127


def main(arguments: Sequence[str]) -> NoReturn:
    """Run the CLI; end with its exit status, or by the signal that ended it."""
    parent, command = int(arguments[0]), list(arguments[1:])
    signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(1)  # it died before it could be watched
    cli = _start(command)
    _close_pipes()
    status = _wait(cli, parent)
    _kill_descendants()
    _leave(status)


def _start(command: list[str]) -> int:
    keeper = os.getpid()
    child = os.fork()
    if child:
        return child
    try:
        os.setpgid(0, 0)
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != keeper:
            os._exit(1)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)
        os.execv(command[0], command)  # noqa: S606 - a path of ours, no shell
    except OSError as error:
        os.write(2, f"cannot run {command[0]}: {error.strerror}\n".encode())
    os._exit(_CANNOT_RUN)


def _close_pipes() -> None:
    # The harness must see the end of the CLI's output when the CLI ends, and the CLI its input's.
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1):
        os.dup2(nothing, descriptor)
    os.close(nothing)


def _wait(cli: int, parent: int) -> int:
    while True:
        match signal.sigwait(_HANDLED):
            case signal.SIGCHLD:
                if (status := _reap(cli)) is not None:
                    return status
            case asked:
                if os.getppid() != parent:
                    return 0  # the harness is gone; nobody reads the status
                os.kill(cli, asked)


def _reap(cli: int) -> int | None:
    found = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        if pid == cli:
            found = status


def _kill_descendants() -> None:
    # What is killed leaves its children to us, so this ends when nothing is left.
    while killed := [pid for pid in _children() if _kill(pid)]:
        for pid in killed:
            os.waitpid(pid, 0)


def _kill(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        return False  # it has become another user's: nothing of ours any more
    return True


def _children() -> list[int]:
    me = os.getpid()
    children = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue  # it ended meanwhile
            # The second field, a program's name, may hold anything but the last bracket.
            if int(stat.rpartition(")")[2].split()[1]) == me:
                children.append(int(entry.name))
    return children


def _leave(status: int) -> NoReturn:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)
        os.kill(os.getpid(), number)
    sys.exit(os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 1)


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    main(sys.argv[1:])
