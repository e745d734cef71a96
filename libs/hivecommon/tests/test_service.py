"""Endpoints: who asks, what is refused, what never leaks."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import pytest
from hivecommon.broker import operators_directory
from hivecommon.bus import Bus
from hivecommon.callers import OperatorDirectory
from hivecommon.contracts.base import DEADLINE_HEADER, AgentRequest, Reply, Request
from hivecommon.errors import HiveError, Unavailable
from hivecommon.service import Call, Handler, Service
from hivecommon.structured import structlog
from hivetesting.broker import OPERATOR, Broker
from hivetesting.fixtures import Connect


class Who(Reply, frozen=True, kw_only=True):
    caller: str
    agent: str = ""


class Poke(AgentRequest[Who], frozen=True, kw_only=True):
    """Poke an agent."""

    subject: ClassVar[str] = "hive.poke"


class AskAsAgent(Request[Who], frozen=True, kw_only=True):
    """Ask as an agent."""

    subject: ClassVar[str] = "req.{caller}.poke"


class Break(Request[Who], frozen=True, kw_only=True):
    """Break."""

    subject: ClassVar[str] = "hive.break"


class Slow(Request[Who], frozen=True, kw_only=True):
    """Take time."""

    subject: ClassVar[str] = "hive.slow"


async def poke(call: Call, request: Poke) -> Who:
    return Who(caller=str(call.caller), agent=request.agent)


async def ask(call: Call, request: AskAsAgent) -> Who:
    return Who(caller=str(call.caller))


async def broken(call: Call, request: Break) -> Who:
    raise ZeroDivisionError("the secret is 42")


@asynccontextmanager
async def serving(
    broker: Broker, bus: Bus, endpoints: dict[type[Request[Any]], Handler[Any]]
) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        service = Service(
            bus, group, name="lifecycle", version="0.0.1", description="a test",
            operators=OperatorDirectory(operators_directory(broker.home)),
        )  # fmt: skip
        await service.start(endpoints)
        await bus.client.flush()
        yield


@pytest.fixture
async def operator(broker: Broker, connect: Connect) -> AsyncIterator[Bus]:
    bus = await connect(broker.service_login("lifecycle"))
    async with serving(broker, bus, {Poke: poke, AskAsAgent: ask, Break: broken}):
        yield await connect(broker.operator_login())


async def test_the_operators_name_comes_from_the_bus(operator: Bus) -> None:
    answer = await operator.request(Poke(agent="alice"), operator="mallory")
    assert answer == Who(caller=f"operator:{OPERATOR}", agent="alice")


async def test_a_forged_request_info_is_overwritten_by_the_server(operator: Bus) -> None:
    forged = {"Nats-Request-Info": json.dumps({"acc": "OPERATORS", "user": "UXXX"})}
    answer = await operator.client.request("hive.poke", b"alice", timeout=2, headers=forged)
    assert json.loads(answer.data) == {
        "ok": True, "caller": f"operator:{OPERATOR}", "agent": "alice",
    }  # fmt: skip


async def test_the_dashboard_speaks_for_the_operator_it_names(
    broker: Broker, connect: Connect, operator: Bus
) -> None:
    dashboard = await connect(broker.service_login("dashboard"))
    answer = await dashboard.request(Poke(agent="bob"), operator="anna")
    assert answer.caller == "operator:anna"


async def test_an_agent_is_known_by_its_subject(
    broker: Broker, connect: Connect, operator: Bus
) -> None:
    alice = await connect(await broker.register("alice"))
    assert (await alice.request(AskAsAgent(), caller="alice")).caller == "agent:alice"


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"../x", "bad_name"),
        (b"alice\nbob", "bad_name"),
        (b"manager", "reserved_name"),
        (b"", "bad_request"),
        (b"{", "bad_request"),
        (b'{"agent": "alice", "purge": true}', "bad_request"),
        (b"\xff\xfe", "bad_request"),
    ],
)
async def test_bad_input_is_answered_in_the_body_and_in_the_headers(
    operator: Bus, payload: bytes, code: str
) -> None:
    answer = await operator.client.request("hive.poke", payload, timeout=2)
    body = json.loads(answer.data)
    assert (body["ok"], body["error"]["code"]) == (False, code)
    assert body["error"]["hint"]
    assert answer.headers is not None
    assert answer.headers["Nats-Service-Error-Code"] == code


async def test_an_exception_never_leaks_into_the_answer(operator: Bus) -> None:
    answer = await operator.client.request("hive.break", b"", timeout=2)
    assert json.loads(answer.data)["error"]["code"] == "internal"
    assert b"42" not in answer.data
    assert "42" not in str(answer.headers)


async def test_a_request_whose_deadline_has_passed_is_not_carried_out(operator: Bus) -> None:
    late = {DEADLINE_HEADER: str(time.time() - 3)}
    answer = await operator.client.request("hive.poke", b"alice", timeout=2, headers=late)
    assert json.loads(answer.data)["error"]["code"] == "expired"


async def test_requests_of_one_endpoint_do_not_wait_for_one_another(
    broker: Broker, connect: Connect
) -> None:
    everybody_is_here = asyncio.Barrier(4)

    async def slow(call: Call, request: Slow) -> Who:
        await everybody_is_here.wait()
        return Who(caller="x")

    bus = await connect(broker.service_login("lifecycle"))
    asker = await connect(broker.operator_login())
    async with serving(broker, bus, {Slow: slow}):
        answers = await asyncio.gather(*(asker.request(Slow()) for _ in range(4)))
    assert len(answers) == 4


async def test_the_statistics_count_the_time_and_errors_of_handlers(operator: Bus) -> None:
    await operator.client.request("hive.break", b"", timeout=2)
    stats = json.loads((await operator.client.request("$SRV.STATS.lifecycle", b"", timeout=2)).data)
    endpoint = next(e for e in stats["endpoints"] if e["subject"] == "hive.break")
    assert endpoint["num_errors"] == 1
    assert endpoint["average_processing_time"] > 0
    assert endpoint["average_processing_time"] <= endpoint["processing_time"]


async def test_a_plain_function_answers_is_counted_and_leaves_nothing_of_its_call_behind(
    broker: Broker, connect: Connect
) -> None:
    seen: list[dict[str, Any]] = []

    def at_once(call: Call, request: Poke) -> Who:
        seen.append(structlog.contextvars.get_contextvars())
        if request.agent == "bob":
            raise ZeroDivisionError("the secret is 42")
        return Who(caller=str(call.caller), agent=request.agent)

    bus = await connect(broker.service_login("lifecycle"))
    asker = await connect(broker.operator_login())
    async with serving(broker, bus, {Poke: at_once}):
        assert (await asker.request(Poke(agent="alice"), request_id="one")).agent == "alice"
        with pytest.raises(HiveError, match="inside the service"):
            await asker.request(Poke(agent="bob"), request_id="two")
        answer = await asker.client.request("$SRV.STATS.lifecycle", b"", timeout=2)
    (endpoint,) = (e for e in json.loads(answer.data)["endpoints"] if e["subject"] == Poke.subject)
    assert (endpoint["num_requests"], endpoint["num_errors"]) == (2, 1)
    assert endpoint["processing_time"] > 0
    assert [context["request_id"] for context in seen] == ["one", "two"]


async def test_nobody_there_is_an_error_that_names_the_subject(
    broker: Broker, connect: Connect
) -> None:
    bus = await connect(broker.operator_login())
    with pytest.raises(Unavailable, match=r"hive\.slow"):
        await bus.request(Slow(), timeout_s=0.3)


async def test_a_refusal_is_raised_with_its_code(operator: Bus) -> None:
    with pytest.raises(HiveError) as caught:
        await operator.request(Break())
    assert caught.value.code == "internal"
