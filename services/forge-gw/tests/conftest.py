"""A gateway between a bus of its own and a forge: a real one if the environment names it."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from hivecommon.bus import Bus
from hivetesting.broker import Broker, running_broker
from hivetesting.fixtures import Connect
from hivetesting.forge.gateway import GatewayProcess, set_roster
from hivetesting.forge.site import Site, open_site, scripted_site


@pytest.fixture
def hive(tmp_path: Path) -> Iterator[Broker]:
    with running_broker(tmp_path / "hive") as broker:
        yield broker


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with open_site(tmp_path_factory.mktemp("forge")) as site:
        yield site


@pytest.fixture
def script(tmp_path: Path) -> Iterator[Site]:
    with scripted_site(tmp_path / "forge") as site:
        yield site


@pytest.fixture
def gateway(hive: Broker, site: Site, tmp_path: Path) -> Iterator[GatewayProcess]:
    """Between the bus and whichever forge there is."""
    gateway = GatewayProcess(hive, site, tmp_path, f"hive-{secrets.token_hex(4)}")
    yield gateway
    gateway.kill()


@pytest.fixture
def scripted(hive: Broker, script: Site, tmp_path: Path) -> Iterator[GatewayProcess]:
    """Between the bus and a forge that obeys."""
    gateway = GatewayProcess(hive, script, tmp_path, "hive")
    yield gateway
    gateway.kill()


@pytest.fixture
async def operator(hive: Broker, connect: Connect) -> Bus:
    return await connect(hive.operator_login())


@pytest.fixture
async def lifecycle(hive: Broker, connect: Connect) -> Bus:
    bus = await connect(hive.service_login("lifecycle"))
    await set_roster(bus)
    return bus


@pytest.fixture
def names() -> tuple[str, str]:
    """Two agents that no other test has on the same forge."""
    mark = secrets.token_hex(3)
    return f"a{mark}", f"b{mark}"
