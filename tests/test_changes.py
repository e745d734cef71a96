"""From a commit to deployed in a whole hive: git as the manager uses it, `hive` as an operator does."""

import json
import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hivetesting.hive import RunningHive, running_hive
from hivetesting.messages_api.rules import Rule, Rules
from hivetesting.messages_api.server import ScriptedMessagesApi
from hivetesting.messages_api.steps import Text, ToolUse

SEED = 20261122
KILLS = int(os.environ.get("HIVE_KILLS", "6"))

pytestmark = pytest.mark.timeout(900 + 30 * KILLS)

SCRIPT = Rules(
    Rule(
        text="deploy (?P<commit>[0-9a-f]+) for (?P<name>[a-z]+)",
        answer=lambda _, found: (
            ToolUse(
                "mcp__hive__request_apply",
                {"agent": found["name"], "commit": found["commit"], "reason": "<b>better</b>"},
            ),
        ),
    ),
    Rule(
        text="ask the operator",
        answer=lambda _, _found: (ToolUse("mcp__hive__ask", {"question": "Red or blue?"}),),
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
        assert running.hive("spawn", "eve").code == 0
        yield running


def repo(hive: RunningHive) -> Path:
    return hive.home.agents / "eve" / "config"


def git(hive: RunningHive, *argv: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(repo(hive)), *argv], capture_output=True, text=True, check=True,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"},
    )  # fmt: skip
    return done.stdout.strip()


def commit(hive: RunningHive, persona: str) -> str:
    (repo(hive) / "agent.toml").write_text(f'persona = "{persona}"\n')
    git(hive, "commit", "--quiet", "--all", "-m", persona)
    return git(hive, "rev-parse", "HEAD")


def approvals(hive: RunningHive) -> dict[int, dict[str, Any]]:
    said = hive.hive("approvals", "--json", "--limit", "1000")
    return {row["id"]: row for row in said.json["approvals"]} if said.code == 0 else {}


def until(hive: RunningHive, number: int, *states: str) -> dict[str, Any]:
    deadline = time.monotonic() + 120
    while (row := approvals(hive).get(number, {})).get("state") not in states:
        assert time.monotonic() < deadline, f"#{number}: {row}\n{hive.log[-3000:]}"
        time.sleep(0.2)
    return row


def asked(hive: RunningHive, wanted: str) -> int:
    """Let the manager ask for a commit; return the approval that waits."""
    deadline = time.monotonic() + 120
    again = 0.0
    while True:
        if time.monotonic() > again:
            # While lifecycle is down nothing can be taken over, and the manager is told so.
            assert hive.hive("send", "hm1nd", f"deploy {wanted} for eve").code == 0
            again = time.monotonic() + 15
        for number, row in approvals(hive).items():
            if row.get("commit") == wanted and row["state"] == "pending":
                return number
        assert time.monotonic() < deadline, f"{approvals(hive)}\n{hive.log[-3000:]}"
        time.sleep(0.2)


def persona(hive: RunningHive) -> str:
    file = hive.root / "run" / "agents" / "eve" / "harness.json"
    found: str = json.loads(file.read_text())["persona"]
    return found


def stages(hive: RunningHive) -> dict[int, list[str]]:
    revisions = hive.hive("history", "eve", "--json").json["revisions"]
    return {one["approval"]: one["stages"] for one in revisions}


def test_what_was_approved_is_deployed_whatever_becomes_of_the_repo(hive: RunningHive) -> None:
    wanted = commit(hive, "a poet")
    number = asked(hive, wanted)
    git(hive, "commit", "--quiet", "--amend", "-m", "not what was asked for")
    commit(hive, "a thief")
    git(hive, "branch", "--force", "other", "HEAD^")
    git(hive, "reflog", "expire", "--expire=now", "--all")
    kept = repo(hive).rename(repo(hive).with_name("config.gone"))
    shown = hive.hive("diff", str(number))
    assert '+persona = "a poet"' in shown.out
    assert "a thief" not in shown.out
    said = hive.hive("approve", str(number))
    assert said.code == 0, said.err
    assert persona(hive) == "a poet"
    assert stages(hive)[number] == ["proposal", "approved", "building", "deployed"]
    kept.rename(repo(hive))


def test_a_moved_base_is_refused_and_shown_again_and_a_rollback_is_recorded(
    hive: RunningHive,
) -> None:
    number = asked(hive, commit(hive, "a sculptor"))
    assert hive.hive("approve", str(number)).code == 0
    number = asked(hive, commit(hive, "a painter"))
    digest = hive.hive("diff", str(number), "--json").json["digest"]
    assert hive.hive("rollback", "eve", "--to", "0").code == 0
    assert persona(hive) == ""
    said = hive.hive("approve", str(number), "--digest", digest)
    assert said.code == 3
    assert f"hive diff {number}" in said.err
    assert hive.hive("approve", str(number)).code == 0
    assert persona(hive) == "a painter"
    (record,) = [row for row in approvals(hive).values() if row["kind"] == "rollback"]
    assert (record["state"], record["decided_by"]) == ("done", "operator:tester")
    entries = hive.hive("audit", "--target", f"approval:{record['id']}", "--json").json["entries"]
    assert [one["result"] for one in entries][-1] == "approved"


def test_a_question_reaches_the_operator_and_its_answer_the_agent(hive: RunningHive) -> None:
    assert hive.hive("send", "eve", "ask the operator").code == 0
    deadline = time.monotonic() + 60
    while not (found := hive.hive("questions", "--json").json["questions"]):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert hive.hive("answer", str(found[0]["id"]), "blue").code == 0
    assert hive.hive("answer", str(found[0]["id"]), "red").code == 3


def test_kill_9_between_approve_and_deployed_deploys_once_and_tags_agree_with_rows(
    hive: RunningHive,
) -> None:
    dice = random.Random(SEED)  # noqa: S311 - moments, not secrets
    wanted = ["proposal", "approved", "building", "deployed"]
    for count in range(KILLS):
        number = asked(hive, commit(hive, f"number {count}"))
        digest = hive.hive("diff", str(number), "--json").json["digest"]
        hive.hive("approve", str(number), "--digest", digest, "--no-wait")
        time.sleep(dice.random() * 2)
        hive.kill(dice.choice(("hive_approvals", "hive_lifecycle")))
        # The answer may have been lost with it.
        hive.hive("approve", str(number), "--digest", digest, "--no-wait")
        row = until(hive, number, "done", "failed")
        assert (row["state"], row["note"]) == ("done", ""), row
        assert persona(hive) == f"number {count}"
        deadline = time.monotonic() + 30
        while (tags := stages(hive)[number]) != wanted:
            assert time.monotonic() < deadline, tags
            time.sleep(0.2)
    jobs = hive.hive("jobs", "--json", "--limit", "1000").json["jobs"]
    mine = [job["approval"] for job in jobs if job["verb"] == "apply"]
    assert len(mine) == len(set(mine)) >= KILLS


def test_a_repo_that_is_gone_is_refused_with_the_reason(hive: RunningHive) -> None:
    wanted = commit(hive, "never")
    shutil.rmtree(repo(hive))
    before = len(approvals(hive))
    assert hive.hive("send", "hm1nd", f"deploy {wanted} for eve").code == 0
    deadline = time.monotonic() + 60
    while "no plain git repository" not in hive.hive("events", "--json", "--since", "1h").out:
        assert time.monotonic() < deadline, hive.hive("events", "--since", "1h").out[-2000:]
        time.sleep(0.5)
    assert len(approvals(hive)) == before
