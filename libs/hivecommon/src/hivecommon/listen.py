"""Taking a TCP port: patient with a predecessor that is still going, exclusive afterwards."""

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable
from typing import Final

from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_exponential

from hivecommon.errors import HiveError
from hivecommon.structured import structlog

# 0.5 + 1 + 10 × 2 s: about 22 s in all, enough for a predecessor that is still shutting down.
RETRIES: Final = 12
_SD_LISTEN_FDS_START: Final = 3  # sd_listen_fds(3)

_log = structlog.get_logger()


async def listen(
    host: str,
    port: int,
    *,
    option: str,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> socket.socket:
    """Return a listening socket on `host`:`port`; `option` is what to change if that is taken.

    SO_REUSEADDR gets past TIME_WAIT; two listeners on one port stay impossible, since
    SO_REUSEPORT is never set. A taken port is tried 12 more times, for about 22 s.
    """

    def say(_attempt: object) -> None:
        _log.warning("port_taken", host=host, port=port, option=option)

    try:
        async for attempt in AsyncRetrying(
            retry=retry_if_exception(
                lambda error: isinstance(error, OSError) and error.errno == errno.EADDRINUSE
            ),
            wait=wait_exponential(multiplier=0.5, max=2),
            stop=stop_after_attempt(RETRIES + 1),
            before_sleep=say,
            sleep=sleep,
            reraise=True,
        ):
            with attempt:
                return _bind(host, port)
    except OSError as error:
        raise HiveError(
            f"cannot listen on {host}:{port}: {error.strerror or error}",
            code="port_taken" if error.errno == errno.EADDRINUSE else "cannot_listen",
            hint=f"stop the program that holds the port (`ss -ltnp sport = :{port}`), or change {option}",
        ) from error
    raise AssertionError("unreachable: the last attempt returns or raises")


def _bind(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
        listener.setblocking(False)  # noqa: FBT003 - the standard library's own signature
    except OSError:
        listener.close()
        raise
    return listener


def passed_socket(descriptor: str) -> socket.socket | None:
    """Return the listening socket that the supervisor holds for us, given HIVE_DASHBOARD_FD."""
    if not descriptor.isdecimal():
        return None
    passed = socket.socket(fileno=int(descriptor))
    passed.setblocking(False)  # noqa: FBT003 - the standard library's own signature
    return passed


def inherited_socket(pid: int, listen_pid: str, listen_fds: str) -> socket.socket | None:
    """Return the socket that systemd holds for process `pid`, given LISTEN_PID and LISTEN_FDS."""
    if listen_pid != str(pid) or listen_fds != "1":
        return None
    inherited = socket.socket(fileno=_SD_LISTEN_FDS_START)
    inherited.setblocking(False)  # noqa: FBT003 - the standard library's own signature
    return inherited
