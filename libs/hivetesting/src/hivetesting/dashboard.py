"""The dashboard as a process of its own."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hivecommon.bus import Bus
from hivecommon.command import start_detached
from hivecommon.contracts.dashboard import DashboardTicket

from hivetesting.broker import Broker, free_port

PATIENCE_S = 15.0


class Dashboard:
    """The dashboard's process, on a port that it keeps across restarts."""

    def __init__(self, broker: Broker, operator: Bus) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.output = broker.home.root / "dashboard.out"
        self._broker = broker
        self._operator = operator
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it, and return once it answers on the bus and listens."""
        self.process = await start_detached(
            [sys.executable, "-m", "hive_dashboard"],
            env={
                "PATH": "/usr/bin:/bin", "HOME": "/nonexistent",
                "HIVE_HOME": str(self._broker.home.root), "HIVE_RUN": "/nonexistent",
                "HIVE_NATS_URL": self._broker.address.url,
                "HIVE_DASHBOARD_PORT": str(self.port),
            },
            cwd=self._broker.home.root,
            output=self.output,
        )  # fmt: skip
        await self.link()

    async def link(self) -> str:
        """Ask for a login link, as `hive open` does."""
        return (await self._operator.request(DashboardTicket(), timeout_s=PATIENCE_S)).url

    async def stop(self, *, kill: bool = False) -> int:
        """End the process; return its exit status."""
        if self.process is None:
            return 0
        if self.process.returncode is None:
            (self.process.kill if kill else self.process.terminate)()
        return await self.process.wait()


@asynccontextmanager
async def running_dashboard(broker: Broker) -> AsyncIterator[Dashboard]:
    """Run the dashboard until the block ends."""
    operator = await Bus.connect(broker.operator_login(), patience_s=5)
    dashboard = Dashboard(broker, operator)
    try:
        await dashboard.start()
        yield dashboard
    finally:
        await dashboard.stop(kill=True)
        await operator.drain()
