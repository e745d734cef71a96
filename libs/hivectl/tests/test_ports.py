"""Ports that are taken: waited for, then named."""

import asyncio
import socket
from pathlib import Path

import pytest
from hivecommon.environment import HiveEnvironment, read_environment
from hivecommon.errors import HiveError
from hivectl.supervisor.ports import Ports
from hivetesting.broker import free_port


def environment(bus: int, monitor: int, dashboard: int) -> HiveEnvironment:
    ports = {
        "HIVE_NATS_URL": f"nats://127.0.0.1:{bus}",
        "HIVE_NATS_MONITOR_PORT": str(monitor),
        "HIVE_DASHBOARD_PORT": str(dashboard),
    }
    return read_environment({**ports, "HOME": str(Path("/nowhere"))}, uid=1)


@pytest.mark.parametrize(
    ("place", "option"),
    [(0, "HIVE_NATS_URL"), (1, "HIVE_NATS_MONITOR_PORT"), (2, "HIVE_DASHBOARD_PORT")],
)
async def test_a_port_taken_for_good_is_named_with_its_option(place: int, option: str) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    ports = [free_port(), free_port(), free_port()]
    with (
        socket.create_server(("127.0.0.1", ports[place])),
        pytest.raises(HiveError, match=f"127.0.0.1:{ports[place]}") as caught,
    ):
        await Ports(environment(*ports), sleep).wait_until_free()
    assert caught.value.code == "port_in_use"
    assert option in caught.value.hint
    assert 20 < sum(waits) < 25


async def test_a_port_that_comes_free_is_no_error() -> None:
    ports = [free_port(), free_port(), free_port()]
    taken = socket.create_server(("127.0.0.1", ports[0]))

    async def sleep(seconds: float) -> None:
        taken.close()

    await Ports(environment(*ports), sleep).wait_until_free()


async def test_what_is_switched_off_needs_no_port() -> None:
    await asyncio.wait_for(Ports(environment(free_port(), 0, 0)).wait_until_free(), timeout=2)
