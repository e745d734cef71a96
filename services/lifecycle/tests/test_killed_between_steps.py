"""lifecycle killed with -9 between the steps of each verb, on both runtimes: the next one finishes it.

By default not at all of them, since each costs a restart of everything: HIVE_TEST_KILL_STRIDE=1 does.
"""

import asyncio
import itertools
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from hivecommon.contracts.changes import ExecuteApply, MarkCommit, PinCommit, Stage
from hivecommon.contracts.events import HiveEvent, JobChanged
from hivecommon.contracts.jobs import JobAccepted
from hivecommon.contracts.lifecycle import Destroy, Rebuild, Rename, Restart, Spawn
from hivecommon.contracts.roster import ContainerState
from hivecommon.names import AgentName
from hivetesting.nixos.bench import host_environ
from hivetesting.nixos.host import StandInHost, stand_in_host
from nats.aio.msg import Msg

from services.lifecycle.tests.conftest import PATIENCE_S, Hive
from services.lifecycle.tests.test_config_repos import Manager

PROJECT = Path(__file__).resolve().parents[3]
HARNESS = Path(__file__).with_name("stand_in.py").read_text()
ALICE = AgentName("alice")
STRIDE = int(os.environ.get("HIVE_TEST_KILL_STRIDE", "4"))  # noqa: TID251 - a switch of the tests
AT_LEAST = 4
"""Fewer steps than this would mean that the test missed its moments."""

Order = Callable[[], Awaitable[JobAccepted]]

pytestmark = [pytest.mark.needs("bwrap", "flock"), pytest.mark.timeout(900)]


@pytest.fixture(params=["local", "nixos"])
def host(request: pytest.FixtureRequest) -> Iterator[StandInHost | None]:
    """A NixOS host, or none: on the local runtime."""
    if request.param == "local":
        yield None
        return
    with stand_in_host(PROJECT) as host:
        host.layout.turn(
            harness=[sys.executable, "-P", "-c", HARNESS],
            harness_env={"HIVE_AGENT_RUN": "/run/hive", "HYPERHIVE_STATE_DIR": "/state"},
        )
        yield host


@pytest.fixture
def hive_environ(host: StandInHost | None) -> dict[str, str]:
    return host_environ(host) if host is not None else {}


class Killer:
    """Kills lifecycle as soon as a job has taken so many steps."""

    def __init__(self, hive: Hive) -> None:
        self._hive = hive
        self._steps: dict[str, int] = {}
        self._ended: set[str] = set()
        self._moved = asyncio.Condition()

    async def take(self, msg: Msg) -> None:
        body = msgspec.json.decode(msg.data, type=HiveEvent).body
        if isinstance(body, JobChanged):
            async with self._moved:
                self._steps[body.job.id] = len(body.job.steps)
                if body.job.state.ended:
                    self._ended.add(body.job.id)
                self._moved.notify_all()

    async def cut_off(self, order: Order, steps: int) -> bool:
        """Give the order, kill, begin anew, wait for the end; return False if it ended before."""
        accepted = await order()

        def so_far() -> bool:
            return accepted.job in self._ended or self._steps.get(accepted.job, -1) >= steps

        async with asyncio.timeout(PATIENCE_S), self._moved:
            await self._moved.wait_for(so_far)
        in_the_middle = accepted.job not in self._ended
        self._hive.end_lifecycle(signal.SIGKILL)
        self._hive.start_lifecycle()
        await self._hive.done(accepted)
        return in_the_middle


@pytest.fixture
async def killer(hive: Hive) -> AsyncIterator[Killer]:
    killer = Killer(hive)
    subscription = await hive.operator.subscribe(HiveEvent.filter_for("job"), killer.take)
    await hive.operator.client.flush()
    yield killer
    await subscription.unsubscribe()


async def until_it_is_over(
    killer: Killer, order: Callable[[int], Order], check: Callable[[], Awaitable[None]]
) -> None:
    """Do it again and again, killed one step later each time, until it ends before the kill."""
    for steps in itertools.count(step=STRIDE):
        in_the_middle = await killer.cut_off(order(steps), steps)
        await check()
        if not in_the_middle:
            break
    assert steps >= AT_LEAST


async def assert_well(hive: Hive, host: StandInHost | None, name: str) -> None:
    row = await hive.until(name, lambda row: row.harness.status_text.startswith("reading"))
    assert (row.name, row.state, row.needs_update) == (name, ContainerState.RUNNING, False)
    if host is not None:
        assert host.faults() == []
        assert host.run("nixos-container", "list").stdout == f"h-{name}\n"


