"""The forge in `hive status`, `hive doctor`, `hive forge` and `hive up`."""

from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hivecommon.contracts.forge import (
    AccountState,
    ForgeAccount,
    ForgeAccountReply,
    ForgeItem,
    ForgeState,
    ForgeStatus,
    ForgeWorkReply,
    GetForgeStatus,
    GetForgeWork,
    RotateForgeToken,
)
from hivecommon.service import Call
from hivectl.supervisor.programs import SERVICES, real_programs
from hivetesting.broker import Broker
from hivetesting.commands import Endpoints, HiveCommand, Serve
from hivetesting.hive import RunningHive

AT = datetime(2026, 11, 22, tzinfo=UTC)
URL = "http://127.0.0.1:3000"
ALICE = ForgeAccount(
    agent="alice",
    state=AccountState.READY,
    mirror="hive/config-alice",
    token_last_eight="12ab34cd",  # noqa: S106 - no password, what operators are shown of it
)


def desk(
    forge: ForgeState = ForgeState.READY, account: ForgeAccount = ALICE, words: str = ""
) -> Endpoints:
    told = ForgeStatus(
        state=forge, detail=words, since=AT, url=URL, product="Forgejo", version="11.0.3",
        accounts=[account],
    )  # fmt: skip

    async def status(_call: Call, _request: GetForgeStatus) -> ForgeStatus:
        return told

    async def work(_call: Call, request: GetForgeWork) -> ForgeWorkReply:
        item = ForgeItem(
            repo="hive/work", number=7, title=f"{request.agent}'s \x1b[31m\u202etitle\nservice: x",
            url=f"{URL}/hive/work/issues/7", pull=True, role="reviewer", updated_at=AT,
        )  # fmt: skip
        return ForgeWorkReply(issues=0, pulls=1, items=[item])

    async def rotate(_call: Call, _request: RotateForgeToken) -> ForgeAccountReply:
        return ForgeAccountReply(account=ALICE)

    return {GetForgeStatus: status, GetForgeWork: work, RotateForgeToken: rotate}


async def services(stack: AsyncExitStack, serve: Serve, forge: Endpoints | None = None) -> None:
    for name in SERVICES:
        await stack.enter_async_context(serve(name, {}))
    if forge is not None:
        await stack.enter_async_context(serve("forge-gw", forge))


def check(said: Any) -> dict[str, str]:
    return next(each for each in said.json["checks"] if each["name"] == "forge")


async def test_a_hive_without_a_forge_is_well_and_hears_nothing_of_it(
    hive: HiveCommand, serve: Serve
) -> None:
    async with AsyncExitStack() as stack:
        await services(stack, serve)
        assert "forge" not in (await hive("status")).out
        assert (await hive("status", "--json")).json["forge"] is None
        found = check(await hive("doctor", "--json"))
        said = await hive("forge", "status")
    assert found["verdict"] == "ok"
    assert "HIVE_FORGE_URL" in found["found"]
    assert said.code == 1
    assert "forge-gw does not run" in said.err
    assert "HIVE_FORGE_TOKEN_FILE" in said.err


async def test_a_forge_gw_that_should_be_there_is_missed(
    hive: HiveCommand, serve: Serve, broker: Broker
) -> None:
    async with AsyncExitStack() as stack:
        await services(stack, serve)
        told = await hive("status", HIVE_FORGE_URL=URL)
        found = check(await hive("doctor", "--json", HIVE_FORGE_URL=URL))
        database = broker.home.root / "forge.sqlite"
        database.touch()
        had_one = check(await hive("doctor", "--json"))
        database.unlink()
    assert told.code == 0
    assert "forge:     forge-gw does not answer" in told.out
    assert found == had_one
    assert found["verdict"] == "warn"
    assert "hive logs forge-gw" in found["cure"]


