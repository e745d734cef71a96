"""The forge in a whole hive: an agent works with `hive-forge` and is woken by what concerns it."""

import asyncio
import json
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import msgspec
import pytest
from hivecommon.bus import Bus
from hivecommon.contracts.events import AgentEvent, TurnStarted
from hivecommon.contracts.forge import ForgeStatus
from hivecommon.names import AgentName
from hivetesting.forge.gateway import forge_status, ready
from hivetesting.forge.site import Site, scripted_site
from hivetesting.hive import RunningHive, running_hive
from hivetesting.messages_api.rules import Rule, Rules
from hivetesting.messages_api.server import ScriptedMessagesApi
from hivetesting.messages_api.steps import Text, ToolUse
from hivetesting.watch import inbox_of
from nats.aio.msg import Msg

pytestmark = pytest.mark.timeout(300)

REPO = "hive/work"
SCRIPT = Rules(
    Rule(
        text=r"run: (?P<command>.+)",
        answer=lambda _, found: (ToolUse("Bash", {"command": found["command"]}),),
    ),
    Rule(
        after_tool="Bash",
        answer=lambda request, _: (
            ToolUse("mcp__hive__reply", {"body": request.tool_results[0].text}),
        ),
    ),
    otherwise=lambda _: (Text("noted"),),
)


@contextmanager
def hive_with_forge(root: Path, site: Site, **settings: str) -> Iterator[RunningHive]:
    """Run a hive whose forge is `site`, with alice, until the block ends."""
    root.mkdir(parents=True, exist_ok=True)
    token = root / "admin-token"
    token.touch(0o600)
    token.write_text(site.token)
    extra = {
        "HIVE_FORGE_URL": site.url,
        "HIVE_FORGE_TOKEN_FILE": str(token),
        "HIVE_FORGE_POLL_S": "0.2",
        **settings,
    }
    with (
        ScriptedMessagesApi(SCRIPT) as api,
        running_hive(root, api.base_url, extra=extra) as running,
    ):
        spawn(running, "alice")
        yield running


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with scripted_site(tmp_path_factory.mktemp("forge")) as site:
        yield site


@pytest.fixture(scope="module")
def hive(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHive]:
    with hive_with_forge(tmp_path_factory.mktemp("hive"), site) as running:
        yield running


def spawn(hive: RunningHive, agent: str) -> None:
    said = hive.hive("spawn", agent)
    assert said.code == 0, said.err
    hive.until_running(agent)
    asyncio.run(until(hive, ready(agent)))


async def until(hive: RunningHive, wanted: Callable[[ForgeStatus], bool]) -> ForgeStatus:
    operator = await hive.connect()
    try:
        return await forge_status(operator, wanted)
    finally:
        await operator.client.close()


def asked(hive: RunningHive, agent: str, command: str) -> str:
    said = hive.hive("send", agent, f"run: {command}", "--wait")
    assert said.code == 0, said.err
    return said.out


def issue(site: Site, title: str, body: str) -> int:
    made = site.made("POST", f"/repos/{REPO}/issues", {"title": title, "body": body})
    return int(made["number"])


def work_on_an_issue(hive: RunningHive, site: Site) -> None:
    number = issue(site, "the build fails", "since `yesterday`")
    shown = asked(hive, "alice", f"hive-forge view {number}")
    assert "the build fails" in shown
    assert "since `yesterday`" in shown
    asked(hive, "alice", f"hive-forge comment {number} --body 'on it'")
    said = site.made("GET", f"/repos/{REPO}/issues/{number}/comments")
    assert [(each["user"]["login"], each["body"]) for each in said] == [("alice", "on it")]


@pytest.mark.needs("bwrap")
def test_an_agent_in_its_sandbox_reads_and_comments_with_hive_forge(
    hive: RunningHive, site: Site
) -> None:
    assert hive.until_running("alice").sandboxed
    work_on_an_issue(hive, site)


def test_an_agent_without_a_sandbox_does_so_too(tmp_path: Path) -> None:
    with (
        scripted_site(tmp_path / "forge") as site,
        hive_with_forge(tmp_path / "hive", site, HIVE_SANDBOX="off") as running,
    ):
        assert not running.until_running("alice").sandboxed
        work_on_an_issue(running, site)


async def test_a_mention_by_a_human_wakes_the_agent_once(hive: RunningHive, site: Site) -> None:
    async with ForgeTurns.of(hive, "alice") as turns:
        number = issue(site, "wake up", "@alice: `look`")
        await turns.about(number)
        # Whatever came twice would have come before the news of a later issue.
        later = issue(site, "a later one", "@alice")
        await turns.about(later)
        messages = [m for m in await inbox_of(turns.bus, "alice") if names(m.body, number)]
    assert [turn.message_id for turn in turns.seen if names(turn.body, number)] == [messages[0].id]
    assert len(messages) == 1
    assert f"{site.url}/{REPO}/issues/{number}" in messages[0].body


