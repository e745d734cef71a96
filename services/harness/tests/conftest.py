"""A bus, a scripted model and harnesses for the tests of this package."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hivecommon.bus import Bus
from hivetesting.broker import Broker
from hivetesting.fixtures import Connect
from hivetesting.harness import AGENT_PATTERN, AgentWatch, HarnessProcess
from hivetesting.messages_api.server import ScriptedMessagesApi


@dataclass
class Hive:
    """A bus with agents at work."""

    broker: Broker
    operator: Bus
    lifecycle: Bus
    api: ScriptedMessagesApi
    directory: Path
    agents: list[HarnessProcess] = field(default_factory=list)

    async def register(
        self, name: str, *, environment: dict[str, str] | None = None, **settings: Any
    ) -> HarnessProcess:
        """Make an agent whose harness does not run yet."""
        await self.broker.register(name, settings.get("recipients"))
        agent = HarnessProcess(
            self.broker, self.directory / name, name, self.api.base_url, settings, environment or {}
        )
        self.agents.append(agent)
        return agent

    async def spawn(self, name: str, **settings: Any) -> tuple[HarnessProcess, AgentWatch]:
        """Make an agent and start its harness; return it and its events."""
        agent = await self.register(name, **settings)
        watch = await AgentWatch.begin(self.operator, name)
        return agent.start(), watch


@pytest.fixture
def api() -> Iterator[ScriptedMessagesApi]:
    with ScriptedMessagesApi(agent_pattern=AGENT_PATTERN) as running:
        yield running
        assert not running.invalid


@pytest.fixture
async def hive(
    broker: Broker, connect: Connect, api: ScriptedMessagesApi, tmp_path: Path
) -> AsyncIterator[Hive]:
    hive = Hive(
        broker,
        await connect(broker.operator_login()),
        await connect(broker.service_login("lifecycle")),
        api,
        tmp_path,
    )
    try:
        yield hive
    finally:
        for agent in hive.agents:
            agent.kill()
