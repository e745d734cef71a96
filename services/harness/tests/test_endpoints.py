"""Whom a harness obeys."""

import asyncio

import nats
from hive_harness.endpoints import Endpoints
from hivecommon.contracts.harness import Interrupt
from hivecommon.contracts.lifecycle import Done
from hivecommon.names import AgentName
from hivetesting.broker import Broker
from hivetesting.fixtures import Connect
from nats.aio.msg import Msg


async def test_another_agent_cannot_steer_an_answer_into_a_verb(
    broker: Broker, connect: Connect
) -> None:
    victim = await connect(await broker.register("victim"))
    login = await broker.register("mallory")
    lifecycle = await connect(broker.service_login("lifecycle"))
    obeyed: list[Interrupt] = []
    steered = asyncio.Event()

    async def interrupt(request: Interrupt) -> Done:
        obeyed.append(request)
        return Done()

    async def answer(msg: Msg) -> None:
        await msg.respond(b"{}")  # a payload that the verb would take

    async def note(_msg: Msg) -> None:
        steered.set()

    await lifecycle.subscribe("req.mallory.roster", answer)
    await lifecycle.client.flush()
    async with asyncio.TaskGroup() as group:
        await Endpoints(victim, group, AgentName("victim")).start({Interrupt: interrupt})
        await victim.subscribe("agent.victim.interrupt", note)
        await victim.client.flush()
        mallory = await nats.connect(login.url, nkeys_seed_str=login.seed)
        async with asyncio.timeout(10):
            # Right after a reload the server may lose a message on its way into another account.
            while not steered.is_set():
                await mallory.publish("req.mallory.roster", b"{}", reply="agent.victim.interrupt")
                await mallory.flush()
                await victim.client.flush()
        await mallory.close()
        assert obeyed == []
        operator = await connect(broker.operator_login())
        assert await operator.request(Interrupt(), agent="victim") == Done()
    assert obeyed == [Interrupt()]
