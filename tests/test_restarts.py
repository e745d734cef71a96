"""Two agents exchange 500 messages while everything around them is restarted and killed."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hivetesting.exchange import AGENT, AGENTS, Exchange
from hivetesting.hive import SERVICES, RunningHive, running_hive
from hivetesting.messages_api.server import ScriptedMessagesApi

EXCHANGE = Exchange(chains=4, per_chain=125)

pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def hive(tmp_path: Path) -> Iterator[RunningHive]:
    with (
        ScriptedMessagesApi(EXCHANGE.script, agent_pattern=AGENT) as api,
        running_hive(tmp_path, api.base_url) as running,
    ):
        for name in AGENTS:
            said = running.hive("spawn", name)
            assert said.code == 0, said.err
            running.until_running(name)
        yield running


async def test_500_messages_survive_the_restart_of_everything(hive: RunningHive) -> None:
    operator = await hive.connect()
    before = agents_connections(hive)
    assert set(before) == set(AGENTS)
    for chain in range(EXCHANGE.chains):
        said = await asyncio.to_thread(hive.hive, "send", "alice", f"ping {chain} 1")
        assert said.code == 0, said.err

    # Each is restarted once the exchange has gone on, so that all of it happens under way.
    milestone = 0
    for service in SERVICES:
        for force in (False, True):
            milestone += EXCHANGE.messages // 10
            await EXCHANGE.until(operator, milestone)
            await restart(hive, service, force=force)
    assert agents_connections(hive) == before, "a harness lost its connection"

    assert dashboards_port_is_held(hive)
    assert len(await EXCHANGE.sent(operator)) < EXCHANGE.messages, "it ended before the bus did"
    await restart(hive, "nats-server", force=True)
    await EXCHANGE.until(operator, EXCHANGE.messages)
    assert await EXCHANGE.faults(operator) == []
    await operator.client.close()


def dashboards_port_is_held(hive: RunningHive) -> bool:
    """Kill the dashboard and try to take its port before it is back."""
    hive.kill("hive_dashboard")
    with socket.socket() as thief:
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            thief.bind(("127.0.0.1", hive.dashboard_port))
            thief.listen()
        except OSError:
            return True
    return False


def agents_connections(hive: RunningHive) -> dict[str, int]:
    return {name: cid for name, cid in hive.connections().items() if name in AGENTS}


async def restart(hive: RunningHive, service: str, *, force: bool) -> None:
    old = await asyncio.to_thread(hive.kill, service, force=force)
    async with asyncio.timeout(60):
        while True:
            now = {process.pid for process in await asyncio.to_thread(hive.processes, service)}
            if now - {old}:
                ready = await asyncio.to_thread(hive.ready)
                if ready:
                    return
            await asyncio.sleep(0.05)
