"""The dashboard as a process of its own, and a small hive for it to talk to."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from hivetesting.broker import Broker, running_broker
from hivetesting.dashboard import Dashboard, running_dashboard
from hivetesting.standins import AgentMaker, Hive, open_hive

# Starting a hive takes longer than most tests: the tests of a module share one, in one event loop.


@pytest.fixture(scope="module")
def own_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A bus of this module's own: the roster and the approvals are the hive's, not one agent's."""
    with running_broker(tmp_path_factory.mktemp("home")) as broker:
        yield broker


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hive(own_broker: Broker) -> AsyncIterator[Hive]:
    async with open_hive(own_broker) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def agents(hive: Hive) -> AsyncIterator[AgentMaker]:
    async with AgentMaker(hive) as maker:
        yield maker


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def dashboard(hive: Hive) -> AsyncIterator[Dashboard]:
    async with running_dashboard(hive.broker) as running:
        yield running
