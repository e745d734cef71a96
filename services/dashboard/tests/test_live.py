"""The dashboard's live socket, as a page speaks it: tables, transcripts, messages, logs."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from hivecommon.contracts.events import StatusChanged, Text, TurnStarted
from hivecommon.contracts.inbox import InboxMessage
from hivecommon.contracts.roster import HarnessStatus
from hivetesting.dashboard import Dashboard
from hivetesting.standins import AgentMaker, Hive, present, roster_row
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Tab:
    """A page's end of the socket."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self.condition: dict[str, Any] = {}

    async def say(self, **frame: Any) -> None:
        await self._socket.send(json.dumps(frame))

    async def open(self, topic: str, **params: Any) -> None:
        await self.say(type="open", id=1, topic=topic, params=params)

    async def items(self, number: int) -> list[Any]:
        """Return the next items, at least `number`; an error is one."""
        found: list[Any] = []
        while len(found) < number:
            frame = json.loads(await self._socket.recv())
            self.condition = frame["condition"]
            await self.say(type="ack", n=frame["n"])
            found += [entry.get("item") or entry["error"] for entry in frame["entries"]]
        return found


@asynccontextmanager
async def tab_of(dashboard: Dashboard, token: str | None = None) -> AsyncIterator[Tab]:
    """Open a socket with a good token, or with `token`."""
    if token is None:
        ticket = (await dashboard.link()).partition("#ticket=")[2]
        async with httpx.AsyncClient() as client:
            answer = await client.post(
                f"{dashboard.url}/api/login", json={"ticket": ticket}, timeout=15
            )
        token = answer.json()["token"]
    async with connect(f"ws://127.0.0.1:{dashboard.port}/live") as socket:
        tab = Tab(socket)
        await tab.say(type="hello", token=token)
        yield tab


async def test_without_a_token_the_socket_tells_nothing(dashboard: Dashboard) -> None:
    async with tab_of(dashboard, "nonsense") as tab:
        await tab.open("roster")
        with pytest.raises(ConnectionClosed) as closed:
            await tab.items(1)

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4401


async def test_the_roster_comes_whole_then_row_by_row(dashboard: Dashboard, hive: Hive) -> None:
    await hive.show(roster_row("alice"))
    async with tab_of(dashboard) as tab:
        await tab.open("roster")
        known: dict[str, Any] = {}
        while "alice" not in known:
            for item in await tab.items(1):
                known |= item.get("all", {}) | item.get("set", {})
        await hive.show(roster_row("bob", sandboxed=False))
        (added,) = await tab.items(1)
        await hive.hide("bob")
        (removed,) = await tab.items(1)

    assert known["alice"]["port"] == 8879
    assert added["set"]["bob"]["sandboxed"] is False
    assert removed["gone"] == ["bob"]
    assert tab.condition["bus"] is True


async def test_a_transcript_is_history_then_live_and_resumes(
    dashboard: Dashboard, agents: AgentMaker
) -> None:
    carol = await agents("carol")
    await carol.says(TurnStarted(message_id="m1", sender="operator", body="hello"), turn=1)
    await carol.says(StatusChanged(HarnessStatus(status_text="never shown here")))
    await carol.says(Text("one"), turn=1)
    async with tab_of(dashboard) as tab:
        await tab.open("transcript", agent="carol")
        first = await tab.items(3)
        await carol.says(Text("two"), turn=1)
        (live,) = await tab.items(1)
    async with tab_of(dashboard) as tab:
        await tab.open("transcript", agent="carol", after=first[1]["cursor"])
        again = await tab.items(2)

    assert [item["event"]["body"]["kind"] for item in first[:2]] == ["turn_started", "text"]
    assert first[2] == {"caught_up": True}
    assert (live["event"]["seq"], live["event"]["body"]["text"]) == (4, "two")
    assert again[0] == live


async def test_what_is_no_event_is_left_out(dashboard: Dashboard, agents: AgentMaker) -> None:
    dave = await agents("dave")
    for number, payload in enumerate((b"{", b'{"seq":"x"}', b'{"body":{"kind":"evil"}}', b"\xff")):
        await dave.bus.publish_acked("events.dave.text", payload, message_id=f"bad{number}")
    await dave.says(Text("good"), turn=1)
    async with tab_of(dashboard) as tab:
        await tab.open("transcript", agent="dave")
        items = await tab.items(2)

    assert [item["event"]["body"]["text"] for item in items[:-1]] == ["good"]


@pytest.mark.parametrize("agent", ["*", ">", "alice.>", "../x", "hive", ""])
async def test_a_transcript_of_no_agent_is_refused(dashboard: Dashboard, agent: str) -> None:
    async with tab_of(dashboard) as tab:
        await tab.open("transcript", agent=agent)
        (error,) = await tab.items(1)

    assert error["code"] in {"bad_name", "reserved_name"}


async def test_messages_to_the_operator_name_the_sender_that_the_bus_names(
    dashboard: Dashboard, agents: AgentMaker
) -> None:
    erin = await agents("erin")
    message = InboxMessage(id="letter-1", body="hello", sent_at=present(), by="the boss")
    await erin.bus.send_message(to="operator", sender="erin", message=message)
    async with tab_of(dashboard) as tab:
        await tab.open("messages")
        (item,) = await tab.items(1)

    assert (item["sender"], item["message"]["body"]) == ("erin", "hello")


async def test_a_bad_log_filter_is_refused(dashboard: Dashboard) -> None:
    for params in (
        {"sources": ["a.b"]},
        {"sources": ["*"]},
        {"level": "loud"},
        {"text": "x" * 201},
    ):
        async with tab_of(dashboard) as tab:
            await tab.open("logs", **params)
            (error,) = await tab.items(1)
        assert error["code"] == "bad_request"


async def test_the_services_that_answer_are_told(dashboard: Dashboard) -> None:
    async with tab_of(dashboard) as tab:
        await tab.open("services")
        health: dict[str, Any] = {}
        while health.keys() < {"lifecycle", "approvals"}:
            for item in await tab.items(1):
                health |= item.get("all", {}) | item.get("set", {})

    assert [health[name]["ok"] for name in ("lifecycle", "approvals")] == [True, True]
