"""Running a hive in this process: signals, the lock, where logs go."""

import asyncio
import signal
from typing import Any

import structlog
from hivecommon.contracts.logs import Level
from structlog.typing import EventDict, WrappedLogger

from hivectl.log_lines import parse_level
from hivectl.shell import Shell
from hivectl.supervisor.display import Display
from hivectl.supervisor.programs import Programs
from hivectl.supervisor.readiness import OperatorReadiness
from hivectl.supervisor.record import RecordFile, only_one
from hivectl.supervisor.supervisor import Requests, Supervisor


async def run_hive(shell: Shell, programs: Programs) -> None:
    """Run the hive until SIGINT, SIGTERM or the terminal's end; a second signal hurries."""
    if not shell.terminal.interactive:
        shell.terminal.as_json = True
    environment = shell.environment
    display = Display(shell.terminal, shell.now)
    _log_to(display)
    records = RecordFile(environment.home)
    requests = Requests()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, requests.stop_or_hurry)
    with only_one(environment.home, records):
        supervisor = Supervisor(environment, shell.environ, programs, display, records)
        await supervisor.run(requests, OperatorReadiness(shell, display))


def _log_to(display: Display) -> None:
    """Let what libraries log appear among the children's lines."""

    def show(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        fields: dict[str, Any] = dict(event)
        level = parse_level(str(fields.pop("level", Level.INFO)))
        display.say(level, str(fields.pop("event", "")), **fields)
        raise structlog.DropEvent

    structlog.configure(processors=[structlog.processors.add_log_level, show])
