"""Children of `hive up`, as real processes."""

import asyncio
import io
import json
import os
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hivecommon.command import run
from hivecommon.errors import HiveError
from hivectl.supervisor.child import Child, Program, end, start
from hivectl.supervisor.display import Display
from hivectl.supervisor.process_id import ProcessId, end_all, gone
from hivectl.supervisor.words import check, read_error
from hivectl.terminal import Terminal

AT = datetime(2026, 11, 22, tzinfo=UTC)


class Lines(io.StringIO):
    """Where the display prints; tells when a line has come."""

    def __init__(self) -> None:
        super().__init__()
        self.came = asyncio.Event()

    def write(self, text: str) -> int:  # type: ignore[explicit-override] # the stream's own name
        self.came.set()
        return super().write(text)

    async def until(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        async with asyncio.timeout(20):
            while True:
                for line in self.getvalue().splitlines():
                    found: dict[str, Any] = json.loads(line) if line.endswith("}") else {}
                    if found and holds(found):
                        return found
                self.came.clear()
                await self.came.wait()


def python(code: str, name: str = "child") -> Program:
    return Program(name, (sys.executable, "-c", code), dict(os.environ))  # noqa: TID251 - what a child inherits


def shown(lines: Lines) -> Display:
    terminal = Terminal(lines, lines)
    terminal.as_json = True
    return Display(terminal, lambda: AT)


def child(program: Program, lines: Lines) -> Child:
    return Child(program, shown(lines), changed=lambda _name, _process: None)


async def test_what_dies_is_started_again_with_growing_pauses() -> None:
    lines = Lines()
    keeper = child(python("raise SystemExit(7)"), lines)
    async with asyncio.TaskGroup() as group:
        group.create_task(keeper.keep_running())
        await lines.until(lambda line: line.get("again_in_s") == 0.5)
        await keeper.stop()
    first = json.loads(lines.getvalue().splitlines()[0])
    assert (first["event"], first["child"], first["status"]) == ("child_ended", "child", 7)
    assert first["again_in_s"] == 0.25


async def test_what_cannot_be_started_is_said_and_tried_again() -> None:
    lines = Lines()
    keeper = child(Program("bus", ("/no/such/program",), {}), lines)
    async with asyncio.TaskGroup() as group:
        group.create_task(keeper.keep_running())
        await lines.until(lambda line: line["event"] == "child_ended")
        await keeper.stop()


async def test_lines_of_every_sort_come_through() -> None:
    lines = Lines()
    code = (
        "import json,time;"
        "print(json.dumps({'event':'hello','level':'warning','n':1}));"
        "print('plain \\x1b[2J words');"
        "print('[12] 2026/11/22 19:00:00.000000 [ERR] bad thing');"
        "print('x' * 3_000_000);"
        "print('last', flush=True); time.sleep(60)"
    )
    keeper = child(python(code), lines)
    async with asyncio.TaskGroup() as group:
        group.create_task(keeper.keep_running())
        await lines.until(lambda line: line["event"] == "last")
        await keeper.stop()
    found = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert (found[0]["event"], found[0]["level"], found[0]["n"]) == ("hello", "warning", 1)
    assert found[1]["event"] == "plain \x1b[2J words"
    assert (found[2]["event"], found[2]["level"]) == ("bad thing", "error")
    assert "\x1b" not in lines.getvalue()


async def test_what_ignores_sigterm_is_killed() -> None:
    code = (
        "import signal; signal.signal(15, signal.SIG_IGN); print('on', flush=True); signal.pause()"
    )
    process = await start(python(code))
    assert process.stdout is not None
    assert await process.stdout.readline() == b"on\n"
    await end(process, 0.1)
    assert process.returncode == -signal.SIGKILL
    await process.stdout.read()


@pytest.mark.needs("setpriv")
async def test_children_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    said = tmp_path / "pid"
    code = (
        "import asyncio, os, sys;"
        "from hivectl.supervisor.child import Program, start;\n"
        "async def main():\n"
        "    process = await start(Program('x', ('sleep', '1000'), dict(os.environ)))\n"
        f"    open({str(said)!r}, 'w').write(str(process.pid))\n"
        "    os.kill(os.getpid(), 9)\n"
        "asyncio.run(main())"
    )
    killed = await run([sys.executable, "-c", code], timeout_s=30)
    assert killed.code == -signal.SIGKILL
    process = ProcessId.of(int(said.read_text()))
    assert process is None or await gone([process], 5)


async def test_a_process_is_not_taken_for_one_with_its_old_number() -> None:
    own = ProcessId.own()
    assert own.alive
    assert not ProcessId(own.pid, own.started + 1).alive
    ProcessId(own.pid, own.started + 1).signal(signal.SIGKILL)


async def test_leftovers_are_ended() -> None:
    process = await start(python("import time; time.sleep(1000)"))
    left = ProcessId.of(process.pid)
    assert left is not None
    async with asyncio.TaskGroup() as group:
        group.create_task(process.wait())
        await end_all([left])
    assert not left.alive


def test_our_programs_last_words_are_read_back() -> None:
    error = read_error(["{}", "error: no: really", "hint: do this"])
    assert error is not None
    assert (error.message, error.hint) == ("no: really", "do this")
    assert read_error(["nothing", "hint: lost"]) is None


async def test_a_failed_command_is_told_in_its_own_words() -> None:
    said = await run(
        ["sh", "-c", "echo error: broken >&2; echo hint: mend >&2; exit 1"], timeout_s=9
    )
    with pytest.raises(HiveError, match="broken") as caught:
        check(said)
    assert caught.value.hint == "mend"
    with pytest.raises(HiveError, match="status 3"):
        check(await run(["sh", "-c", "exit 3"], timeout_s=9))