async def test_a_forge_at_work_is_shown_with_its_version_and_accounts(
    hive: HiveCommand, serve: Serve
) -> None:
    async with AsyncExitStack() as stack:
        await services(stack, serve, desk())
        told = await hive("status")
        found = check(await hive("doctor", "--json"))
        accounts = await hive("forge", "status")
        rotated = await hive("forge", "rotate", "alice")
    assert "service:   forge-gw" in told.out
    assert f"forge:     ready, Forgejo 11.0.3, {URL}, 1 account\n" in told.out
    assert found["verdict"] == "ok"
    assert "…12ab34cd" in accounts.out
    assert "hive/config-alice" in accounts.out
    assert rotated.out == "alice has a new token, …12ab34cd\n"


@pytest.mark.parametrize(
    ("state", "cure"),
    [
        (ForgeState.AWAY, "is it running"),
        (ForgeState.REFUSED, "HIVE_FORGE_TOKEN_FILE"),
        (ForgeState.UNSUPPORTED, "hive runs on"),
    ],
)
async def test_a_forge_that_cannot_be_used_is_a_warning_with_its_cure(
    hive: HiveCommand, serve: Serve, state: ForgeState, cure: str
) -> None:
    async with AsyncExitStack() as stack:
        await services(stack, serve, desk(state, words="no route to host"))
        found = check(await hive("doctor", "--json"))
        told = await hive("status")
    assert found["verdict"] == "warn"
    assert "no route to host" in found["found"]
    assert cure in found["cure"]
    assert told.code == 0


async def test_an_account_that_failed_is_named(hive: HiveCommand, serve: Serve) -> None:
    taken = ForgeAccount(agent="alice", state=AccountState.FAILED, detail="not made by this hive")
    async with AsyncExitStack() as stack:
        await services(stack, serve, desk(account=taken))
        found = check(await hive("doctor", "--json"))
        told = await hive("forge", "status")
    assert "failed: alice" in found["found"]
    assert "hive forge status" in found["cure"]
    assert "not made by this hive" in told.out


async def test_open_work_is_listed_and_a_hostile_title_commands_nothing(
    hive: HiveCommand, serve: Serve
) -> None:
    async with serve("forge-gw", desk()):
        told = await hive("forge", "work", "alice")
        as_json = await hive("forge", "work", "alice", "--json")
    assert "hive/work#7" in told.out
    assert len(told.out.splitlines()) == 2
    assert "\x1b" not in told.out
    assert "\u202e" not in told.out
    assert as_json.json["items"][0]["role"] == "reviewer"


def test_forge_gw_is_started_only_where_there_is_a_forge() -> None:
    without, with_one = real_programs("anna"), real_programs("anna", forge_url=URL)
    assert list(without.services) == ["lifecycle", "approvals", "dashboard"]
    assert list(with_one.services) == ["lifecycle", "approvals", "dashboard", "forge-gw"]
    assert with_one.services["forge-gw"][1:] == ("-m", "hive_forge_gw")
    assert Path(with_one.services["forge-gw"][0]).is_absolute()


@pytest.fixture
def unlucky(tmp_path: Path) -> Iterator[RunningHive]:
    """A hive whose forge's address is wrong."""
    hive = RunningHive(tmp_path, "http://127.0.0.1:9", extra={"HIVE_FORGE_URL": "ftp://forge"})
    yield hive
    hive.stop()


@pytest.mark.timeout(120)
def test_a_forge_gw_that_cannot_start_keeps_nobody_from_working(unlucky: RunningHive) -> None:
    up = unlucky.hive("up", "--detach", "--json")
    told = unlucky.hive("status")
    down = unlucky.hive("down")
    said = (unlucky.home.root / "up.log").read_text()
    assert up.code == 0, up.err
    assert told.code == 0
    assert "forge:     forge-gw does not answer" in told.out
    assert down.code == 0, down.err
    assert "HIVE_FORGE_URL='ftp://forge' is no http URL" in said
