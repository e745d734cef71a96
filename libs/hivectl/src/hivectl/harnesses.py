"""Asking an agent's harness, which answers only while the agent runs."""

from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from hivecommon.contracts.base import Reply, Request
from hivecommon.contracts.lifecycle import Done, GetStatus
from hivecommon.errors import Unavailable
from hivecommon.names import AgentName

from hivectl.shell import Shell

if TYPE_CHECKING:
    from hivecommon.bus import Bus

R = TypeVar("R", bound=Reply)


def report(shell: Shell, done: Done, changed: str, as_it_was: str) -> None:
    """Say what was done, or that there was nothing to do."""
    if shell.terminal.as_json:
        shell.terminal.json(done)
    else:
        shell.terminal.line(changed if done.changed else as_it_was)


async def ask_harness(bus: "Bus", agent: AgentName, request: Request[R]) -> R:
    """Return the answer; raise `unknown_agent`, or `Unavailable` saying how to see whether it runs."""
    try:
        return await bus.request(request, agent=agent)
    except Unavailable as error:
        with suppress(Unavailable):  # then nobody can tell whether there is such an agent
            await bus.request(GetStatus(agent=agent), timeout_s=1)
        raise Unavailable(
            f"{agent} does not answer", hint=f"does it run? see `hive status {agent}`"
        ) from error
