"""`hive open`: the link that logs a browser in."""

import webbrowser

import click
from hivecommon.contracts.dashboard import DashboardTicket
from hivecommon.contracts.harness import Ticket, UiTicket, ticket_fragment
from hivecommon.names import AgentName, agent_port

from hivectl.cli import AGENT, hive_command
from hivectl.harnesses import ask_harness
from hivectl.shell import Shell
from hivectl.times import date_and_time


@hive_command(
    "open",
    ("hive open", "the dashboard"),
    ("hive open alice", "alice's own page, with her live transcript"),
    ("hive open --no-browser", "print the link, to be opened elsewhere"),
)
@click.argument("agent", type=AGENT, required=False)
@click.option("--no-browser", is_flag=True, help="Only print the link.")
async def open_(shell: Shell, agent: AgentName | None, *, no_browser: bool) -> None:
    """Print a link that logs in once: to the dashboard, or to an AGENT's page; open it if possible."""
    async with shell.bus() as bus:
        if agent is None:
            ticket = await bus.request(DashboardTicket())
        else:
            given = await ask_harness(bus, agent, UiTicket())
            fragment = ticket_fragment(agent, given)
            url = f"http://127.0.0.1:{agent_port(agent)}/#{fragment}"
            ticket = Ticket(url=url, expires_at=given.expires_at)
    _tell(shell, ticket)
    if not no_browser and shell.terminal.interactive and _has_display(shell):
        webbrowser.open(ticket.url)


def _tell(shell: Shell, ticket: Ticket) -> None:
    if shell.terminal.as_json:
        shell.terminal.json(ticket)
        return
    shell.terminal.line(ticket.url)
    shell.terminal.note(f"works once, until {date_and_time(ticket.expires_at)}")


def _has_display(shell: Shell) -> bool:
    return any(shell.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
