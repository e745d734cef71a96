"""`hive pause|resume|interrupt|retry`: an agent's turns."""

import click
from hivecommon.contracts.harness import Interrupt, RetryNow
from hivecommon.contracts.lifecycle import Pause, Resume
from hivecommon.names import AgentName

from hivectl.cli import AGENT, hive_command
from hivectl.harnesses import ask_harness, report
from hivectl.shell import Shell


@hive_command("pause", ("hive pause alice", "finish the turn that runs, then queue messages"))
@click.argument("agent", type=AGENT)
async def pause(shell: Shell, agent: AgentName) -> None:
    """Park AGENT's turns, also while it is stopped; messages queue."""
    async with shell.bus() as bus:
        done = await bus.request(Pause(agent=agent))
    report(shell, done, f"{agent} is paused", f"{agent} was paused already")


@hive_command("resume", ("hive resume alice", "go on with what has queued"))
@click.argument("agent", type=AGENT)
async def resume(shell: Shell, agent: AgentName) -> None:
    """Let a paused AGENT go on."""
    async with shell.bus() as bus:
        done = await bus.request(Resume(agent=agent))
    report(shell, done, f"{agent} goes on", f"{agent} was not paused")


@hive_command("interrupt", ("hive interrupt alice", "stop the turn that runs"))
@click.argument("agent", type=AGENT)
async def interrupt(shell: Shell, agent: AgentName) -> None:
    """Stop the turn that AGENT runs."""
    async with shell.bus() as bus:
        done = await ask_harness(bus, agent, Interrupt())
    report(shell, done, f"{agent}'s turn is interrupted", f"{agent} had no turn to interrupt")


@hive_command("retry", ("hive retry alice", "try again now what waits for a limit or a repair"))
@click.argument("agent", type=AGENT)
async def retry(shell: Shell, agent: AgentName) -> None:
    """Let AGENT try again at once: after a limit, a repair, or a spend cap, which is lifted for today."""
    async with shell.bus() as bus:
        done = await ask_harness(bus, agent, RetryNow())
    report(shell, done, f"{agent} tries again", f"{agent} waited for nothing")