async def test_what_the_agent_does_itself_does_not_wake_it(hive: RunningHive, site: Site) -> None:
    async with ForgeTurns.of(hive, "alice") as turns:
        number = issue(site, "quiet", "nobody")
        command = f"hive-forge comment {number} --body 'I, @alice, was here'"
        await asyncio.to_thread(asked, hive, "alice", command)
        later = issue(site, "the next one", "@alice")
        await turns.about(later)
        messages = await inbox_of(turns.bus, "alice")
    assert not [message for message in messages if names(message.body, number)]


def test_tokens_are_private_and_lie_nowhere_else(hive: RunningHive, site: Site) -> None:
    file = hive.home.state(AgentName("alice")) / "forge-token"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = file.read_text().strip()
    said = hive.hive("forge", "rotate", "alice")
    assert said.code == 0, said.err
    after = file.read_text().strip()
    assert after != before
    assert asked(hive, "alice", "hive-forge whoami").count("alice") >= 1
    for secret in (before, after, site.token):
        assert secret not in said.out + said.err
        found = [
            found
            for found in hive.root.rglob("*")
            if found.is_file() and not found.is_symlink() and secret.encode() in found.read_bytes()
        ]
        # Logs, events, transcripts, databases and the bus's own files all lie below the root.
        assert set(found) <= {file, hive.root / "admin-token"}


def test_a_renamed_agent_goes_on_under_its_new_name(hive: RunningHive, site: Site) -> None:
    spawn(hive, "bob")
    token = (hive.home.state(AgentName("bob")) / "forge-token").read_text()
    said = hive.hive("rename", "bob", "rob")
    assert said.code == 0, said.err
    asyncio.run(until(hive, ready("rob")))
    hive.until_running("rob")
    assert (hive.home.state(AgentName("rob")) / "forge-token").read_text() == token
    assert "rob" in asked(hive, "rob", "hive-forge whoami")
    assert site.ask("GET", "/users/rob").status_code == 200


def test_an_account_goes_with_purge_and_not_before(hive: RunningHive, site: Site) -> None:
    spawn(hive, "carol")
    token = (hive.home.state(AgentName("carol")) / "forge-token").read_text().strip()
    assert hive.hive("destroy", "carol", "--yes").code == 0
    assert site.ask("GET", "/user", token=token).status_code == 200
    spawn(hive, "carol")
    assert (hive.home.state(AgentName("carol")) / "forge-token").read_text().strip() == token
    assert hive.hive("destroy", "carol", "--purge", "--yes").code == 0
    asyncio.run(until(hive, lambda said: "carol" not in {each.agent for each in said.accounts}))
    assert site.ask("GET", "/users/carol").status_code == 404
    assert site.ask("GET", "/user", token=token).status_code == 401


def test_the_operator_sees_the_forge_and_who_has_what_open(hive: RunningHive, site: Site) -> None:
    line = until_said(lambda: hive.hive("status").out, "forge:     ready")
    assert "Forgejo" in line
    until_said(lambda: json.dumps(checks(hive, "forge")), '"verdict": "ok"')
    number = issue(site, "for alice", "please")
    path = f"/repos/{REPO}/issues/{number}"
    site.made("PATCH", path, {"assignees": ["alice"]})
    work = hive.hive("forge", "work", "alice", "--json").json
    assert (number, "assignee") in {(each["number"], each["role"]) for each in work["items"]}


def checks(hive: RunningHive, name: str) -> list[dict[str, str]]:
    found = hive.hive("doctor", "--json").json["checks"]
    return [each for each in found if each["name"] == name]


def until_said(ask: Callable[[], str], words: str, *, tries: int = 20) -> str:
    """Ask until the answer holds the words: a busy forge-gw may not answer at the first try."""
    said = ""
    for _ in range(tries):
        said = ask()
        if words in said:
            return said
    pytest.fail(f"no {words!r} in {said}")


def names(body: str, number: int) -> bool:
    """Whether a message of the forge is about this issue."""
    return f"{REPO}#{number} " in body


class ForgeTurns:
    """The turns of an agent that began with news of the forge, as they come."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.seen: list[TurnStarted] = []
        self._more = asyncio.Condition()

    @classmethod
    @asynccontextmanager
    async def of(cls, hive: RunningHive, agent: str) -> AsyncIterator["ForgeTurns"]:
        """Watch from now on."""
        bus = await hive.connect()
        try:
            turns = cls(bus)
            await bus.subscribe(f"events.{agent}.turn_started", turns._take)
            await bus.client.flush()
            yield turns
        finally:
            await bus.client.close()

    async def _take(self, msg: Msg) -> None:
        body = msgspec.json.decode(msg.data, type=AgentEvent).body
        if isinstance(body, TurnStarted) and body.sender == "forge":
            async with self._more:
                self.seen.append(body)
                self._more.notify_all()

    async def about(self, number: int) -> None:
        """Return once a turn is about this issue."""
        async with asyncio.timeout(60), self._more:
            await self._more.wait_for(lambda: any(names(each.body, number) for each in self.seen))
