"""The `hive` command against a real bus with scripted services."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hivecommon.contracts.streams import STREAMS
from hivetesting.broker import Broker
from hivetesting.commands import Endpoints, HiveCommand, Serve, environ_of, serving
from hivetesting.fixtures import Connect


@pytest.fixture
def hive(broker: Broker) -> HiveCommand:
    return HiveCommand(environ_of(broker))


@pytest.fixture
async def streams(broker: Broker, connect: Connect) -> None:
    lifecycle = await connect(broker.service_login("lifecycle"))
    for stream in STREAMS:
        await lifecycle.declare(stream)


@pytest.fixture
def serve(broker: Broker, connect: Connect) -> Serve:
    @asynccontextmanager
    async def begin(name: str, endpoints: Endpoints) -> AsyncIterator[None]:
        bus = await connect(broker.service_login(name))
        async with serving(broker, bus, name, endpoints):
            yield

    return begin
