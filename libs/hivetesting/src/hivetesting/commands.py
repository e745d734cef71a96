"""The `hive` command inside a test's process, and services whose answers a test scripts."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hivecommon.broker import operators_directory
from hivecommon.bus import Bus
from hivecommon.callers import OperatorDirectory
from hivecommon.contracts.base import Request
from hivecommon.service import Handler, Service
from hivectl.dispatch import dispatch
from hivectl.shell import Shell
from hivectl.terminal import Terminal

from hivetesting.broker import OPERATOR, Broker

Endpoints = Mapping[type[Request[Any]], Handler[Any]]


@dataclass(frozen=True)
class Said:
    """What one command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The output as one JSON value."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """The output as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


def environ_of(broker: Broker) -> dict[str, str]:
    """Return what an operator's shell has set for the hive of `broker`."""
    return {
        "HOME": str(broker.home.root),
        "HIVE_HOME": str(broker.home.root),
        "HIVE_RUN": str(broker.home.root / "run"),
        "HIVE_NATS_URL": broker.address.url,
        "HIVE_NATS_MONITOR_PORT": str(broker.monitor_port),
        "HIVE_OPERATOR": OPERATOR,
    }


@dataclass(frozen=True)
class HiveCommand:
    """Runs commands; each runs in a thread, with an event loop of its own as in a process."""

    environ: Mapping[str, str]

    async def __call__(self, *arguments: str, **environ: str) -> Said:
        """Run one command."""
        return await asyncio.to_thread(self.run, *arguments, **environ)

    def run(self, *arguments: str, **environ: str) -> Said:
        """Run one command and wait for it, outside of any event loop."""
        out, err = io.StringIO(), io.StringIO()
        shell = Shell(
            {**self.environ, **environ}, now=lambda: datetime.now(UTC), terminal=Terminal(out, err)
        )  # fmt: skip
        return Said(dispatch(arguments, shell), out.getvalue(), err.getvalue())


@asynccontextmanager
async def serving(broker: Broker, bus: Bus, name: str, endpoints: Endpoints) -> AsyncIterator[None]:
    """Answer requests as the service `name` until the block ends."""
    async with asyncio.TaskGroup() as group:
        service = Service(
            bus, group, name=name, version="0.1.0", description="scripted",
            operators=OperatorDirectory(operators_directory(broker.home)),
        )  # fmt: skip
        await service.start(endpoints)
        await bus.client.flush()
        yield
        await service.drain()


Serve = Callable[[str, Endpoints], AbstractAsyncContextManager[None]]
"""Makes a scripted service: its name, and what it answers."""
