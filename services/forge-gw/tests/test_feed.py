"""Notifications reach the right inbox once each, through outages and kills, and are marked as read."""

import asyncio
import contextlib
import hashlib
import hmac
import json
import socket
import sqlite3
import time
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta

import httpx
import pytest
from hivecommon.bus import Bus
from hivecommon.contracts.forge import CheckForgeNews, GetForgeWork
from hivecommon.contracts.inbox import InboxMessage
from hivecommon.errors import HiveError
from hivetesting.broker import free_port
from hivetesting.forge.faults import Fault
from hivetesting.forge.gateway import GatewayProcess, forge_status, ready
from hivetesting.forge.site import Site
from hivetesting.watch import inbox_of

Names = tuple[str, str]


class Two:
    """Two agents on a forge with a gateway that runs."""

    def __init__(self, gateway: GatewayProcess, operator: Bus, names: Names) -> None:
        self.gateway, self.operator, (self.alice, self.bob) = gateway, operator, names
        self.repo = f"{gateway.organization}/work"

    async def settle(self) -> "Two":
        for agent in (self.alice, self.bob):
            self.gateway.add_agent(agent)
            await self.gateway.broker.register(agent)
        self.gateway.start()
        await forge_status(self.operator, ready(self.alice, self.bob))
        return self

    @property
    def site(self) -> Site:
        return self.gateway.site

    def act(self, who: str, method: str, path: str, **body: object) -> dict[str, object]:
        made = self.site.made(
            method, f"/repos/{self.repo}{path}", body, token=self.gateway.token(who)
        )
        return dict(made or {})

    def issue(self, who: str, **body: object) -> int:
        return int(str(self.act(who, "POST", "/issues", **body)["number"]))

    def say(self, who: str, number: int, text: str) -> None:
        self.act(who, "POST", f"/issues/{number}/comments", body=text)

    async def inbox(self, agent: str, many: int, within_s: float = 30) -> list[InboxMessage]:
        """Return the agent's messages once there are as many as that."""
        found: list[InboxMessage] = []
        try:
            async with asyncio.timeout(within_s):
                while len(found) < many:
                    found = await inbox_of(self.operator, agent)
                    await asyncio.sleep(0.05)
        except TimeoutError:
            pytest.fail(f"{len(found)} of {many} messages: {found}\n{self.gateway.log[-6000:]}")
        return found

    def unread(self, agent: str) -> int:
        found = self.site.made("GET", "/notifications/new", token=self.gateway.token(agent))
        return int(found["new"])


@pytest.fixture
async def two(gateway: GatewayProcess, operator: Bus, names: Names) -> Two:
    return await Two(gateway, operator, names).settle()


@dataclass
class ForgeClock:
    """How far the scripted forge is ahead of the world."""

    ahead_s: float = 0.0


@pytest.fixture
def clock(script: Site) -> ForgeClock:
    clock = ForgeClock()
    assert script.script is not None
    script.script.world.now = lambda: time.time() + clock.ahead_s
    return clock


@pytest.fixture
async def scripted_two(scripted: GatewayProcess, operator: Bus) -> Two:
    return await Two(scripted, operator, ("alice", "bob")).settle()


def first_lines(messages: list[InboxMessage]) -> list[str]:
    return [message.body.split("\n")[0].split(" hive")[0] for message in messages]


async def test_what_others_do_arrives_with_a_link_and_is_marked_as_read(two: Two) -> None:
    number = two.issue(two.alice, title="one", body=f"@{two.bob} look", assignees=[two.bob])
    two.say(two.alice, number, "any news?")
    messages = await two.inbox(two.bob, 3)
    assert sorted(first_lines(messages)) == sorted([
        f"{two.alice} mentioned you in",
        f"{two.alice} assigned you to",
        f"{two.alice} commented on",
    ])  # fmt: skip
    assert all(f"{two.repo}#{number}" in message.body for message in messages)
    assert all(message.body.split("\n")[1].startswith("http") for message in messages)
    assert len({message.thread for message in messages}) == 1
    async with asyncio.timeout(20):
        while two.unread(two.bob):
            await asyncio.sleep(0.05)
    assert await inbox_of(two.operator, two.alice) == []


