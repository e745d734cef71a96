"""`python -m hivetesting.messages_api`: the scripted Messages API as a program, for demos."""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from hivetesting.messages_api.app import MessagesApp
from hivetesting.messages_api.journal import Journal
from hivetesting.messages_api.request import Request
from hivetesting.messages_api.rules import Script
from hivetesting.messages_api.script_file import ScriptFileError, load
from hivetesting.messages_api.server import listening, uvicorn_server
from hivetesting.messages_api.steps import Step

KEPT = 10


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; 0 when stopped, 1 if the port is taken, 2 for a bad script."""
    parser = argparse.ArgumentParser(prog="python -m hivetesting.messages_api")
    parser.add_argument("script", type=Path, metavar="SCRIPT", help="a script as a TOML file")
    parser.add_argument("--port", type=int, default=0, help="default: any free port")
    given = parser.parse_args(arguments)
    try:
        script = load(given.script)
    except ScriptFileError as error:
        print(f"not a script: {error}", file=sys.stderr)
        return 2
    try:
        listener = listening("127.0.0.1", given.port)
    except (OSError, OverflowError) as error:
        print(f"cannot listen on 127.0.0.1:{given.port}: {error}; use --port", file=sys.stderr)
        return 1
    app = MessagesApp(
        _announced(script.script), agent_pattern=script.agent_pattern, journal=Journal(KEPT)
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _exit)  # uvicorn raises the signal again when it is done
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    with listener:
        uvicorn_server(app).run(sockets=[listener])
    return 0


def _exit(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)


def _announced(script: Script) -> Script:
    """Give the script, with a line on standard output for each request."""

    def announcing(request: Request) -> Sequence[Step]:
        asked = " ".join(request.last_user_text.split())
        print(f"{request.agent}: {asked[:100]!r}", flush=True)
        return script(request)

    return announcing


if __name__ == "__main__":
    sys.exit(main())
