"""The dashboard as a process of its own, and a small hive for it to talk to."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hivetesting.broker import Broker, running_broker
from hivetesting.dashboard import Dashboard, running_dashboard
from hivetesting.standins import AgentMaker, Hive, open_hive


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[Broker]:
    """A bus of this test's own: the roster and the approvals are the hive's, not one agent's."""
    with running_broker(tmp_path / "home") as broker:
        yield broker


@pytest.fixture
async def hive(own_broker: Broker) -> AsyncIterator[Hive]:
    async with open_hive(own_broker) as opened:
        yield opened


@pytest.fixture
async def agents(hive: Hive) -> AsyncIterator[AgentMaker]:
    async with AgentMaker(hive) as maker:
        yield maker


@pytest.fixture
async def dashboard(hive: Hive) -> AsyncIterator[Dashboard]:
    async with running_dashboard(hive.broker) as running:
        yield running
