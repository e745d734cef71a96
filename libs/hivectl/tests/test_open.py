"""`hive open`, `hive operator`, `hive interrupt`, `hive completion`."""

from datetime import UTC, datetime

import msgspec
from hivecommon.contracts.dashboard import DashboardTicket
from hivecommon.contracts.harness import Ticket
from hivecommon.contracts.lifecycle import AgentReply, Done, GetStatus
from hivecommon.contracts.operators import AddOperator, ListOperators, OperatorsReply
from hivecommon.errors import HiveError
from hivecommon.names import AgentName, agent_port
from hivecommon.service import Call
from hivetesting.broker import Broker
from hivetesting.commands import HiveCommand, Serve
from hivetesting.fixtures import Connect
from nats.aio.msg import Msg

URL = "http://127.0.0.1:7000/#ticket=only-once"
TICKET = Ticket(url=URL, expires_at=datetime(2026, 11, 22, tzinfo=UTC))


async def ticket(call: Call, request: DashboardTicket) -> Ticket:
    return TICKET


async def test_open_prints_the_dashboards_link(hive: HiveCommand, serve: Serve) -> None:
    async with serve("dashboard", {DashboardTicket: ticket}):
        said = await hive("open")
        whole = await hive("open", "--json")
    assert said.out == f"{URL}\n"
    assert whole.json["url"] == URL


async def test_an_agents_own_answers_reach_the_operator(
    hive: HiveCommand, broker: Broker, connect: Connect
) -> None:
    agent = await connect(await broker.register("host"))
    port = agent_port(AgentName("host"))

    async def answer(msg: Msg) -> None:
        verb = msg.subject.rpartition(".")[2]
        await msg.respond(msgspec.json.encode({"ui_ticket": TICKET, "interrupt": Done()}[verb]))

    await agent.subscribe("agent.host.*", answer)
    await agent.client.flush()
    # Of what the agent answers only the ticket is used; the rest follows from its name.
    assert (await hive("open", "host")).out == f"http://127.0.0.1:{port}/#ticket=only-once\n"
    assert (await hive("interrupt", "host")).out == "host's turn is interrupted\n"


async def test_an_agent_that_is_away_is_named(hive: HiveCommand) -> None:
    for verb in ("open", "interrupt"):
        said = await hive(verb, "nobody")
        assert said.code == 1
        assert "nobody" in said.err
        assert "hive status nobody" in said.err


async def test_an_agent_that_nobody_knows_is_said_to_be_unknown(
    hive: HiveCommand, serve: Serve
) -> None:
    async def unknown(call: Call, request: GetStatus) -> AgentReply:
        raise HiveError(
            f"there is no agent {request.agent!r}", code="unknown_agent", hint="hive ls"
        )

    async with serve("lifecycle", {GetStatus: unknown}):
        for verb in ("open", "interrupt"):
            assert "there is no agent 'nobody'" in (await hive(verb, "nobody")).err


async def test_operators_are_listed_and_added(hive: HiveCommand, serve: Serve) -> None:
    async def listed(call: Call, request: ListOperators) -> OperatorsReply:
        return OperatorsReply(operators=["anna", "tester"])

    async def added(call: Call, request: AddOperator) -> OperatorsReply:
        return OperatorsReply(operators=["anna", request.name, "tester"])

    async with serve("lifecycle", {ListOperators: listed, AddOperator: added}):
        said = await hive("operator", "list")
        more = await hive("operator", "add", "bert", "--json")
    assert said.out == "anna\ntester (you)\n"
    assert more.json == {"ok": True, "operators": ["anna", "bert", "tester"]}


def test_completion_completes_commands_and_agents(hive: HiveCommand, broker: Broker) -> None:
    (broker.home.agents / "zoe").mkdir(parents=True, exist_ok=True)
    assert "_HIVE_COMPLETE=bash_complete" in hive.run("completion", "bash").out
    asked = {"_HIVE_COMPLETE": "bash_complete", "COMP_CWORD": "2"}
    assert "plain,zoe" in hive.process(COMP_WORDS="hive status z", **asked).out
    assert "plain,spawn" in hive.process(
        COMP_WORDS="hive spa", _HIVE_COMPLETE="bash_complete", COMP_CWORD="1"
    ).out  # fmt: skip
