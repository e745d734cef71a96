"""A bus, a scripted model and harnesses for the tests of this package."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hivetesting.agents import Agents
from hivetesting.broker import Broker
from hivetesting.fixtures import Connect
from hivetesting.harness import AGENT_PATTERN
from hivetesting.messages_api.server import ScriptedMessagesApi


@pytest.fixture
def api() -> Iterator[ScriptedMessagesApi]:
    with ScriptedMessagesApi(agent_pattern=AGENT_PATTERN) as running:
        yield running
        assert not running.invalid


@pytest.fixture
async def agents(
    broker: Broker, connect: Connect, api: ScriptedMessagesApi, tmp_path: Path
) -> AsyncIterator[Agents]:
    operator = await connect(broker.operator_login())
    lifecycle = await connect(broker.service_login("lifecycle"))
    agents = Agents(broker, operator, lifecycle, api, tmp_path)
    try:
        yield agents
    finally:
        agents.kill_all()
