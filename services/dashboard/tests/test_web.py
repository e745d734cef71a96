"""The dashboard by HTTP, as a program would try it: who gets in, what an act becomes on the bus."""

import json
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from hivecommon.contracts.approvals import Approve, Deny
from hivecommon.contracts.inbox import InboxMessage
from hivecommon.contracts.lifecycle import Destroy, Spawn
from hivecommon.contracts.streams import INBOX
from hivetesting.broker import OPERATOR
from hivetesting.dashboard import Dashboard
from hivetesting.standins import AgentMaker, Hive, spawn_approval

pytestmark = pytest.mark.asyncio(loop_scope="module")

ACTS = (
    "/api/hive/spawn", "/api/hive/stop", "/api/hive/approve", "/api/hive/deny",
    "/api/hive/destroy", "/api/hive/nothing", "/api/agents/alice/message",
    "/api/agents/alice/interrupt", "/api/agents/alice/ticket",
    "/api/agents/alice/forge",
)  # fmt: skip


async def log_in(client: httpx.AsyncClient, dashboard: Dashboard) -> httpx.Response:
    ticket = (await dashboard.link()).partition("#ticket=")[2]
    answer = await client.post("/api/login", json={"ticket": ticket})
    client.headers["Authorization"] = f"Bearer {answer.json()['token']}"
    return answer


@pytest.fixture(autouse=True)
def nothing_asked_yet(hive: Hive) -> Iterator[None]:
    hive.asked.clear()
    yield
    hive.approvals.clear()