async def test_an_agent_s_own_acts_do_not_wake_it(two: Two) -> None:
    number = two.issue(
        two.alice, title="mine", body=f"@{two.alice} @{two.bob}", assignees=[two.alice]
    )
    two.say(two.alice, number, f"note to @{two.alice}")
    two.act(two.alice, "PATCH", f"/issues/{number}", state="closed")
    await two.inbox(two.bob, 2)
    for agent in (two.alice, two.bob):
        await two.operator.request(CheckForgeNews(agent=agent), timeout_s=20)
    assert await inbox_of(two.operator, two.alice) == []


async def test_pull_requests_are_asked_for_reviewed_and_merged(two: Two) -> None:
    two.act(
        two.alice, "POST", "/contents/a.txt", content="b25lCg==", message="m", new_branch="side"
    )
    number = int(
        str(two.act(two.alice, "POST", "/pulls", title="p", head="side", base="main")["number"])
    )
    two.site.made("POST", f"/repos/{two.repo}/pulls/{number}/requested_reviewers",
                  {"reviewers": [two.bob]}, token=two.gateway.token(two.alice))  # fmt: skip
    assert first_lines(await two.inbox(two.bob, 1)) == [f"{two.alice} asks for your review of"]
    two.act(two.bob, "POST", f"/pulls/{number}/reviews", event="APPROVED", body="nice")
    assert f"{two.bob} approved" in first_lines(await two.inbox(two.alice, 1))
    async with asyncio.timeout(20):
        while True:
            answer = two.site.ask("POST", f"/repos/{two.repo}/pulls/{number}/merge", {"Do": "merge"},
                                  token=two.gateway.token(two.bob))  # fmt: skip
            if answer.is_success:
                break
            await asyncio.sleep(0.3)
    messages = await two.inbox(two.alice, 2)
    assert f"{two.bob} merged" in first_lines(messages)


async def pull(two: Two) -> int:
    """Open a pull request of alice's and return its number."""
    content = {"content": "b25lCg==", "message": "m", "new_branch": "side"}
    two.act(two.alice, "POST", "/contents/a.txt", **content)
    made = two.act(two.alice, "POST", "/pulls", title="p", head="side", base="main")
    return int(str(made["number"]))


def on_code(*bodies: str) -> dict[str, object]:
    """Return a review that consists of comments on a line of code."""
    comments = [{"path": "a.txt", "new_position": 1, "body": body} for body in bodies]
    return {"event": "COMMENT", "body": "", "comments": comments}


async def test_what_is_said_on_lines_of_code_arrives_and_mentions_there_count(two: Two) -> None:
    number = await pull(two)
    two.act(two.bob, "POST", f"/pulls/{number}/reviews", **on_code("off by one", "and here"))
    (message,) = await two.inbox(two.alice, 1)
    assert first_lines([message]) == [f"{two.bob} reviewed"]
    assert "> off by one" in message.body
    assert "> and here" in message.body
    other = two.issue(two.alice, title="after")  # what comes later wakes nobody twice
    two.say(two.bob, other, "fine")
    assert len(await two.inbox(two.alice, 2)) == 2
    third = two.gateway.site.user(f"c{two.alice[1:]}")
    two.gateway.site.made(
        "PUT", f"/repos/{two.repo}/collaborators/c{two.alice[1:]}", {"permission": "write"}
    )
    two.site.made("POST", f"/repos/{two.repo}/pulls/{number}/reviews",
                  on_code(f"what does @{two.bob} say?"), token=third)  # fmt: skip
    messages = await two.inbox(two.bob, 1)
    assert f"> what does @{two.bob} say?" in messages[-1].body


