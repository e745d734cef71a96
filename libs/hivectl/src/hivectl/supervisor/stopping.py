"""Stopping what a `hive up` that was killed has left behind."""

from collections.abc import Mapping

from hivecommon.command import run

from hivectl.supervisor.process_id import end_all
from hivectl.supervisor.programs import Programs
from hivectl.supervisor.record import Record
from hivectl.supervisor.supervisor import STOP_AGENTS_S
from hivectl.supervisor.words import check


async def stop_remains(record: Record, programs: Programs, environ: Mapping[str, str]) -> None:
    """End the children of a dead supervisor, and all agents; raise `command_failed`."""
    await end_all([child for child in record.children.values() if child.alive])
    check(await run(programs.stop_agents, timeout_s=STOP_AGENTS_S, env=dict(environ)))
