"""Running a long-lived process: signals, readiness, and errors that end in one readable line."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Collection
from typing import Any

import uvloop

from hivecommon.errors import HiveError
from hivecommon.structured import structlog

Main = Callable[[asyncio.Event], Awaitable[None]]
"""Runs until the event is set (SIGTERM, SIGINT), then ends in good order."""

_log = structlog.get_logger()


def run_daemon(main: Main) -> int:
    """Run `main` until it ends or a signal asks it to; return the exit status.

    A `HiveError` becomes a log line and status 1; anything else is logged with its traceback.
    """
    try:
        uvloop.run(_with_signals(main))
    except HiveError as error:
        return _report(error)
    except ExceptionGroup as group:
        known, rest = group.split(HiveError)
        if known is not None and rest is None:
            return _report(_first(known))
        _log.exception("crashed")
        return 1
    except Exception:  # noqa: BLE001 - the process's last line, with its traceback
        _log.exception("crashed")
        return 1
    return 0


def _first(group: ExceptionGroup[HiveError]) -> HiveError:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, ExceptionGroup) else inner


def _report(error: HiveError) -> int:
    _log.error("cannot_go_on", code=error.code, reason=error.message, hint=error.hint)
    print(f"error: {error.message}", file=sys.stderr)  # noqa: T201 - the last word, also for a terminal
    if error.hint:
        print(f"hint: {error.hint}", file=sys.stderr)  # noqa: T201 - as above
    return 1


async def _with_signals(main: Main) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    await main(stop)


async def end_tasks(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel `tasks` until they have ended.

    Once may not do: before Python 3.12 `asyncio.wait_for`, inside nats-py's request, swallows a
    cancellation that meets the answer (github.com/python/cpython/issues/86296).
    """
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=0.1)


def notify_ready(notify_socket: str | None) -> None:
    """Tell systemd that the service answers now (sd_notify(3)); without systemd do nothing."""
    if not notify_socket:
        return
    address = "\0" + notify_socket[1:] if notify_socket.startswith("@") else notify_socket
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.sendto(f"READY=1\nMAINPID={os.getpid()}".encode(), address)
