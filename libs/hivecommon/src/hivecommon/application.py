"""The life of a service process: connect, declare, answer, and leave in good order."""

import asyncio
import contextvars
import os
from collections.abc import Callable, Coroutine, Generator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import nats.errors
import nats.js.errors
from tenacity import AsyncRetrying, before_sleep_log, retry_if_exception_type, wait_exponential
from typing_extensions import override

from hivecommon.broker import inbox_prefix, operators_directory, service_key
from hivecommon.bus import Bus, Login
from hivecommon.callers import OperatorDirectory
from hivecommon.contracts.base import Request
from hivecommon.contracts.events import ServiceChanged
from hivecommon.contracts.streams import STREAMS
from hivecommon.daemon import end_tasks, notify_ready, run_daemon
from hivecommon.environment import HiveEnvironment, read_environment
from hivecommon.errors import HiveError
from hivecommon.keys import read_seed
from hivecommon.log import configure
from hivecommon.service import Handler, Service
from hivecommon.structured import structlog

T = TypeVar("T")

_log = structlog.get_logger()


@dataclass(frozen=True)
class Identity:
    """What a service says of itself on the bus."""

    name: str
    version: str
    description: str


@dataclass(frozen=True)
class Context:
    """What a service is given to work with."""

    environment: HiveEnvironment
    environ: Mapping[str, str]
    """The raw variables, for the service's own `config` module."""
    bus: Bus
    group: asyncio.TaskGroup
    """Background work goes here; it is cancelled once the last request is answered."""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the service is asked to end: a request that waits for something answers at once."""


Endpoints = Mapping[type[Request[Any]], Handler[Any]]
Setup = Callable[[Context], AbstractAsyncContextManager[Endpoints]]
"""Makes a service's parts and yields its endpoints; leaves them in good order afterwards."""


def run_service(identity: Identity, setup: Setup, environ: Mapping[str, str]) -> int:
    """Run a service until SIGTERM; return the exit status."""
    bus_log = configure(identity.name)

    async def main(stop: asyncio.Event) -> None:
        environment = read_environment(environ, uid=os.getuid())
        bus = await Bus.connect(service_login(environment, identity.name))
        try:
            async with ServiceTasks() as tasks:
                context = Context(environment, environ, bus, tasks, stop)
                context.group.create_task(bus_log.publish_to(bus))
                await _serve(identity, setup, context, stop)
                await tasks.end()
        finally:
            await bus_log.flush(bus)
            await bus.drain()

    return run_daemon(main)


def service_login(environment: HiveEnvironment, name: str) -> Login:
    """Return how the service `name` connects."""
    return Login(
        url=environment.bus.url,
        name=name,
        inbox_prefix=inbox_prefix(name),
        seed=read_seed(service_key(environment.home, name)),
    )


class ServiceTasks(asyncio.TaskGroup):
    """A task group that can be ended although its tasks would run for ever."""

    def __init__(self) -> None:
        super().__init__()
        self._running: set[asyncio.Task[Any]] = set()

    @override
    def create_task(
        self,
        coro: Generator[Any, None, T] | Coroutine[Any, Any, T],
        *,
        name: str | None = None,
        context: contextvars.Context | None = None,
    ) -> asyncio.Task[T]:
        task = super().create_task(coro, name=name, context=context)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def end(self) -> None:
        """Cancel all tasks and wait for them."""
        await end_tasks(self._running)


async def _serve(identity: Identity, setup: Setup, context: Context, stop: asyncio.Event) -> None:
    await declare_streams(context.bus)
    service = Service(
        context.bus,
        context.group,
        name=identity.name,
        version=identity.version,
        description=identity.description,
        operators=OperatorDirectory(operators_directory(context.environment.home)),
    )
    async with setup(context) as endpoints:
        await service.start(endpoints)
        await context.bus.client.flush()
        notify_ready(context.environ.get("NOTIFY_SOCKET"))
        _log.info("service_started", version=identity.version)
        await context.bus.publish_event(
            identity.name, ServiceChanged(what="started", version=identity.version)
        )
        await _first(stop, context.bus.closed)
        if context.bus.closed.is_set():
            raise HiveError("the bus closed the connection for good", code="bus_closed")
        _log.info("service_stopping")
        await service.drain()


async def declare_streams(bus: Bus) -> None:
    """Declare every stream, as often as it takes: after a power loss one can be gone whole."""
    async for attempt in AsyncRetrying(
        retry=retry_if_exception_type((nats.errors.Error, nats.js.errors.Error)),
        wait=wait_exponential(multiplier=0.1, max=2),
        before_sleep=before_sleep_log(_log, 30),
    ):
        with attempt:
            for stream in STREAMS:
                await bus.declare(stream)


async def _first(*events: asyncio.Event) -> None:
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
