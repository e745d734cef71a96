"""A bus of its own for each test, the service on it, and a store without any bus."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hive_approvals.__main__ import setup
from hive_approvals.database import Database
from hive_approvals.store import ApprovalStore
from hivecommon.application import Context, declare_streams
from hivecommon.broker import operators_directory
from hivecommon.bus import Bus
from hivecommon.callers import OperatorDirectory
from hivecommon.command import base_environment, start_detached
from hivecommon.environment import read_environment
from hivecommon.service import Service
from hivetesting.broker import Broker, running_broker
from hivetesting.fixtures import Connect
from hivetesting.lifecycle import JobBook, ScriptedLifecycle, scripted_lifecycle
from hivetesting.watch import ApprovalWatch

START = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[Broker]:
    """A bus with streams of its own: numbers of approvals begin at 1 in every test."""
    with running_broker(tmp_path / "hive") as running:
        yield running


@pytest.fixture
def environ(own_broker: Broker) -> dict[str, str]:
    """What the service's process would be started with."""
    home = own_broker.home.root
    return {
        **base_environment(),
        "HOME": str(home),
        "HIVE_HOME": str(home),
        "HIVE_RUN": str(home / "run"),
        "HIVE_NATS_URL": own_broker.address.url,
    }


@pytest.fixture
def serving(
    own_broker: Broker, environ: dict[str, str]
) -> Callable[[], AbstractAsyncContextManager[None]]:
    """Return how to run the service within the test, on the hive's database."""

    @asynccontextmanager
    async def run() -> AsyncIterator[None]:
        bus = await Bus.connect(own_broker.service_login("approvals"), patience_s=5)
        await declare_streams(bus)
        directory = OperatorDirectory(operators_directory(own_broker.home))
        try:
            async with asyncio.TaskGroup() as group:
                context = Context(read_environment(environ, uid=os.getuid()), environ, bus, group)
                service = Service(
                    bus, group, name="approvals", version="0.0.1", description="a test",
                    operators=directory,
                )  # fmt: skip
                async with setup(context) as endpoints:
                    await service.start(endpoints)
                    await bus.client.flush()
                    yield
                    await service.drain()
        finally:
            await bus.drain()

    return run


@pytest.fixture
async def service(
    serving: Callable[[], AbstractAsyncContextManager[None]],
) -> AsyncIterator[None]:
    """The service, running for the length of the test."""
    async with serving():
        yield


@pytest.fixture
def process(
    environ: dict[str, str], own_broker: Broker
) -> Callable[[], AbstractAsyncContextManager[asyncio.subprocess.Process]]:
    """Return how to run the real process until the block ends."""
    root = own_broker.home.root

    @asynccontextmanager
    async def run() -> AsyncIterator[asyncio.subprocess.Process]:
        child = await start_detached(
            [sys.executable, "-m", "hive_approvals"], env=environ, cwd=root, output=root / "out.log"
        )
        try:
            yield child
        finally:
            with suppress(ProcessLookupError):
                child.kill()
            await child.wait()

    return run


@pytest.fixture
async def lifecycle(own_broker: Broker) -> AsyncIterator[ScriptedLifecycle]:
    """A lifecycle whose jobs run until the test ends them."""
    async with scripted_lifecycle(own_broker, JobBook()) as scripted:
        yield scripted


@pytest.fixture
async def operator(own_broker: Broker, connect: Connect) -> Bus:
    return await connect(own_broker.operator_login())


@pytest.fixture
async def dashboard(own_broker: Broker, connect: Connect) -> Bus:
    """Speaks for whichever operator it names."""
    return await connect(own_broker.service_login("dashboard"))


@pytest.fixture
async def manager(own_broker: Broker, connect: Connect) -> Bus:
    return await connect(await own_broker.register("hm1nd"))


@pytest.fixture
async def watch(operator: Bus) -> ApprovalWatch:
    return await ApprovalWatch.begin(operator)


@pytest.fixture
async def open_store(tmp_path: Path) -> AsyncIterator[Callable[[], Awaitable[ApprovalStore]]]:
    """Return how to open one more store on the test's database file; the clock ticks by seconds."""
    async with AsyncExitStack() as stack:
        ticks = iter(range(1_000_000))

        async def open_one() -> ApprovalStore:
            database = await Database.open(tmp_path / "approvals.sqlite")
            stack.push_async_callback(database.close)
            return ApprovalStore(database, lambda: START + timedelta(seconds=next(ticks)))

        yield open_one
