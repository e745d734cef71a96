"""The hive's ports, looked at before they are needed: a taken one is named with what to change."""

import asyncio
import socket
from collections.abc import Awaitable, Callable

from hivecommon.environment import HiveEnvironment
from hivecommon.errors import HiveError
from hivecommon.listen import listen

Sleep = Callable[[float], Awaitable[None]]


class Ports:
    """The ports of the bus, of its monitor and of the dashboard; 0 means that none is needed."""

    def __init__(self, environment: HiveEnvironment, sleep: Sleep = asyncio.sleep) -> None:
        self._sleep = sleep
        bus = environment.bus
        self._bus = [
            (bus.host, bus.port, "HIVE_NATS_URL"),
            ("127.0.0.1", environment.monitor_port, "HIVE_NATS_MONITOR_PORT"),
        ]
        self._dashboard = [
            (environment.dashboard_host, environment.dashboard_port, "HIVE_DASHBOARD_PORT")
        ]

    async def wait_until_free(self) -> None:
        """Return once nobody listens on any of them; raise `port_in_use` after about 22 s."""
        await self._all_free(self._bus + self._dashboard)

    async def hold_dashboard(self) -> socket.socket:
        """Listen on the dashboard's port for as long as the hive runs.

        While the dashboard restarts no other program can take it, and with it operators' tokens;
        browsers wait meanwhile.
        """
        (host, port, option) = self._dashboard[0]
        return await listen(host, port, option=option, sleep=self._sleep)

    async def wait_until_bus_is_free(self) -> None:
        """Return once nobody listens on the bus's two ports; raise as `wait_until_free`."""
        await self._all_free(self._bus)

    async def _all_free(self, ports: list[tuple[str, int, str]]) -> None:
        async with asyncio.TaskGroup() as group:
            tried = [group.create_task(self._free(*port)) for port in ports if port[1]]
        for failure in [task.result() for task in tried]:
            if failure is not None:
                raise HiveError(failure.message, code="port_in_use", hint=failure.hint)

    async def _free(self, host: str, port: int, option: str) -> HiveError | None:
        """Take the port and let go of it; return why it cannot be had."""
        try:
            (await listen(host, port, option=option, sleep=self._sleep)).close()
        except HiveError as error:
            return error
        return None