async def test_a_long_talk_with_comments_on_code_in_it_loses_no_word(two: Two) -> None:
    """The forge cuts a timeline into pages first and leaves the comments on code out afterwards."""
    number = await pull(two)
    words = [f"word {count}" for count in range(70)]
    for count, word in enumerate(words):
        if count == 20:
            two.act(two.bob, "POST", f"/pulls/{number}/reviews", **on_code("hm", "hm"))
        two.say(two.bob, number, word)
    messages = await two.inbox(two.alice, len(words) + 1, within_s=60)
    said = [message.body.split("> ")[-1] for message in messages]
    assert Counter(word for word in said if word.startswith("word")) == Counter(words)
    assert len(messages) == len(words) + 1


async def test_a_forge_with_small_pages_loses_nothing(scripted_two: Two) -> None:
    script = scripted_two.site.script
    assert script is not None
    scripted_two.gateway.kill()
    script.world.max_page = 3
    numbers = [
        scripted_two.issue("alice", title=f"t{count}", assignees=["bob"]) for count in range(7)
    ]
    for count in range(8):
        scripted_two.say("alice", numbers[0], f"word {count}")
    scripted_two.gateway.start()
    messages = await scripted_two.inbox("bob", len(numbers) + 8)
    assert len({message.id for message in messages}) == len(messages) == len(numbers) + 8


async def test_one_thread_that_cannot_be_read_holds_no_other_up(scripted_two: Two) -> None:
    two, script = scripted_two, scripted_two.site.script
    assert script is not None
    bad = two.issue("alice", title="broken", body="words")
    script.faults.order(f"GET .*/issues/{bad}$", Fault(500, "nil pointer"), times=1000)
    two.act("alice", "PATCH", f"/issues/{bad}", assignees=["bob"])
    good = two.issue("alice", title="fine", assignees=["bob"])
    messages = await two.inbox("bob", 1)
    assert f"#{good} " in messages[0].body
    failed = await forge_status(
        two.operator, lambda s: any(each.detail.count("nil pointer") for each in s.accounts)
    )
    assert failed.state == "ready"
    script.faults.queue.clear()
    messages = await two.inbox("bob", 2)
    assert f"#{bad} " in messages[1].body


async def test_nobody_is_woken_by_what_merely_happens_in_a_repository(two: Two) -> None:
    number = two.issue(two.alice, title="between us")
    two.say(two.alice, number, "hm")
    two.issue(two.alice, title="last", body=f"@{two.bob}")
    messages = await two.inbox(two.bob, 1)
    assert first_lines(messages) == [f"{two.alice} mentioned you in"]


async def test_comments_during_an_outage_arrive_once_each_afterwards(scripted_two: Two) -> None:
    two, script = scripted_two, scripted_two.site.script
    assert script is not None
    number = two.issue("alice", title="load", assignees=["bob"])
    await two.inbox("bob", 1)
    said = 0
    for outage in range(3):
        for _ in range(10):
            two.say("alice", number, f"word {said}")
            said += 1
        script.faults.down = True
        issue = script.world.repos[0].issues[0]
        for _ in range(10):  # the forge is cut off from us, not from the world
            entry = script.happenings.add(issue, "comment", issue.user, body=f"word {said}")
            script.happenings.tell(issue, entry.user, entry.body)
            said += 1
        await forge_status(two.operator, lambda s: s.state == "away")
        if outage == 1:
            two.gateway.kill()
            two.gateway.start()
            await forge_status(two.operator, lambda s: s.state == "away")
        script.faults.down = False
        await forge_status(two.operator, ready("alice", "bob"))
    messages = await two.inbox("bob", said + 1)
    words = Counter(message.body.split("> ")[-1] for message in messages[1:])
    assert words == Counter(f"word {n}" for n in range(said))


