"""Fixtures that several packages' tests share; the root conftest loads them."""

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack

import pytest
from hivecommon.bus import Bus, Login

from hivetesting.broker import Broker, running_broker

Connect = Callable[[Login], Awaitable[Bus]]


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One real bus for the whole run: use subjects and agents of your own."""
    with running_broker(tmp_path_factory.mktemp("hive")) as running:
        yield running


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Connect to a bus for the length of a test."""
    async with AsyncExitStack() as stack:

        async def open_connection(login: Login) -> Bus:
            bus = await Bus.connect(login, patience_s=5)
            stack.push_async_callback(bus.client.close)
            return bus

        yield open_connection


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose `needs(tool)` is not installed; in CI that is a failure."""
    for mark in item.iter_markers("needs"):
        missing = [tool for tool in mark.args if shutil.which(tool) is None]
        if missing and os.environ.get("CI") == "true":
            pytest.fail(f"not installed, and CI must not skip: {', '.join(missing)}")
        if missing:
            pytest.skip(f"not installed: {', '.join(missing)}")
