"""`hive spawn`: a new agent, at once or once another operator agrees."""

from typing import TextIO

import click
import msgspec
from hivecommon.contracts.approvals import ProposeSpawn
from hivecommon.contracts.lifecycle import AgentSettings, Spawn
from hivecommon.errors import HiveError
from hivecommon.names import AgentName

from hivectl.cli import AGENT, hive_command
from hivectl.following import announce, follow
from hivectl.shell import Shell


@hive_command(
    "spawn",
    ("hive spawn alice", "an agent with the default persona and model"),
    ("hive spawn bob --persona 'You review code.'", "with a persona"),
    ("hive spawn bob --persona-file bob.md", "the persona from a file, - for stdin"),
    ("hive spawn eve --request --reason 'to test'", "leave the decision to another operator"),
)
@click.argument("name", type=AGENT)
@click.option("--persona", help="Who it is and how it works, in words.")
@click.option("--persona-file", type=click.File(), help="The persona from a file; - for stdin.")
@click.option("--model", help="A model's name, e.g. claude-sonnet-4-5.")
@click.option(
    "--recipient", "recipients", multiple=True, metavar="AGENT", type=AGENT,
    help="It may write to this agent; can be repeated. Default: to everybody.",
)  # fmt: skip
@click.option("--reason", default="", help="Why, for the record.")
@click.option("--request", is_flag=True, help="Only ask for it: an operator approves.")
@click.option("--no-wait", is_flag=True, help="Return as soon as the job is accepted.")
async def spawn(  # noqa: PLR0913 - one parameter for each option
    shell: Shell,
    name: AgentName,
    *,
    persona: str | None,
    persona_file: TextIO | None,
    model: str | None,
    recipients: tuple[AgentName, ...],
    reason: str,
    request: bool,
    no_wait: bool,
) -> None:
    """Make a new agent called NAME, or revive a destroyed one."""
    settings = agent_settings(
        persona=_persona(persona, persona_file), model=model, recipients=list(recipients) or None
    )
    async with shell.bus() as bus:
        if request:
            asked = await bus.request(ProposeSpawn(agent=name, settings=settings, reason=reason))
            if shell.terminal.as_json:
                shell.terminal.json(asked)
            else:
                number = asked.approval.id
                shell.terminal.line(
                    f"approval {number} {asked.approval.state}: `hive approve {number}` spawns it"
                )
            return
        accepted = await bus.request(Spawn(agent=name, settings=settings, reason=reason))
        if no_wait:
            announce(shell, accepted)
            return
        await follow(shell, bus, accepted)
    if not shell.terminal.as_json:
        shell.terminal.note(f"next: hive send {name} 'Hello!' · hive open {name}")


def _persona(text: str | None, file: TextIO | None) -> str:
    if text is not None and file is not None:
        raise HiveError(
            "--persona and --persona-file exclude each other", code="bad_argument",
            hint="give one of them",
        )  # fmt: skip
    if file is None:
        return text or ""
    try:
        return file.read()
    except (UnicodeDecodeError, OSError) as error:
        raise HiveError(
            f"the persona in {file.name!r} cannot be read: {error}", code="bad_argument",
            hint="it must be UTF-8 text",
        ) from error  # fmt: skip


def agent_settings(
    *, persona: str, model: str | None, recipients: list[str] | None
) -> AgentSettings:
    """Return checked settings; raise `bad_argument` naming the one that is wrong."""
    given = {"persona": persona, "model": model, "recipients": recipients}
    try:
        return msgspec.convert(given, AgentSettings)
    except msgspec.ValidationError as error:
        raise HiveError(
            f"the settings cannot be used: {error}", code="bad_argument",
            hint="a persona has at most 20,000 characters; a model is a name like claude-sonnet-4-5",
        ) from error  # fmt: skip
