"""How much of a service its callers can take."""

import asyncio
from typing import ClassVar

from hivecommon.broker import operators_directory
from hivecommon.callers import OperatorDirectory
from hivecommon.contracts.base import Request
from hivecommon.contracts.lifecycle import Done
from hivecommon.errors import HiveError
from hivecommon.service import MAX_IN_FLIGHT, Call, Service
from hivetesting.broker import Broker
from hivetesting.fixtures import Connect


class Dawdle(Request[Done], frozen=True, kw_only=True):
    """Take as long as the test wants."""

    subject: ClassVar[str] = "hive.dawdle"


async def test_what_is_too_much_at_once_is_told_busy_and_the_rest_is_answered(
    broker: Broker, connect: Connect
) -> None:
    release, full = asyncio.Event(), asyncio.Event()
    at_work = 0

    async def dawdle(call: Call, request: Dawdle) -> Done:
        nonlocal at_work
        at_work += 1
        if at_work == MAX_IN_FLIGHT:
            full.set()
        await release.wait()
        return Done()

    bus = await connect(broker.service_login("lifecycle"))
    operator = await connect(broker.operator_login())
    async with asyncio.TaskGroup() as group:
        service = Service(
            bus, group, name="lifecycle", version="0.0.1", description="a test",
            operators=OperatorDirectory(operators_directory(broker.home)),
        )  # fmt: skip
        await service.start({Dawdle: dawdle})
        await bus.client.flush()
        waiting = [
            group.create_task(operator.request(Dawdle(), timeout_s=30))
            for _ in range(MAX_IN_FLIGHT)
        ]
        async with asyncio.timeout(20):
            await full.wait()
        try:
            await operator.request(Dawdle())
        except HiveError as refused:
            code = refused.code
        else:
            code = "answered"
        release.set()
    assert code == "busy"
    assert [task.result() for task in waiting] == [Done()] * MAX_IN_FLIGHT
