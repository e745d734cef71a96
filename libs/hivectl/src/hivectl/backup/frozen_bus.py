"""Holding the bus still for a moment, so that all its streams can be copied as of one instant."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from hivecommon.broker import server_conf, server_pid_file
from hivecommon.errors import HiveError, Unavailable
from hivecommon.home import HiveHome

from hivectl.supervisor.process_id import ProcessId

STOP_S: Final = 5.0
_LOOK_S: Final = 0.002


def find_server(home: HiveHome) -> ProcessId | None:
    """Return this hive's running nats-server, None when there is none."""
    try:
        pid = int(server_pid_file(home).read_text())
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    # A number that was left behind may be anybody's by now.
    if os.fsencode(server_conf(home)) not in arguments:
        return None
    return ProcessId.of(pid)


@contextmanager
def frozen(server: ProcessId) -> Iterator[None]:
    """Hold the server still until the block ends, and also when we are killed inside of it.

    What it has acknowledged is in its files then, just as after a kill -9. Connections stay: clients
    wait. Raises `refused` when the server is another user's, `unavailable` when it did not stay still.
    """
    with _going_on_at_our_end(server):
        server.signal(signal.SIGSTOP)
        deadline = time.monotonic() + STOP_S
        while not _stands_still(server):
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"the bus (pid {server.pid}) does not hold still", hint="try again"
                )
            time.sleep(_LOOK_S)
        yield
        if not _stands_still(server):
            raise Unavailable("the bus went on while it was being copied", hint="try again")


def _stands_still(server: ProcessId) -> bool:
    """Return whether every thread of it is stopped (field 3 of /proc/PID/task/TID/stat, proc(5))."""
    if not server.alive:
        return False
    try:
        states = [
            file.read_text().rpartition(")")[2].split()[0]
            for file in Path(f"/proc/{server.pid}/task").glob("*/stat")
        ]
    except OSError:
        return False
    return bool(states) and set(states) <= {"T", "t"}


@contextmanager
def _going_on_at_our_end(server: ProcessId) -> Iterator[None]:
    """Let the server go on at the end of the block, by a child that also sees us being killed."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(writing)
            os.setsid()  # what ends us at the keyboard must not end it
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            os.read(reading, 1)  # returns when the last copy of the other end is closed
            server.signal(signal.SIGCONT)
        except (OSError, HiveError):
            pass  # then it could not be stopped either
        finally:
            os._exit(0)
    os.close(reading)
    try:
        yield
    finally:
        os.close(writing)
        os.waitpid(child, 0)
