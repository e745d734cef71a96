"""`hive doctor`: what it finds, and that each bad finding has its cure."""

import socket
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from hivecommon.broker import operator_key
from hivecommon.command import Completed, Run
from hivecommon.errors import HiveError
from hivecommon.home import HiveHome
from hivecommon.keys import ensure_key
from hivectl.doctor import hive as hive_checks
from hivectl.doctor import host
from hivectl.doctor.check import Verdict
from hivetesting.broker import Broker, free_port
from hivetesting.commands import HiveCommand, Serve


def answering(
    code: int = 0, stdout: bytes = b"", failure: HiveError | None = None
) -> tuple[Run, list[Sequence[str]]]:
    """Return a door to programs that starts none, and the argvs it was given."""
    argvs: list[Sequence[str]] = []

    async def run(
        argv: Sequence[str], *, timeout_s: float, cwd: Path | None = None,
        env: Mapping[str, str] | None = None, stdin: bytes = b"",
    ) -> Completed:  # fmt: skip
        argvs.append(argv)
        if failure is not None:
            raise failure
        return Completed(tuple(argv), code, stdout, b"bwrap: No permissions")

    return run, argvs


async def test_a_claude_cli_that_cannot_be_run_fails_with_a_cure() -> None:
    missing, argvs = answering(failure=HiveError("cannot run '/x'", code="no_command"))
    check = await host.claude_cli(missing, {"HIVE_CLAUDE_CLI": "/x"})
    assert argvs == [["/x", "--version"]]
    assert check.verdict is Verdict.FAIL
    assert "HIVE_CLAUDE_CLI" in check.cure


async def test_a_claude_cli_is_shown_with_its_version() -> None:
    check = await host.claude_cli(answering(stdout=b"2.1.330 (Claude Code)\n")[0], {})
    assert check.verdict is Verdict.OK
    assert check.found.startswith("2.1.330")


@pytest.mark.needs("bwrap")
async def test_bubblewrap_that_makes_no_sandbox_is_a_warning() -> None:
    check = await host.sandbox(answering(code=1)[0])
    assert check.verdict is Verdict.WARN
    assert "No permissions" in check.found


def test_open_keys_are_found_and_cured(tmp_path: Path) -> None:
    home = HiveHome(tmp_path)
    assert hive_checks.key_modes(home).verdict is Verdict.WARN
    ensure_key(operator_key(home, "anna"))
    assert hive_checks.key_modes(home).verdict is Verdict.OK
    operator_key(home, "anna").chmod(0o640)
    check = hive_checks.key_modes(home)
    assert check.verdict is Verdict.FAIL
    assert "anna.nk" in check.found
    assert "chmod 600" in check.cure


def test_a_home_that_is_open_to_others_fails(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    check = hive_checks.home_directory(HiveHome(tmp_path))
    assert check.verdict is Verdict.FAIL
    assert check.cure == f"chmod 700 {tmp_path}"


async def test_the_monitor_is_told_from_something_else() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        check = await hive_checks.monitor(taken.getsockname()[1])
    assert check.verdict is Verdict.WARN
    assert (await hive_checks.monitor(free_port())).verdict is Verdict.WARN
    assert (await hive_checks.monitor(0)).verdict is Verdict.OK


async def test_a_hive_that_is_well_is_well(hive: HiveCommand, serve: Serve) -> None:
    dashboard = str(free_port())
    async with AsyncExitStack() as stack:
        for name in ("lifecycle", "approvals", "dashboard"):
            await stack.enter_async_context(serve(name, {}))
        said = await hive("doctor", "--json", HIVE_DASHBOARD_PORT=dashboard)
    found = {check["name"]: check["verdict"] for check in said.json["checks"]}
    assert {found[name] for name in ("bus", "lifecycle", "approvals", "monitor", "keys")} == {"ok"}
    assert said.code == 0, said.out


async def test_a_service_that_is_away_makes_it_fail_with_where_to_look(
    hive: HiveCommand, broker: Broker
) -> None:
    said = await hive("doctor")
    assert said.code == 1
    assert "FAIL  approvals" in said.out
    assert "hive logs approvals" in said.out
    assert "error: not well: lifecycle, approvals, dashboard" in said.err


async def test_without_a_bus_all_else_is_still_looked_at(hive: HiveCommand) -> None:
    said = await hive("doctor", "--json", HIVE_NATS_URL=f"nats://127.0.0.1:{free_port()}")
    found = {check["name"]: check for check in said.json["checks"]}
    assert said.code == 1
    assert found["bus"]["verdict"] == "fail"
    assert "hive up" in found["bus"]["cure"]
    assert found["nats-server"]["verdict"] == "ok"
