"""Checks of the hive: its files and keys, its ports, the bus and the services."""

import asyncio
import os
import socket
import stat
import time
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from hivecommon.bus import Bus
from hivecommon.environment import HiveEnvironment
from hivecommon.home import HiveHome

from hivectl.doctor.check import Check, fail, ok, warn
from hivectl.forge import look_at_forge
from hivectl.overview import REQUIRED, ping_services
from hivectl.supervisor.record import RecordFile

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_SLOW_S: Final = 0.25
_SHOWN: Final = 5


def home_directory(home: HiveHome) -> Check:
    """Check that the hive's directory is there, ours, and closed to others."""
    root = home.root
    if not root.is_dir():
        return warn("home", f"{root} is not there yet", "`hive up` makes it")
    found = root.stat()
    if found.st_uid != os.getuid():
        return fail(
            "home", f"{root} belongs to user {found.st_uid}, you are {os.getuid()}",
            "run `hive` as the user that runs the hive, or set HIVE_HOME",
        )  # fmt: skip
    if found.st_mode & _OTHERS:
        return fail("home", f"{root} is open to others", f"chmod 700 {root}")
    return ok("home", str(root))


def key_modes(home: HiveHome) -> Check:
    """Check that every key is readable by its owner alone."""
    files = sorted(home.keys.rglob("*.nk"))
    if not files:
        return warn("keys", f"none in {home.keys}", "`hive up` makes them")
    open_ones = [file for file in files if _open_to_others(file)]
    if open_ones:
        shown = " ".join(str(file) for file in open_ones[:_SHOWN])
        more = f" and {len(open_ones) - _SHOWN} more" if len(open_ones) > _SHOWN else ""
        return fail(
            "keys", f"open to others: {shown}{more}",
            f"find {home.keys} -name '*.nk' -exec chmod 600 {{}} +; then remove and add again the"
            " operators whose keys may have been read",
        )  # fmt: skip
    return ok("keys", f"{len(files)}, readable by you alone")


def _open_to_others(file: Path) -> bool:
    found = file.lstat()
    return bool(found.st_mode & _OTHERS) or found.st_uid != os.getuid()


def ports(environment: HiveEnvironment) -> list[Check]:
    """Check that the ports are held by this hive, or free for it."""
    record = RecordFile(environment.home).read()
    ours = record is not None and record.supervisor.alive
    wanted = (
        ("bus port", environment.bus.host, environment.bus.port, "HIVE_NATS_URL"),
        ("monitor port", "127.0.0.1", environment.monitor_port, "HIVE_NATS_MONITOR_PORT"),
        ("dashboard port", environment.dashboard_host, environment.dashboard_port,
         "HIVE_DASHBOARD_PORT"),
    )  # fmt: skip
    return [_port(*one, ours=ours) for one in wanted if one[2]]


def _port(name: str, host: str, port: int, option: str, *, ours: bool) -> Check:
    listening = _somebody_listens(host, port)
    if ours and not listening:
        return fail(name, f"nobody listens on {host}:{port}", "see `hive logs --level warning`")
    if ours or not listening:
        return ok(name, f"{host}:{port} {'in use by the hive' if ours else 'is free'}")
    return warn(
        name, f"{host}:{port} is in use, and no `hive up` of this hive runs",
        f"if that is no hive under systemd: stop it (`ss -ltnp sport = :{port}`) or change {option}",
    )  # fmt: skip


def _somebody_listens(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


async def bus_answers(bus: Bus) -> Check:
    """Check that the bus answers, and quickly."""
    began = time.perf_counter()
    await bus.client.flush()
    took_s = time.perf_counter() - began
    found = f"answers in {took_s * 1000:.1f} ms"
    if took_s > _SLOW_S:
        return warn("bus", found, "the host is overloaded, or the disk is")
    return ok("bus", found)


async def services(bus: Bus) -> list[Check]:
    """Check that every service answers, once, in the version that is installed."""
    answered = await ping_services(bus)
    return [
        _service(name, [one.version for one in answered if one.name == name]) for name in REQUIRED
    ]


def _service(name: str, running: list[str]) -> Check:
    if not running:
        return fail(name, "does not answer", f"see `hive logs {name} --since 1h --level warning`")
    if len(running) > 1:
        return fail(name, f"answers {len(running)} times", "stop the other ones: one is enough")
    try:
        installed = version(f"hive-{name}")
    except PackageNotFoundError:
        return ok(name, running[0])
    if installed != running[0]:
        return warn(name, f"{running[0]} runs, {installed} is installed", "`hive down`, `hive up`")
    return ok(name, running[0])


async def forge(bus: Bus, environment: HiveEnvironment) -> Check:
    """Check the forge; a hive without one is well, and runs on while its own is away."""
    found = await look_at_forge(bus, environment)
    if found.well:
        return ok("forge", found.words())
    return warn("forge", found.words(), found.cure())


async def monitor(port: int) -> Check:
    """Check that the server shows its connections (`/connz`)."""
    if not port:
        return ok("monitor", "switched off")
    try:
        seen = await _http_status(port)
    except (OSError, TimeoutError) as error:
        return warn(
            "monitor", f"http://127.0.0.1:{port} does not answer: {str(error) or 'timeout'}",
            "HIVE_NATS_MONITOR_PORT says where; 0 switches it off",
        )  # fmt: skip
    if b" 200 " not in seen:
        return warn(
            "monitor", f"port {port} answers {seen.decode(errors='replace').strip()!r}",
            "something else listens there: change HIVE_NATS_MONITOR_PORT",
        )  # fmt: skip
    return ok("monitor", f"http://127.0.0.1:{port}/connz")


async def _http_status(port: int) -> bytes:
    async with asyncio.timeout(2):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n")
            return await reader.readline()
        finally:
            writer.close()
            await writer.wait_closed()


def worst(checks: Iterable[Check]) -> list[str]:
    """Return the names of the checks that failed."""
    return [check.name for check in checks if check.verdict == "fail"]
