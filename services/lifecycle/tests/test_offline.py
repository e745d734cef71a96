"""What works without a bus: preparing one, and ending all agents."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hive_lifecycle.agents import Agent
from hive_lifecycle.offline import prepare, stop_agents
from hive_lifecycle.runtime import Report, Runtime
from hive_lifecycle.store import Store
from hivecommon.broker import agent_key
from hivecommon.environment import HiveEnvironment, read_environment
from hivecommon.errors import HiveError
from hivecommon.keys import ensure_key
from hivecommon.names import AgentName

from services.lifecycle.tests.conftest import Hive

NAMES = [AgentName(name) for name in ("alice", "bob", "carol")]


@pytest.fixture
def hive_environment(tmp_path: Path) -> HiveEnvironment:
    """A hive of which nothing is there yet."""
    variables = {"HIVE_HOME": str(tmp_path / "home"), "HIVE_RUN": str(tmp_path / "run")}
    return read_environment(variables, uid=os.getuid())


def with_agents(environment: HiveEnvironment) -> None:
    store = Store(environment.home.lifecycle_db)
    for name in NAMES:
        store.put(Agent(name=name, created_at=datetime(2026, 1, 1, tzinfo=UTC)))
    store.bury(NAMES[1], datetime(2026, 1, 2, tzinfo=UTC), purged=False)
    store.close()


def test_the_bus_is_prepared_with_the_living_agents_and_only_with_them(
    hive_environment: HiveEnvironment,
) -> None:
    with_agents(hive_environment)
    conf = prepare(hive_environment, "anna")
    agents = (conf.parent / "agents.conf").read_text()
    keys = [ensure_key(agent_key(hive_environment.home, name)) for name in NAMES]
    assert [key in agents for key in keys] == [True, False, True]
    assert prepare(hive_environment, "anna").read_text() == conf.read_text()
    assert (conf.parent / "agents.conf").read_text() == agents


@pytest.mark.parametrize("name", ["", "../root", "A b", "-", "x" * 40])
def test_a_bad_operators_name_is_refused(hive_environment: HiveEnvironment, name: str) -> None:
    with pytest.raises(HiveError) as caught:
        prepare(hive_environment, name)
    assert caught.value.code == "bad_name"
    assert not hive_environment.home.root.exists()


class Stopping:
    """As much of a runtime as stopping needs; one agent cannot be stopped."""

    def __init__(self) -> None:
        self.stopped: list[AgentName] = []

    async def stop(self, name: AgentName, _report: Report) -> None:
        if name == "alice":
            raise HiveError("alice hangs", code="stop_failed")
        self.stopped.append(name)


async def test_one_agent_that_cannot_be_stopped_keeps_no_other_from_being_stopped(
    hive_environment: HiveEnvironment,
) -> None:
    with_agents(hive_environment)
    runtime = Stopping()
    failures = await stop_agents(hive_environment, as_runtime(runtime))
    assert [error.message for error in failures] == ["alice hangs"]
    assert runtime.stopped == ["carol"]


def as_runtime(stopping: Stopping) -> Runtime:
    return stopping  # type: ignore[return-value] # stop_agents calls nothing but stop


async def test_without_a_hive_there_is_nothing_to_stop(hive_environment: HiveEnvironment) -> None:
    assert await stop_agents(hive_environment, as_runtime(Stopping())) == []
    assert not hive_environment.home.root.exists()


async def test_the_commands_say_what_is_wrong_and_exit_with_1(hive: Hive) -> None:
    wrong = hive.offline("prepare-bus", "--operator", "../root")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert wrong.stderr.startswith("error: '../root' is no operator's name\nhint: ")
    right = hive.offline("prepare-bus", "--operator", "tester")
    assert right.stdout.strip() == str(hive.environment.home.bus / "nats-server.conf")
    assert hive.offline("no-such-command").returncode == 2
