"""`hive ls` and `hive status` against scripted services."""

from datetime import UTC, datetime

import pytest
from hivecommon.contracts.approvals import ApprovalsReply, ListApprovals
from hivecommon.contracts.dashboard import DashboardTicket
from hivecommon.contracts.harness import Ticket
from hivecommon.contracts.lifecycle import AgentReply, GetStatus, ListAgents, RosterReply
from hivecommon.contracts.roster import Activity, ContainerState, HarnessStatus, RosterRow
from hivecommon.errors import HiveError
from hivecommon.service import Call
from hivetesting.commands import Endpoints, HiveCommand, Serve

AT = datetime(2026, 11, 22, tzinfo=UTC)
HOSTILE = "\x1b[2J\x1b[1;1Hbob  running\nerror: \u202egone"


def row(name: str, **fields: object) -> RosterRow:
    given = {
        "manager": False, "port": 8879, "runtime": "local", "sandboxed": True, "wanted": "running",
        "state": ContainerState.RUNNING, "since": AT, **fields,
    }  # fmt: skip
    return RosterRow(name=name, **given)  # type: ignore[arg-type] # the fields of a row


ALICE = row(
    "alice",
    sandboxed=False,
    restarts=2,
    harness=HarnessStatus(
        activity=Activity.WORKING, current_tool="Bash", status_text=HOSTILE, unread=3,
        trouble="rate_limited", rate_limited=True, context_used=0.42, cost_today_usd=1.5,
    ),
)  # fmt: skip


async def list_agents(call: Call, request: ListAgents) -> RosterReply:
    return RosterReply(agents=[ALICE, row("bob", state=ContainerState.STOPPED)], kept=["carl"])


async def get_status(call: Call, request: GetStatus) -> AgentReply:
    if request.agent != "alice":
        raise HiveError("there is no agent 'x'", code="unknown_agent", hint="`hive ls`")
    return AgentReply(agent=ALICE)


LIFECYCLE: Endpoints = {ListAgents: list_agents, GetStatus: get_status}


async def test_ls_shows_who_there_is(hive: HiveCommand, serve: Serve) -> None:
    async with serve("lifecycle", LIFECYCLE):
        said = await hive("ls")
    assert said.code == 0
    head, alice, bob = said.out.splitlines()
    assert head.split() == ["AGENT", "STATE", "DOING", "SINCE", "UNREAD", "PORT", "FLAGS", "SAYS"]
    assert alice.startswith("alice  running  working (Bash)")
    assert "unsandboxed,rate-limited,2-restarts" in alice
    assert bob.startswith("bob    stopped  -")
    assert "carl" in said.err


async def test_what_an_agent_says_of_itself_cannot_steer_the_terminal(
    hive: HiveCommand, serve: Serve
) -> None:
    async with serve("lifecycle", LIFECYCLE):
        for arguments in (
            ("ls",),
            ("ls", "--json"),
            ("status", "alice"),
            ("status", "alice", "--json"),
        ):
            said = await hive(*arguments)
            assert "\x1b" not in said.out
            assert "\u202e" not in said.out
            assert r"\u001b" in said.out if "--json" in arguments else r"\x1b[2J" in said.out


async def test_ls_json_is_what_the_bus_answers(hive: HiveCommand, serve: Serve) -> None:
    async with serve("lifecycle", LIFECYCLE):
        said = await hive("ls", "--json")
    assert said.json["ok"] is True
    assert [agent["name"] for agent in said.json["agents"]] == ["alice", "bob"]
    assert said.json["agents"][0]["harness"]["status_text"] == HOSTILE
    assert said.json["kept"] == ["carl"]


async def test_status_of_an_agent(hive: HiveCommand, serve: Serve) -> None:
    async with serve("lifecycle", LIFECYCLE):
        said = await hive("status", "alice")
        whole = await hive("status", "alice", "--json")
    shown = dict(line.split(":", 1) for line in said.out.splitlines())
    assert shown["context"].strip() == "42%"
    assert shown["cost today"].strip() == "$1.50"
    assert whole.json["agent"]["restarts"] == 2


async def test_an_unknown_agent_is_a_failure(hive: HiveCommand, serve: Serve) -> None:
    async with serve("lifecycle", LIFECYCLE):
        said = await hive("status", "nobody", "--json")
    assert said.code == 1
    assert said.json["error"]["code"] == "unknown_agent"
    assert said.err == "error: there is no agent 'x'\nhint: `hive ls`\n"


@pytest.mark.parametrize("name", ["../x", "a.b", "*", "alice\nbob", "toolongname", "hive", ""])
async def test_a_bad_name_never_reaches_the_bus(hive: HiveCommand, name: str) -> None:
    said = await hive("status", name, HIVE_NATS_URL="nats://127.0.0.1:1")
    assert said.code == 2
    assert said.err.startswith("error: ")


async def test_status_of_the_hive_names_the_services_that_are_missing(
    hive: HiveCommand, serve: Serve
) -> None:
    async def pending(call: Call, request: ListApprovals) -> ApprovalsReply:
        return ApprovalsReply(approvals=[], pending=4)

    async def ticket(call: Call, request: DashboardTicket) -> Ticket:
        return Ticket(url="http://x", expires_at=AT)

    async with serve("lifecycle", LIFECYCLE), serve("approvals", {ListApprovals: pending}):
        without = await hive("status", "--json")
        async with serve("dashboard", {DashboardTicket: ticket}):
            whole = await hive("status")
    assert without.code == 1
    assert without.json["missing"] == ["dashboard"]
    assert without.json["agents"] == {"running": 1, "stopped": 1}
    assert whole.code == 0
    assert "approvals: 4 pending" in whole.out
    assert "service:   dashboard 0.1.0" in whole.out
