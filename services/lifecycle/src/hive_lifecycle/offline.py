"""What is done for a hive that is not up: preparing its bus, ending its agents."""

import asyncio
from pathlib import Path

import msgspec
from hivecommon.broker import prepare_bus
from hivecommon.broker_admin import write_agents
from hivecommon.contracts.operators import OperatorName
from hivecommon.environment import HiveEnvironment
from hivecommon.errors import HiveError
from hivecommon.names import AgentName

from hive_lifecycle.runtime import Runtime
from hive_lifecycle.store import Store


def prepare(hive: HiveEnvironment, operator: str) -> Path:
    """Make all that the bus needs to start, with all agents known to it; return its configuration."""
    try:
        msgspec.convert(operator, type=OperatorName)
    except msgspec.ValidationError as error:
        raise HiveError(
            f"{operator!r} is no operator's name", code="bad_name",
            hint="use 1 to 32 of a-z, 0-9, '.', '_' and '-', with a letter or digit at both ends",
        ) from error  # fmt: skip
    conf = prepare_bus(hive.home, hive.bus, hive.monitor_port, operator)
    store = Store(hive.home.lifecycle_db)
    try:
        write_agents(hive.home, {agent.name: agent.settings.recipients for agent in store.living()})
    finally:
        store.close()
    return conf


async def stop_agents(hive: HiveEnvironment, runtime: Runtime) -> list[HiveError]:
    """Stop all agents side by side, and nothing else: they start again with the hive.

    Returns what went wrong; one that cannot be stopped keeps no other from being stopped.
    """
    if not hive.home.lifecycle_db.exists():
        return []
    store = Store(hive.home.lifecycle_db)
    try:
        names = [agent.name for agent in store.living()]
    finally:
        store.close()
    failures: list[HiveError] = []

    async def stop(name: AgentName) -> None:
        try:
            await runtime.stop(name, _unheard)
        except HiveError as error:
            failures.append(error)

    async with asyncio.TaskGroup() as group:
        for name in names:
            group.create_task(stop(name))
    return failures


async def _unheard(text: str, *, changed: bool = True) -> None:
    """Take a step that nobody follows."""
