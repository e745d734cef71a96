"""Lets tests run side by side: each worker of pytest-xdist gets a loopback network of its own.

An agent's port follows from its name alone, so two tests that both start an `alice` on one network
would fight for 8879. In a network namespace of its own a worker meets nobody.
"""

import ctypes
import errno
import fcntl
import os
import shutil
import socket
import struct
import subprocess

import pytest

_CLONE_NEWNET = 0x40000000  # sched.h
_SIOCGIFFLAGS, _SIOCSIFFLAGS = 0x8913, 0x8914  # netdevice(7)
_IFF_UP = 0x1
_IFREQ = "16sh14x"


def pytest_xdist_auto_num_workers() -> int:
    """Return how many workers `-n auto` means: one per core, none where they could not be kept apart."""
    return os.cpu_count() or 1 if _can_unshare() else 0


def pytest_configure(config: pytest.Config) -> None:
    """Move a worker into its own network, before any test or server of it listens."""
    if hasattr(config, "workerinput"):
        leave_network()


def leave_network() -> None:
    """Give this thread, and whatever it starts from now on, a network with a loopback alone.

    Raises OSError where the kernel or a container's rules forbid it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, f"unshare(CLONE_NEWNET): {errno.errorcode[number]}")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        asked = struct.pack(_IFREQ, b"lo", 0)
        _, flags = struct.unpack(_IFREQ, fcntl.ioctl(door, _SIOCGIFFLAGS, asked))
        fcntl.ioctl(door, _SIOCSIFFLAGS, struct.pack(_IFREQ, b"lo", flags | _IFF_UP))


def _can_unshare() -> bool:
    unshare = shutil.which("unshare")
    if unshare is None:
        return False
    tried = subprocess.run([unshare, "--net", "true"], capture_output=True, check=False)
    return tried.returncode == 0
