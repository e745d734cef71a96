"""The hive at a glance: its services as they answer on the bus, its agents in numbers."""

import asyncio
from collections import Counter
from collections.abc import Collection
from typing import Final

import msgspec
from hivecommon.bus import Bus
from hivecommon.contracts.approvals import ApprovalState, ListApprovals
from hivecommon.contracts.lifecycle import ListAgents
from hivecommon.errors import HiveError, Unavailable
from nats.aio.msg import Msg

from hivectl.forge import SERVICE as FORGE
from hivectl.forge import look_at_forge
from hivectl.shell import Shell

REQUIRED: Final = ("lifecycle", "approvals", "dashboard")
"""Services that every hive has."""
PATIENCE_S: Final = 1.0
"""How long services that were not heard yet are waited for."""


class ServiceInfo(msgspec.Struct, frozen=True):
    """A service's answer to `$SRV.PING` (NATS ADR-32)."""

    name: str
    id: str
    version: str


async def ping_services(
    bus: Bus, *, wanted: Collection[str] = REQUIRED, patience_s: float = PATIENCE_S
) -> list[ServiceInfo]:
    """Return the services that answer, by name; ends early once all `wanted` ones have."""
    found: dict[str, ServiceInfo] = {}
    complete = asyncio.Event()

    async def heard(msg: Msg) -> None:
        if not msg.data:
            complete.set()  # the server's own word: nobody listens
            return
        info = msgspec.json.decode(msg.data, type=ServiceInfo)
        found[info.id] = info
        if set(wanted) <= {service.name for service in found.values()}:
            complete.set()

    inbox = bus.client.new_inbox()
    answers = await bus.subscribe(inbox, heard)
    try:
        await bus.client.publish("$SRV.PING", b"", reply=inbox)
        async with asyncio.timeout(patience_s):
            await complete.wait()
    except TimeoutError:
        pass  # who has not answered by now is shown as missing
    finally:
        await answers.unsubscribe()
    return sorted(found.values(), key=lambda service: (service.name, service.id))


async def show_overview(shell: Shell, bus: Bus) -> None:
    """Print which services answer and what the agents do; raise `unavailable` if one is missing."""
    forge = await look_at_forge(bus, shell.environment)
    wanted = (*REQUIRED, FORGE) if forge.status else REQUIRED
    services = await ping_services(bus, wanted=wanted)
    missing = [name for name in REQUIRED if name not in {service.name for service in services}]
    states, kept = await _agents(bus)
    pending = await _pending(bus)
    home = shell.environment.home.root
    if shell.terminal.as_json:
        shell.terminal.json(
            {
                "ok": not missing,
                "home": str(home),
                "bus": shell.environment.bus.url,
                "operator": shell.operator,
                "services": services,
                "missing": missing,
                "agents": states,
                "kept": kept,
                "pending_approvals": pending,
                "forge": forge.status,
            }
        )
    else:
        shell.terminal.line(f"hive:      {home} (operator {shell.operator})")
        shell.terminal.line(f"bus:       {shell.environment.bus.url}")
        for service in services:
            shell.terminal.line(f"service:   {service.name} {service.version}")
        if states is not None:
            counted = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
            shell.terminal.line(f"agents:    {counted or 'none'}")
        if pending is not None:
            shell.terminal.line(f"approvals: {pending} pending")
        if forge.expected or forge.status:
            shell.terminal.line(f"forge:     {forge.words()}")
    if missing:
        raise Unavailable(
            f"not answering: {', '.join(missing)}",
            hint="`hive up` restarts a service by itself; `hive doctor` looks closer",
        )


async def _agents(bus: Bus) -> tuple[dict[str, int] | None, int | None]:
    try:
        reply = await bus.request(ListAgents(), timeout_s=2)
    except HiveError:
        return None, None
    return dict(Counter(str(agent.state) for agent in reply.agents)), len(reply.kept)


async def _pending(bus: Bus) -> int | None:
    try:
        reply = await bus.request(ListApprovals(state=ApprovalState.PENDING, limit=1), timeout_s=2)
    except HiveError:
        return None
    return reply.pending