@pytest_asyncio.fixture(loop_scope="module")
async def client(dashboard: Dashboard) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who is not logged in."""
    async with httpx.AsyncClient(base_url=dashboard.url, timeout=15) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="module")
async def operator(client: httpx.AsyncClient, dashboard: Dashboard) -> httpx.AsyncClient:
    """Somebody who is."""
    await log_in(client, dashboard)
    return client


async def test_a_link_logs_the_asking_operator_in_once(
    client: httpx.AsyncClient, dashboard: Dashboard
) -> None:
    link = await dashboard.link()
    assert link.startswith(f"{dashboard.url}/#ticket=")
    ticket = link.partition("#ticket=")[2]
    first = await client.post("/api/login", json={"ticket": ticket})
    again = await client.post("/api/login", json={"ticket": ticket})

    assert (first.status_code, first.json()["name"]) == (200, OPERATOR)
    assert again.status_code == 401
    assert not client.cookies


async def test_no_act_is_carried_out_without_a_token(client: httpx.AsyncClient, hive: Hive) -> None:
    for path in ACTS:
        for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic YTpi"}):
            answer = await client.post(path, json={"agent": "alice"}, headers=headers)
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "not_logged_in")

    assert hive.asked == []


async def test_the_page_is_public_and_tells_nothing(client: httpx.AsyncClient) -> None:
    page = await client.get("/")

    assert page.status_code == 200
    assert "set-cookie" not in page.headers
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert "<script>" not in page.text
    for path in ("/docs", "/openapi.json", "/redoc", "/api/hive/spawn", "/metrics"):
        answer = await client.get(path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found") or (
            answer.status_code == 405
        )


async def test_another_host_and_another_origin_are_refused(operator: httpx.AsyncClient) -> None:
    rebound = await operator.get("/", headers={"Host": "evil.example:7000"})
    foreign = await operator.post(
        "/api/hive/stop", json={"agent": "alice"}, headers={"Origin": "http://127.0.0.1:8123"}
    )

    assert (rebound.status_code, foreign.status_code) == (421, 403)


async def test_an_act_is_a_request_in_the_operators_name(
    operator: httpx.AsyncClient, hive: Hive
) -> None:
    act = str(uuid4())
    order = {"agent": "alice", "settings": {"persona": "You write.", "model": "claude-opus-4-5"}}
    answer = await operator.post("/api/hive/spawn", json=order, headers={"Hive-Request-Id": act})

    assert answer.json()["ok"]
    ((who, request, request_id),) = hive.asked
    assert (who, request_id) == (OPERATOR, act)
    assert isinstance(request, Spawn)
    assert (request.agent, request.settings.persona) == ("alice", "You write.")


@pytest.mark.parametrize(
    ("verb", "body", "code"),
    [
        ("stop", {"agent": "../x"}, "bad_name"),
        ("stop", {"agent": "hive"}, "reserved_name"),
        ("stop", {"agent": "a" * 10}, "bad_name"),
        ("stop", {}, "bad_request"),
        ("stop", {"agent": "alice", "operator": "root"}, "bad_request"),
        ("spawn", {"agent": "alice", "settings": {"model": "a b"}}, "bad_request"),
        ("approve", {"id": 1}, "bad_request"),
        ("approve", {"id": "1; drop", "digest": "x"}, "bad_request"),
        ("deny", {"id": 1, "reason": "x" * 3000}, "bad_request"),
        ("destroy", {"agent": "alice", "confirm": "alicf"}, "not_confirmed"),
        ("destroy", {"agent": "alice"}, "bad_request"),
        ("format-disk", {}, "not_found"),
    ],
)
async def test_bad_input_is_refused_with_a_reason(
    operator: httpx.AsyncClient, hive: Hive, verb: str, body: dict[str, object], code: str
) -> None:
    answer = await operator.post(f"/api/hive/{verb}", json=body)

    assert answer.json()["error"]["code"] == code
    assert answer.json()["error"]["message"]
    assert hive.asked == []


async def test_a_services_refusal_reaches_the_page_with_its_hint(
    operator: httpx.AsyncClient, agents: AgentMaker
) -> None:
    await agents("alice")
    answer = await operator.post("/api/hive/spawn", json={"agent": "alice"})

    assert answer.status_code == 422
    assert answer.json()["error"] == {
        "code": "exists", "message": "there is an agent 'alice'", "hint": "choose another name",
    }  # fmt: skip


async def test_destroying_takes_the_name(operator: httpx.AsyncClient, hive: Hive) -> None:
    order = {"agent": "alice", "confirm": "alice", "purge": True}
    answer = await operator.post("/api/hive/destroy", json=order)

    assert answer.json()["ok"]
    assert [(who, request) for who, request, _ in hive.asked] == [
        (OPERATOR, Destroy(agent="alice", purge=True))
    ]


async def test_approving_is_bound_to_what_was_shown(
    operator: httpx.AsyncClient, hive: Hive
) -> None:
    approval = spawn_approval(3, "grace")
    await hive.propose(approval)
    stale = await operator.post("/api/hive/approve", json={"id": 3, "digest": "0" * 64})
    good = await operator.post("/api/hive/approve", json={"id": 3, "digest": approval.digest})

    assert (stale.status_code, stale.json()["error"]["code"]) == (409, "changed")
    assert good.json()["approval"]["state"] == "approved"
    assert good.json()["approval"]["decided_by"] == f"operator:{OPERATOR}"
    assert [type(request) for _, request, _ in hive.asked] == [Approve, Approve]


async def test_a_denial_carries_its_reason(operator: httpx.AsyncClient, hive: Hive) -> None:
    await hive.propose(spawn_approval(3, "grace"))
    await operator.post("/api/hive/deny", json={"id": 3, "reason": "not now"})

    assert [request for _, request, _ in hive.asked] == [Deny(id=3, reason="not now")]


async def test_a_message_is_stored_once_however_often_it_is_sent(
    operator: httpx.AsyncClient, hive: Hive, agents: AgentMaker
) -> None:
    await agents("alice")
    order = {"id": str(uuid4()), "body": "hello"}
    answers = [
        (await operator.post("/api/agents/alice/message", json=order)).json() for _ in range(2)
    ]
    stored = await hive.lifecycle.jetstream.get_last_msg(
        INBOX.name, InboxMessage.subject_for(to="alice", sender="operator")
    )

    assert [answer["again"] for answer in answers] == [False, True]
    message = InboxMessage.decode(stored.data or b"")
    assert (message.id, message.body, message.by) == (order["id"], "hello", OPERATOR)


@pytest.mark.parametrize(
    ("agent", "body", "code"),
    [
        ("nobody", "hello", "unknown_agent"), ("..", "hello", "bad_name"),
        ("alice", "  ", "bad_body"), ("alice", "a\0b", "bad_body"),
        ("alice", "x" * 300_000, "bad_body"),
    ],
)  # fmt: skip
async def test_a_message_that_cannot_be_sent_says_why(
    operator: httpx.AsyncClient, agents: AgentMaker, agent: str, body: str, code: str
) -> None:
    await agents("alice")
    path = f"/api/agents/{agent.replace('.', '%2e')}/message"
    answer = await operator.post(path, json={"id": str(uuid4()), "body": body})

    assert answer.json()["error"]["code"] == code


async def test_an_interrupt_names_the_operator(
    operator: httpx.AsyncClient, agents: AgentMaker
) -> None:
    alice = await agents("alice")
    answer = await operator.post("/api/agents/alice/interrupt")

    assert answer.json()["ok"]
    assert alice.interrupted_by == [OPERATOR]


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "http://evil.example/#x=1", "#ticket=<script>", "#ticket=short"]
)
async def test_of_an_agents_link_nothing_but_a_ticket_is_used(
    operator: httpx.AsyncClient, agents: AgentMaker, url: str
) -> None:
    alice = await agents("alice")
    alice.page_url = "https://evil.example:1/x#ticket=abcdefgh-12345678"
    good = await operator.post("/api/agents/alice/ticket")
    alice.page_url = url
    bad = await operator.post("/api/agents/alice/ticket")

    assert good.json() == {"ok": True, "port": 8879, "fragment": "ticket=abcdefgh-12345678"}
    assert bad.json()["error"]["code"] == "bad_reply"


async def test_a_service_that_is_away_is_an_answer(operator: httpx.AsyncClient) -> None:
    answer = await operator.post("/api/hive/rebuild", json={"agent": "alice"})  # nobody serves it

    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable")


async def test_a_login_outlives_a_restart_and_a_kill(
    operator: httpx.AsyncClient, dashboard: Dashboard, hive: Hive
) -> None:
    unopened = (await dashboard.link()).partition("#ticket=")[2]
    for kill in (False, True):
        await dashboard.stop(kill=kill)
        await dashboard.start()
        answer = await operator.post("/api/hive/stop", json={"agent": "alice"})
        assert answer.json()["ok"]

    login = await operator.post("/api/login", json={"ticket": unopened})
    assert login.status_code == 200


async def test_a_removed_operators_token_ends(operator: httpx.AsyncClient, hive: Hive) -> None:
    directory = hive.broker.home.bus / "operators.json"
    names = json.loads(directory.read_text())
    directory.write_text(json.dumps(dict.fromkeys(names, "somebody")))
    answer = await operator.post("/api/hive/stop", json={"agent": "alice"})
    directory.write_text(json.dumps(names))

    assert answer.status_code == 401


async def test_it_ends_in_good_order_and_its_files_are_private(
    dashboard: Dashboard, hive: Hive
) -> None:
    await dashboard.link()
    status = await dashboard.stop()
    await dashboard.start()

    assert status == 0
    for file in ("dashboard.secret", "dashboard-tickets.json"):
        assert (hive.broker.home.keys / file).stat().st_mode & 0o777 == 0o600
    assert "Traceback" not in dashboard.output.read_text()
