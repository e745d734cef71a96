"""A backup of a hive at work, restored elsewhere: the work goes on where the backup was made."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from hivecommon.contracts.lifecycle import GetStatus
from hivetesting.exchange import AGENT, AGENTS, Exchange
from hivetesting.hive import RunningHive, running_hive
from hivetesting.messages_api.server import ScriptedMessagesApi

EXCHANGE = Exchange(chains=2, per_chain=30)

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def api() -> Iterator[ScriptedMessagesApi]:
    with ScriptedMessagesApi(EXCHANGE.script, agent_pattern=AGENT) as running:
        yield running


def test_what_two_agents_do_goes_on_in_the_restored_hive(
    api: ScriptedMessagesApi, tmp_path: Path
) -> None:
    backup = tmp_path / "backup.tar.gz"
    with running_hive(tmp_path / "one", api.base_url) as hive:
        for name in AGENTS:
            assert hive.hive("spawn", name).code == 0
            hive.until_running(name)
        (hive.home.agents / "alice/state/notes.md").write_text("the tide turns at six")
        before = {name: hive.connections()[name] for name in AGENTS}
        for chain in range(EXCHANGE.chains):
            assert hive.hive("send", "alice", f"ping {chain} 1").code == 0
        asyncio.run(until(hive, EXCHANGE.messages // 4))

        said = hive.hive("backup", str(backup), "--json")

        assert said.code == 0, said.err
        assert said.json["saved"]["running"]
        assert said.json["saved"]["left_out"] == []
        assert backup.stat().st_mode & 0o777 == 0o600
        refused = hive.hive("restore", str(backup))
        assert refused.code == 3
        assert "is running" in refused.err
        assert asyncio.run(faults(hive)) == [], "the hive itself goes on as if nothing had been"
        assert {name: hive.connections()[name] for name in AGENTS} == before

    elsewhere = RunningHive(tmp_path / "two", api.base_url)
    said = elsewhere.hive("restore", str(backup))
    assert said.code == 0, said.err
    assert "alice, bob" in said.out
    with running_hive(elsewhere.root, api.base_url) as hive:
        # A turn that the backup cut off is had again, as after a crash, and so is all it leads to.
        assert asyncio.run(faults(hive, twice=EXCHANGE.messages)) == []
        notes = hive.home.agents / "alice/state/notes.md"
        assert notes.read_text() == "the tide turns at six"
        recorded = hive.hive("approvals", "--json").json["approvals"]
        assert [(one["agent"], one["state"]) for one in recorded] == [
            ("bob", "done"), ("alice", "done"),
        ]  # fmt: skip


async def until(hive: RunningHive, count: int) -> None:
    operator = await hive.connect()
    await EXCHANGE.until(operator, count)
    await operator.client.close()


async def faults(hive: RunningHive, *, twice: int = 0) -> list[str]:
    operator = await hive.connect()
    await EXCHANGE.until(operator, EXCHANGE.messages)
    found = await EXCHANGE.faults(operator, twice=twice)
    await operator.client.close()
    return found


def test_a_hive_at_rest_is_backed_up_and_comes_back(
    api: ScriptedMessagesApi, tmp_path: Path
) -> None:
    with running_hive(tmp_path / "one", api.base_url) as hive:
        assert hive.hive("spawn", "alice").code == 0
        hive.until_running("alice")
        assert hive.hive("send", "alice", "good morning", "--wait").code == 0
        session = session_of(hive)
    said = hive.hive("backup", str(tmp_path), "--json")
    assert said.code == 0, said.err
    assert not said.json["saved"]["running"]

    again = hive.hive("restore", said.json["file"])
    assert again.code == 3
    assert "not empty" in again.err
    hive.home.root.rename(tmp_path / "lost")
    assert hive.hive("restore", said.json["file"]).code == 0
    with running_hive(tmp_path / "one", api.base_url) as hive:
        hive.until_running("alice")
        assert session_of(hive) == session


def session_of(hive: RunningHive) -> str:
    """Wait until alice's harness says which session it goes on with."""
    return asyncio.run(_session_of(hive))


async def _session_of(hive: RunningHive) -> str:
    operator = await hive.connect()
    async with asyncio.timeout(60):
        while not (
            session := (await operator.request(GetStatus(agent="alice"))).agent.harness.session_id
        ):
            await asyncio.sleep(0.1)
    await operator.client.close()
    return session