@pytest.mark.parametrize("verb", [Rebuild, Restart])
async def test_an_agent_that_is_rebuilt_or_restarted_runs_afterwards(
    hive: Hive,
    killer: Killer,
    host: StandInHost | None,
    verb: type[Rebuild] | type[Restart],
) -> None:
    await hive.spawn(ALICE)
    await until_it_is_over(
        killer,
        lambda _steps: lambda: hive.ask(verb(agent=ALICE)),
        lambda: assert_well(hive, host, ALICE),
    )


async def test_a_change_that_is_deployed_is_deployed_once_and_runs_afterwards(
    hive: Hive, killer: Killer, host: StandInHost | None
) -> None:
    await hive.spawn(ALICE)
    home, run = hive.environment.home, hive.environment.run
    manager = Manager(home.config(ALICE))
    approvals = await hive.approvals_bus()
    wanted = ""

    async def apply(steps: int) -> JobAccepted:
        nonlocal wanted
        text = f'persona = "the {steps}th"\n[tools]\ndeny = ["WebFetch"]\n'
        wanted = manager.commit(agent__toml=text, agent__nix=f"{{ x = {steps}; }}\n")
        number = steps + 100  # spawns have numbers of their own
        await approvals.request(PinCommit(agent=ALICE, commit=wanted), timeout_s=PATIENCE_S)
        mark = MarkCommit(agent=ALICE, approval=number, commit=wanted, stage=Stage.PROPOSAL)
        await approvals.request(mark, timeout_s=PATIENCE_S)
        order = ExecuteApply(
            agent=ALICE, approval=number, commit=wanted, requested_by="agent:hm1nd"
        )
        return await approvals.request(order, timeout_s=PATIENCE_S)

    async def check() -> None:
        await assert_well(hive, host, ALICE)
        told = json.loads((run.agent(ALICE) / "harness.json").read_text())
        persona = manager.git("show", f"{wanted}:agent.toml").partition('"')[2].partition('"')[0]
        assert (told["persona"], told["tools_denied"]) == (persona, ["WebFetch"])
        if host is not None:
            system = host.system("h-alice")
            assert system is not None
            text = (system / "sources/config/agent.nix").read_text()
            assert text.strip() == manager.git("show", f"{wanted}:agent.nix").strip()
            inside = ("run", "h-alice", "--", "readlink", "/run/current-system")
            assert host.run("nixos-container", *inside).stdout.strip() == str(system)
            assert (await hive.row(ALICE)).deployed == wanted

    await until_it_is_over(killer, lambda steps: lambda: apply(steps), check)


async def test_an_agent_that_is_spawned_is_there_and_one_that_is_destroyed_is_gone(
    hive: Hive, killer: Killer, host: StandInHost | None
) -> None:
    home = hive.environment.home
    # So that no kill comes before there are notes to keep.
    await hive.spawn(ALICE)
    (home.state(ALICE) / "notes.md").write_text("remember")
    in_the_middle, steps = True, 0
    while in_the_middle:
        destroyed = await killer.cut_off(lambda: hive.ask(Destroy(agent=ALICE)), steps)
        assert await hive.names() == []
        assert (home.state(ALICE) / "notes.md").read_text() == "remember"
        if host is not None:
            assert host.faults() == []
            assert host.run("nixos-container", "list").stdout == ""
            assert list(host.layout.state_dir.iterdir()) == []
        spawned = await killer.cut_off(lambda: hive.ask(Spawn(agent=ALICE)), steps)
        await assert_well(hive, host, ALICE)
        assert (home.state(ALICE) / "notes.md").read_text() == "remember"
        in_the_middle, steps = destroyed or spawned, steps + STRIDE
    assert steps > AT_LEAST


async def test_an_agent_that_is_renamed_is_one_agent_with_all_that_was_his(
    hive: Hive, killer: Killer, host: StandInHost | None
) -> None:
    home = hive.environment.home
    names = itertools.cycle([AgentName("victor"), AgentName("viktor")])
    now = next(names)
    await hive.spawn(now)
    (home.state(now) / "notes.md").write_text("remember")
    (home.claude(now) / "credentials").write_text("login")

    async def rename() -> JobAccepted:
        nonlocal now
        old, now = now, next(names)
        return await hive.ask(Rename(agent=old, to=now))

    async def check() -> None:
        assert await hive.names() == [now]
        assert (home.state(now) / "notes.md").read_text() == "remember"
        assert (home.claude(now) / "credentials").read_text() == "login"
        assert [path.name for path in home.agents.iterdir()] == [now]
        await assert_well(hive, host, now)

    await until_it_is_over(killer, lambda _steps: rename, check)
