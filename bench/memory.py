"""Memory of the bus and the services when nothing happens."""

import asyncio
from typing import Final

import psutil

from bench.frame.figures import Figure, Result, total
from bench.frame.resident import pss_mb, rss_mb
from bench.frame.swarm import swarm

AIM_MB: Final = 250
_STEADY_LOOKS: Final = 8
_LOOK_S: Final = 0.25
_PATIENCE_S: Final = 15


async def measure() -> Result:
    """Look at every process once its memory has come to rest."""
    with swarm() as hive:
        async with hive.operator() as operator:
            processes = await hive.start_all(operator)
            pids = {"nats-server": _server()} | {
                name: process.pid for name, process in processes.items()
            }
            await _rest(list(pids.values()))
            rss = {name: rss_mb(pid) for name, pid in pids.items()}
            pss = {name: pss_mb(pid) for name, pid in pids.items()}
    lines: list[Figure] = []
    for name in pids:
        lines.append(total(f"{name}, RSS", [rss[name]], "MB"))
        if pss[name] is not None:
            lines.append(total(f"{name}, PSS", [pss[name] or 0], "MB"))
    known = [value for value in pss.values() if value is not None]
    lines.append(total("together, RSS", rss.values(), "MB", at_most=AIM_MB))
    if len(known) == len(pids):
        lines.append(total("together, PSS", known, "MB"))
    return Result(
        name="memory",
        title="memory of nats-server and three services, idle",
        figures=lines,
        notes=["RSS counts a page that processes share in each of them; PSS divides it among them"],
    )


async def _rest(pids: list[int]) -> None:
    """Return when the memory of all has not changed for two seconds, or after 15 s."""
    unchanged, before = 0, 0.0
    for _ in range(int(_PATIENCE_S / _LOOK_S)):
        now = sum(rss_mb(pid) for pid in pids)
        unchanged = unchanged + 1 if now == before else 0
        before = now
        if unchanged == _STEADY_LOOKS:
            return
        await asyncio.sleep(_LOOK_S)


def _server() -> int:
    return next(
        int(child.pid) for child in psutil.Process().children() if child.name() == "nats-server"
    )
