"""Approvals in a whole hive: carried out exactly once whatever is killed, and never lost."""

import random
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hivetesting.hive import RunningHive, running_hive
from hivetesting.messages_api.rules import Rule, Rules
from hivetesting.messages_api.server import ScriptedMessagesApi
from hivetesting.messages_api.steps import Text, ToolUse

pytestmark = pytest.mark.timeout(600)

SEED = 20261122
SPAWNED = ("eve", "finn", "gus", "hal", "ida", "jon")
SCRIPT = Rules(
    Rule(
        text="(?P<name>[a-z]+) may go",
        answer=lambda _, found: (
            ToolUse("mcp__hive__request_destroy", {"agent": found["name"], "reason": "idle"}),
        ),
    ),
    otherwise=lambda _: (Text("noted"),),
)


@pytest.fixture(scope="module")
def hive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHive]:
    with (
        ScriptedMessagesApi(
            SCRIPT, agent_pattern=r"You are the agent (?P<agent>[a-z0-9-]+)"
        ) as api,
        running_hive(tmp_path_factory.mktemp("hive"), api.base_url, manager=True) as running,
    ):
        running.until_running("hm1nd")
        yield running


def approvals(hive: RunningHive) -> list[dict[str, Any]]:
    said = hive.hive("approvals", "--json", "--limit", "1000")
    assert said.code == 0, said.err
    found: list[dict[str, Any]] = said.json["approvals"]
    return found


def until(hive: RunningHive, number: int, *states: str, within_s: float = 120) -> dict[str, Any]:
    deadline = time.monotonic() + within_s
    while True:
        said = hive.hive("approvals", "--json", "--limit", "1000")
        found = {row["id"]: row for row in said.json["approvals"]} if said.code == 0 else {}
        row: dict[str, Any] = found.get(number, {})
        if row.get("state") in states:
            return row
        assert time.monotonic() < deadline, f"#{number}: {row}\n{hive.log[-2000:]}"
        time.sleep(0.2)


def wish(hive: RunningHive, name: str) -> int:
    said = hive.hive("spawn", name, "--request", "--json")
    assert said.code == 0, said.err
    number: int = said.json["approval"]["id"]
    return number


def test_kill_9_of_approvals_and_lifecycle_at_any_moment_executes_once(hive: RunningHive) -> None:
    dice = random.Random(SEED)  # noqa: S311 - moments, not secrets
    numbers = [wish(hive, name) for name in SPAWNED]
    for number in numbers:
        hive.hive("approve", str(number), "--no-wait")
        time.sleep(dice.random() * 0.4)
        hive.kill(dice.choice(("hive_approvals", "hive_lifecycle")))
        # Once more, as an impatient operator does: the answer may be lost, the act must not double.
        hive.hive("approve", str(number), "--no-wait")
    for number in numbers:
        row = until(hive, number, "done", "failed")
        assert (row["state"], row["note"]) == ("done", ""), row
    jobs = hive.hive("jobs", "--json").json["jobs"]
    spawned = Counter(job["agent"] for job in jobs if job["verb"] == "spawn")
    assert {name: spawned[name] for name in SPAWNED} == dict.fromkeys(SPAWNED, 1)
    for name in SPAWNED:
        hive.until_running(name)
        assert len(harnesses(hive, name)) == 1


def harnesses(hive: RunningHive, name: str) -> list[int]:
    """Return the agent's connections: each harness has one of its own."""
    return hive.connection_ids(name)


def test_a_state_directory_removed_under_a_pending_approval_fails_it(hive: RunningHive) -> None:
    assert hive.hive("spawn", "zoe").code == 0
    waiting = wish(hive, "yves")
    assert hive.hive("send", "hm1nd", "zoe may go").code == 0
    deadline = time.monotonic() + 60
    while not (
        asked := [
            row for row in approvals(hive) if (row["kind"], row["agent"]) == ("destroy", "zoe")
        ]
    ):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert hive.hive("stop", "zoe").code == 0
    shutil.rmtree(hive.home.agents / "zoe" / "state")
    row = until(hive, asked[0]["id"], "failed")
    assert row["note"] == "agent state dir missing"
    assert row["requested_by"] == "agent:hm1nd"
    assert until(hive, waiting, "pending")["agent"] == "yves"


def test_a_second_decision_is_told_who_made_the_first(hive: RunningHive) -> None:
    number = wish(hive, "kim")
    assert hive.hive("deny", str(number), "--reason", "not now").code == 0
    said = hive.hive("approve", str(number))
    assert said.code == 3
    assert "tester" in said.err
    row = until(hive, number, "denied")
    assert (row["decided_by"], row["decision_reason"]) == ("operator:tester", "not now")
