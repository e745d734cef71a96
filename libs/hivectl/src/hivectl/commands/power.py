"""`hive start|stop|restart|rebuild`: jobs on running agents."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click
from hivecommon.contracts.base import AgentRequest
from hivecommon.contracts.jobs import JobAccepted
from hivecommon.contracts.lifecycle import Rebuild, Restart, Start, Stop
from hivecommon.errors import HiveError
from hivecommon.names import AgentName

from hivectl.cli import AGENT, hive_command
from hivectl.following import announce, follow
from hivectl.shell import Shell

F = TypeVar("F", bound=Callable[..., Any])


def _agents_argument(function: F) -> F:
    no_wait = click.option("--no-wait", is_flag=True, help="Return as soon as the job is accepted.")
    return click.argument("agents", type=AGENT, nargs=-1, required=True)(no_wait(function))


async def _command(
    shell: Shell,
    verb: type[AgentRequest[JobAccepted]],
    agents: Sequence[AgentName],
    *,
    no_wait: bool,
) -> None:
    """Begin the jobs all at once, then follow each; what fails for one does not stop the others."""
    failure: HiveError | None = None
    accepted: list[JobAccepted] = []
    async with shell.bus() as bus:
        for agent in dict.fromkeys(agents):
            try:
                accepted.append(await bus.request(verb(agent=agent)))
            except HiveError as error:
                failure = _also(shell, failure, error)
        for job in accepted:
            try:
                if no_wait:
                    announce(shell, job)
                else:
                    await follow(shell, bus, job)
            except HiveError as error:
                failure = _also(shell, failure, error)
    if failure is not None:
        raise failure


def _also(shell: Shell, before: HiveError | None, error: HiveError) -> HiveError:
    """Return the newest failure, once the one before it has been told."""
    if before is not None:
        shell.terminal.error(before)
    return error


@hive_command("start", ("hive start alice", "start alice and see it happen"))
@_agents_argument
async def start(shell: Shell, agents: tuple[AgentName, ...], no_wait: bool) -> None:  # noqa: FBT001 - click passes options by name
    """Start AGENTS; one that runs is left alone."""
    await _command(shell, Start, agents, no_wait=no_wait)


@hive_command("stop", ("hive stop alice bob", "stop both; their messages wait for them"))
@_agents_argument
async def stop(shell: Shell, agents: tuple[AgentName, ...], no_wait: bool) -> None:  # noqa: FBT001 - as above
    """Stop AGENTS after their current step."""
    await _command(shell, Stop, agents, no_wait=no_wait)


@hive_command("restart", ("hive restart alice", "stop and start; the session goes on"))
@_agents_argument
async def restart(shell: Shell, agents: tuple[AgentName, ...], no_wait: bool) -> None:  # noqa: FBT001 - as above
    """Restart AGENTS; their sessions go on."""
    await _command(shell, Restart, agents, no_wait=no_wait)


@hive_command(
    "rebuild",
    ("hive rebuild alice", "re-apply everything of alice's and repair it"),
    ("nats req --raw hive.rebuild alice | jq -e .ok", "the same from a script with natscli"),
)
@_agents_argument
async def rebuild(shell: Shell, agents: tuple[AgentName, ...], no_wait: bool) -> None:  # noqa: FBT001 - as above
    """Re-apply all that belongs to AGENTS and repair what is broken."""
    await _command(shell, Rebuild, agents, no_wait=no_wait)
