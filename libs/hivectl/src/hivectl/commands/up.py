"""`hive up` and `hive down`: the whole hive, in the foreground or apart."""

import asyncio
import signal
import sys
from pathlib import Path
from typing import Final

import click
from hivecommon.command import start_detached
from hivecommon.contracts.dashboard import DashboardTicket
from hivecommon.errors import HiveError
from hivecommon.home import make_private

from hivectl.cli import hive_command
from hivectl.identity import login_name
from hivectl.outcomes import Outcome
from hivectl.shell import Shell
from hivectl.supervisor.foreground import run_hive
from hivectl.supervisor.process_id import ProcessId, gone
from hivectl.supervisor.programs import real_programs
from hivectl.supervisor.record import READY, Record, RecordFile
from hivectl.supervisor.stopping import stop_remains
from hivectl.supervisor.words import read_error

LOOK_S: Final = 0.1


@hive_command(
    "up",
    ("hive up", "run the hive here; Ctrl-C stops it"),
    ("hive up -d", "run it in the background; `hive down` stops it"),
    ("HIVE_HOME=/tmp/other HIVE_NATS_URL=nats://127.0.0.1:4333 hive up", "a second hive"),
)
@click.option("-d", "--detach", is_flag=True, help="Return once it is up; it goes on.")
async def up(shell: Shell, *, detach: bool) -> None:
    """Run the whole hive: the bus, the services and the agents."""
    operator = shell.environ.get("HIVE_OPERATOR") or login_name(shell.environ)
    if detach:
        await _detach(shell)
    else:
        programs = real_programs(operator, forge_url=shell.environment.forge_url)
        await run_hive(shell, programs)


async def _detach(shell: Shell) -> None:
    home = make_private(shell.environment.home.root)
    output = home / "up.log"
    before = output.stat().st_size if output.exists() else 0
    process = await start_detached(
        [sys.executable, "-m", "hivectl", "up"], env=shell.environ, cwd=Path("/"), output=output
    )
    records = RecordFile(shell.environment.home)
    while not _is_ready(records.read(), process.pid):
        if process.returncode is not None:
            raise _failure(output, before, process.returncode)
        await asyncio.sleep(LOOK_S)
    async with shell.bus() as bus:
        ticket = await bus.request(DashboardTicket())
    if shell.terminal.as_json:
        shell.terminal.json({"ok": True, "pid": process.pid, "log": str(output), "url": ticket.url})
        return
    shell.terminal.line(ticket.url)
    shell.terminal.note(f"the hive is up (pid {process.pid}, {output}); `hive down` stops it")


def _is_ready(record: Record | None, pid: int) -> bool:
    return record is not None and record.supervisor.pid == pid and record.phase == READY


def _failure(output: Path, before: int, status: int) -> HiveError:
    """Return the error that the background process printed before it ended."""
    with output.open("rb") as log:
        log.seek(before)
        lines = log.read().decode(errors="replace").splitlines()
    said = read_error(lines)
    if said is None:
        return HiveError("the hive did not come up", hint=f"see {output}")
    code = "refused" if status == Outcome.REFUSED else "failed"
    return HiveError(said.message, code=code, hint=said.hint)


@hive_command(
    "down",
    ("hive down", "stop the hive: services, agents after their current step, the bus"),
    ("hive down --now", "do not wait for agents: they go on and are adopted by the next `hive up`"),
)
@click.option("--now", is_flag=True, help="Kill the services and do not stop the agents.")
@click.option(
    "--timeout", "timeout_s", type=click.FloatRange(min=0.1), default=180.0, show_default=True,
    help="How many seconds to wait.",
)  # fmt: skip
async def down(shell: Shell, *, now: bool, timeout_s: float) -> None:
    """Stop the hive that `hive up` runs."""
    records = RecordFile(shell.environment.home)
    record = records.read()
    if record is None:
        _tell(shell, "no `hive up` runs this hive")
        return
    if not record.supervisor.alive:
        operator = shell.environ.get("HIVE_OPERATOR") or login_name(shell.environ)
        await stop_remains(record, real_programs(operator), shell.environ)
        records.remove()
        _tell(shell, "stopped what a `hive up` that was killed had left")
        return
    record.supervisor.signal(signal.SIGTERM)
    if now:
        # The second signal is the one that hurries, and a signal that is pending is not sent twice.
        await _phase_changes(records, record)
        record.supervisor.signal(signal.SIGTERM)
    if not await _gone(shell, records, record.supervisor, timeout_s):
        raise HiveError(
            f"the hive (pid {record.supervisor.pid}) still runs after {timeout_s:g} s",
            code="timeout",
            hint="it goes on stopping; `hive down --now` hurries it",
        )
    _tell(shell, "the hive is down")


async def _phase_changes(records: RecordFile, before: Record) -> None:
    while before.supervisor.alive:
        record = records.read()
        if record is None or record.phase != before.phase or record.phase.startswith("stopping"):
            return
        await asyncio.sleep(LOOK_S)


async def _gone(shell: Shell, records: RecordFile, supervisor: ProcessId, timeout_s: float) -> bool:
    told = ""
    deadline = asyncio.get_running_loop().time() + timeout_s
    while not await gone([supervisor], LOOK_S):
        record = records.read()
        if record is not None and record.phase not in {told, READY}:
            told = record.phase
            shell.terminal.note(f"  {told}")
        if asyncio.get_running_loop().time() > deadline:
            return False
    return True


def _tell(shell: Shell, text: str) -> None:
    if shell.terminal.as_json:
        shell.terminal.json({"ok": True, "note": text})
    else:
        shell.terminal.line(text)