async def test_ten_minutes_of_outage_under_load_lose_and_double_nothing(
    scripted_two: Two, clock: ForgeClock
) -> None:
    """The forge's clock goes ahead by ten minutes while the hive cannot reach it."""
    two, script = scripted_two, scripted_two.site.script
    assert script is not None
    numbers = [two.issue("alice", title=f"t{n}", assignees=["bob"]) for n in range(3)]
    await two.inbox("bob", 3)
    script.faults.down = True
    await forge_status(two.operator, lambda s: s.state == "away")
    said = []
    for second in range(0, 600, 10):  # the forge is cut off from us, not from the world
        clock.ahead_s += 10
        issue = script.world.repos[0].issues[second // 10 % len(numbers)]
        said.append(f"word at {second}")
        entry = script.happenings.add(issue, "comment", issue.user, body=said[-1])
        script.happenings.tell(issue, entry.user, entry.body)
    two.gateway.kill()
    two.gateway.start()
    await forge_status(two.operator, lambda s: s.state == "away")
    script.faults.down = False
    two.say("alice", numbers[0], "back again")
    messages = await two.inbox("bob", 3 + len(said) + 1)
    words = Counter(message.body.split("> ")[-1] for message in messages[3:])
    assert words == Counter([*said, "back again"])
    await two.operator.request(CheckForgeNews(agent="bob"), timeout_s=20)
    assert len(await inbox_of(two.operator, "bob")) == len(messages)
    sent = [message.sent_at for message in messages]
    assert max(sent) - min(sent) >= timedelta(minutes=10)


async def test_answers_that_break_off_double_nothing(scripted_two: Two) -> None:
    two, script = scripted_two, scripted_two.site.script
    assert script is not None
    for pattern in (
        "GET .*/notifications$",
        "GET .*/timeline",
        "PATCH .*/threads",
        "GET .*/issues/",
    ):
        script.faults.order(pattern, Fault(after=True, cut=True), times=2)
        script.faults.order(pattern, Fault(502, "bad gateway"))
        script.faults.order(pattern, Fault(429, "slow down", {"Retry-After": "1"}))
    number, said = two.issue("alice", title="one", assignees=["bob"]), 0
    while script.faults.queue:  # each is met only while there is something to fetch
        two.say("alice", number, f"word {said}")
        said += 1
        await two.inbox("bob", said + 1)
    await forge_status(two.operator, ready("alice", "bob"))
    await two.operator.request(CheckForgeNews(agent="bob"))
    words = [message.body.split("> ")[-1] for message in await inbox_of(two.operator, "bob")]
    assert words[1:] == [f"word {n}" for n in range(said)]


async def test_killed_anywhere_in_a_delivery_it_delivers_once(scripted_two: Two) -> None:
    two, script = scripted_two, scripted_two.site.script
    assert script is not None
    number = two.issue("alice", title="one", assignees=["bob"])
    await two.inbox("bob", 1)
    expected = 1
    for step in ("GET .*/timeline", "PATCH .*/threads", "GET .*/notifications$"):
        for after in (False, True):
            script.faults.order(step, Fault(after=after, hang=True))
            two.say("alice", number, f"at {step} {after}")
            expected += 1
            async with asyncio.timeout(20):
                while script.faults.queue:
                    await asyncio.sleep(0.01)
            two.gateway.kill()
            two.gateway.start()
            assert len(await two.inbox("bob", expected)) == expected
    found = await inbox_of(two.operator, "bob")
    assert len({message.id for message in found}) == len(found) == expected


async def test_a_publication_of_unknown_outcome_is_looked_up_not_repeated(
    scripted_two: Two, lifecycle: Bus
) -> None:
    """Beyond the stream's own dedupe window only the stream can tell."""
    two = scripted_two
    two.issue("alice", title="one", body="@bob")
    (message,) = await two.inbox("bob", 1)
    two.gateway.kill()
    database = sqlite3.connect(two.gateway.broker.home.root / "forge.sqlite")
    with database:
        database.execute("UPDATE deliveries SET done = 0")
        database.execute("DELETE FROM threads")
    database.close()
    script = two.site.script
    assert script is not None
    for thread in script.world.threads:
        thread.unread = True
    stream = await lifecycle.jetstream.stream_info("INBOX")
    config = stream.config
    config.duplicate_window = 0.1  # what an hour's outage comes to
    await lifecycle.jetstream.update_stream(config)
    two.gateway.start()
    await forge_status(two.operator, ready("alice", "bob"))
    await two.operator.request(CheckForgeNews(agent="bob"))
    assert await inbox_of(two.operator, "bob") == [message]


async def test_the_webhook_brings_news_at_once_and_only_when_it_is_signed(
    gateway: GatewayProcess, operator: Bus, names: Names
) -> None:
    port = free_port()
    gateway.settings |= {"HIVE_FORGE_WEBHOOK_PORT": str(port), "HIVE_FORGE_POLL_S": "600"}
    two = await Two(gateway, operator, names).settle()
    url = f"http://127.0.0.1:{port}/webhook"
    assert (await forge_status(operator, ready(*names))).webhook == url
    two.issue(two.alice, title="one", body=f"@{two.bob}")
    await two.inbox(two.bob, 1)
    body = json.dumps({"action": "opened"}).encode()
    secret = (gateway.broker.home.keys / "forge-webhook").read_text()
    good = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    async with httpx.AsyncClient(trust_env=False) as client:
        for signature, status in ((good, 204), (good[:-1] + "x", 403), ("", 403), ("ü", 403)):
            headers = {b"X-Gitea-Signature": signature.encode()}
            assert (await client.post(url, content=body, headers=headers)).status_code == status
        assert (await client.post(url, content=body)).status_code == 403
        assert (await client.post(url, content=b"x" * (5 << 20))).status_code == 413
        assert (await client.get(url)).status_code == 405
    (before,) = hooks_to(gateway.site, url)
    gateway.kill()
    gateway.start()
    await forge_status(operator, ready(*names))
    assert hooks_to(gateway.site, url) == [before]
    gateway.site.made("DELETE", f"/admin/hooks/{before}")


async def test_an_agent_on_the_webhooks_port_stops_nothing(
    scripted: GatewayProcess, operator: Bus
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as squatter:
        port = squatter.getsockname()[1]
        scripted.settings |= {"HIVE_FORGE_WEBHOOK_PORT": str(port)}
        two = await Two(scripted, operator, ("alice", "bob")).settle()
        two.issue("alice", title="one", body="@bob")
        await two.inbox("bob", 1)
    assert '"event":"port_taken"' in scripted.log
    async with httpx.AsyncClient(trust_env=False) as client, asyncio.timeout(30):
        while True:  # the port is taken once it is free
            with contextlib.suppress(httpx.HTTPError):
                answer = await client.post(f"http://127.0.0.1:{port}/webhook", content=b"{}")
                assert answer.status_code == 403
                break
            await asyncio.sleep(0.1)


def hooks_to(site: Site, url: str) -> list[int]:
    """Return the ids of the webhooks that go to an address."""
    hooks = site.made("GET", "/admin/hooks?limit=50")
    return [hook["id"] for hook in hooks if hook["config"]["url"] == url]


async def test_open_work_is_counted_by_role(two: Two) -> None:
    two.issue(two.alice, title="mine")
    two.issue(two.bob, title="for alice", assignees=[two.alice])
    closed = two.issue(two.alice, title="done")
    two.act(two.alice, "PATCH", f"/issues/{closed}", state="closed")
    reply = await two.operator.request(GetForgeWork(agent=two.alice), timeout_s=20)
    assert (reply.issues, reply.pulls) == (2, 0)
    assert {(item.title, item.role) for item in reply.items} == {
        ("mine", "author"), ("for alice", "assignee"),
    }  # fmt: skip
    with pytest.raises(HiveError, match="there is no agent nobody"):
        await two.operator.request(GetForgeWork(agent="nobody"))


async def test_a_full_inbox_loses_nothing(scripted_two: Two, lifecycle: Bus) -> None:
    two = scripted_two
    info = await lifecycle.jetstream.stream_info("INBOX")
    info.config.max_msgs_per_subject = 1
    await lifecycle.jetstream.update_stream(info.config)
    number = two.issue("alice", title="one", assignees=["bob"])
    two.say("alice", number, "two")
    await two.inbox("bob", 1)
    with pytest.raises(HiveError, match="as many messages as it may"):
        await two.operator.request(CheckForgeNews(agent="bob"))
    info.config.max_msgs_per_subject = 100
    await lifecycle.jetstream.update_stream(info.config)
    assert len(await two.inbox("bob", 2)) == 2
