"""`hive nats-context`, judged by the real natscli."""

import json
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hivecommon.command import Completed, run
from hivecommon.contracts.jobs import JobAccepted, JobState
from hivecommon.contracts.lifecycle import Rebuild
from hivecommon.errors import HiveError
from hivecommon.service import Call
from hivetesting.commands import HiveCommand, Serve

NATS = pytest.mark.needs("nats", "jq")
AT = datetime(2026, 11, 22, tzinfo=UTC)


@dataclass
class Rebuilding:
    """Answers `hive.rebuild` for alice alone."""

    callers: list[str] = field(default_factory=list)

    async def __call__(self, call: Call, request: Rebuild) -> JobAccepted:
        self.callers.append(str(call.caller))
        if request.agent != "alice":
            raise HiveError("there is no such agent", code="unknown_agent", hint="`hive ls`")
        return JobAccepted(job="j1", state=JobState.ACCEPTED, agent="alice", verb="rebuild")


async def sh(command: str, environ: Mapping[str, str]) -> Completed:
    return await run(["sh", "-c", command], timeout_s=30, env=environ)


@NATS
async def test_a_bare_nats_req_commands_the_hive(
    hive: HiveCommand, serve: Serve, tmp_path: Path
) -> None:
    rebuild = Rebuilding()
    environ = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    async with serve("lifecycle", {Rebuild: rebuild}):
        assert (await hive("nats-context", **environ)).code == 0
        good = await sh("nats req --raw hive.rebuild alice | jq -e .ok", environ)
        unknown = await sh("nats req --raw hive.rebuild nobody | jq -e .ok", environ)
        hostile = await sh("nats req --raw hive.rebuild ../x", environ)
        listed = await sh("nats micro ls", environ)
    assert (good.code, good.stdout) == (0, b"true\n")
    assert (unknown.code, unknown.stdout) == (1, b"false\n")
    error = json.loads(hostile.stdout)["error"]
    assert error["code"] == "bad_name"
    assert error["hint"]
    assert b"lifecycle" in listed.stdout
    assert rebuild.callers == ["operator:tester"] * 2


def test_the_context_names_the_key_by_its_file_and_holds_no_secret(
    hive: HiveCommand, tmp_path: Path
) -> None:
    said = hive.run("nats-context", "mine", "--json", HOME=str(tmp_path))
    file = tmp_path / ".config/nats/context/mine.json"
    assert said.json == {"ok": True, "context": "mine", "file": str(file), "selected": True}
    context = json.loads(file.read_text())
    seed = Path(context["nkey"])
    assert seed.name == "tester.nk"
    assert seed.read_text().strip() not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert context["url"] == hive.environ["HIVE_NATS_URL"]
    # natscli goes by the user database, and would not find what lies elsewhere.
    assert "set XDG_CONFIG_HOME" in said.err


@pytest.mark.parametrize(("select", "selected"), [((), "theirs"), (("--select",), "hive")])
def test_another_selected_context_stays_unless_asked(
    hive: HiveCommand, tmp_path: Path, select: tuple[str, ...], selected: str
) -> None:
    directory = tmp_path / "nats"
    directory.mkdir()
    (directory / "context.txt").write_text("theirs\n")
    said = hive.run("nats-context", *select, XDG_CONFIG_HOME=str(tmp_path))
    assert said.code == 0
    assert (directory / "context.txt").read_text().strip() == selected
    assert ("theirs is selected" in said.err) is (selected == "theirs")


def test_a_directory_that_cannot_be_written_is_named(hive: HiveCommand, tmp_path: Path) -> None:
    (tmp_path / "nats").write_text("a file")
    said = hive.run("nats-context", XDG_CONFIG_HOME=str(tmp_path))
    assert said.code == 1
    assert str(tmp_path / "nats") in said.err
    assert "XDG_CONFIG_HOME" in said.err
