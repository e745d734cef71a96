"""`hive compact|new-session|model`: an agent's conversation, and the model that leads it."""

import click
from hivecommon.contracts.harness import AskHarness, Compact, NewSession, SetModel
from hivecommon.contracts.roster import HarnessStatus
from hivecommon.errors import HiveError
from hivecommon.names import AgentName

from hivectl.cli import AGENT, hive_command
from hivectl.harnesses import ask_harness, report
from hivectl.requests import build
from hivectl.shell import Shell

_EFFORTS = ("low", "medium", "high", "xhigh", "max")


@hive_command("compact", ("hive compact alice", "save notes, then sum the conversation up"))
@click.argument("agent", type=AGENT)
async def compact(shell: Shell, agent: AgentName) -> None:
    """Make AGENT's conversation shorter, after a turn in which it saves its notes."""
    async with shell.bus() as bus:
        done = await ask_harness(bus, agent, Compact())
    report(
        shell, done, f"{agent} saves its notes and sums up, once no turn runs",
        f"{agent} was asked for that already, or has no conversation yet",
    )  # fmt: skip


@hive_command("new-session", ("hive new-session alice", "notes and files stay, the talk does not"))
@click.argument("agent", type=AGENT)
async def new_session(shell: Shell, agent: AgentName) -> None:
    """Let AGENT begin a new conversation with its next turn; its notes and files stay."""
    async with shell.bus() as bus:
        done = await ask_harness(bus, agent, NewSession())
    report(
        shell, done, f"{agent} begins a new conversation with its next turn",
        f"{agent}'s conversation is a new one already",
    )  # fmt: skip


@hive_command(
    "model",
    ("hive model alice", "which one it has"),
    ("hive model alice claude-opus-4-6 --effort high", "another one, from the next turn on"),
    ("hive model alice --default", "what its agent.toml says"),
)
@click.argument("agent", type=AGENT)
@click.argument("model", required=False)
@click.option("--effort", type=click.Choice(_EFFORTS), help="How hard it thinks.")
@click.option("--default", "reset", is_flag=True, help="Model and effort of its agent.toml again.")
async def model(
    shell: Shell, agent: AgentName, *, model: str | None, effort: str | None, reset: bool
) -> None:
    """Show or choose AGENT's MODEL and how hard it thinks, from its next turn on, for good."""
    if reset and (model or effort):
        raise HiveError(
            "--default stands alone", code="bad_argument",
            hint="choose a model, or go back to what agent.toml says",
        )  # fmt: skip
    async with shell.bus() as bus:
        if reset:
            reply = await ask_harness(bus, agent, SetModel(model="", effort=""))
        elif model or effort:
            wish = build(SetModel, model=model, effort=effort)
            reply = await ask_harness(bus, agent, wish)
        else:
            reply = await ask_harness(bus, agent, AskHarness())
    if shell.terminal.as_json:
        shell.terminal.json({"ok": True, **_chosen(reply.status)})
    else:
        effort_words = reply.status.effort or "as the model does by itself"
        shell.terminal.line(f"model:   {reply.status.model}")
        shell.terminal.line(f"effort:  {effort_words}")


def _chosen(status: HarnessStatus) -> dict[str, str]:
    return {"model": status.model, "effort": status.effort}
