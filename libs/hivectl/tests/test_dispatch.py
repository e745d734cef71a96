"""What every command has in common: misuse, an absent bus, a foreign key, help."""

import asyncio
import signal
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from hivecommon.broker import operator_key
from hivecommon.bus import Bus
from hivecommon.command import run
from hivecommon.contracts.streams import STREAMS
from hivecommon.home import HiveHome
from hivecommon.keys import ensure_key
from hivectl.cli import COMMANDS, cli
from hivetesting.broker import Broker, free_port, running_broker
from hivetesting.commands import HiveCommand, environ_of


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (("lss",), "there is no command 'lss'; did you mean 'ls'?", "see `hive --help`"),
        (("spawn",), "Missing argument 'NAME'.", "see `hive spawn --help`"),
        (("ls", "--colour"), "--colour", "see `hive ls --help`"),
        (("logs", "--since", "soon"), "'soon' is no time", "write 30s"),
        (("logs", "--grep", "("), "--grep '(' is no regular expression", "backslash"),
        (("logs", "a.b"), "'a.b' cannot stand in a subject", ""),
        (("approve", "seven"), "'seven' is not a valid number.", "see `hive approve --help`"),
        (("operator", "add", "../x"), "'../x' is no operator's name", "1 to 32 of a-z"),
        (("spawn", "alice", "--model", "a b"), "the settings cannot be used", "a model is"),
        (("spawn", "alice", "--persona", "x" * 20_001), "the settings cannot be used", "20,000"),
        (("send", "alice", "  "), "the message is empty", "write something"),
        (("send", "alice", "x" * 262_145), "at most 262144 are carried", "put it into a file"),
        (("nats-context", "../x"), "'../x' is no context name", "use letters"),
        (("jobs", "--wait"), "--wait needs a job", "hive jobs"),
    ],
)
async def test_misuse_is_two_lines_and_status_2(
    hive: HiveCommand, arguments: tuple[str, ...], message: str, hint: str
) -> None:
    said = await hive(*arguments)
    assert said.code == 2
    first, *rest = said.err.splitlines()
    assert first.startswith("error: ")
    assert message in first
    assert hint in "\n".join(rest)
    assert "Traceback" not in said.err


async def test_misuse_with_json_is_answered_in_json(hive: HiveCommand) -> None:
    said = await hive("status", "--json", "../x")
    assert said.code == 2
    assert said.json["error"]["code"] == "bad_name"


async def test_what_cannot_be_understood_is_answered_in_json_too(hive: HiveCommand) -> None:
    said = await hive("spawn", "-rf", "--json")
    assert said.code == 2
    assert said.json["error"]["code"] == "bad_argument"


async def test_an_absent_bus_is_named_with_what_to_do(hive: HiveCommand) -> None:
    url = f"nats://127.0.0.1:{free_port()}"
    for arguments in (("ls",), ("send", "alice", "hi"), ("logs", "-f")):
        said = await hive(*arguments, HIVE_NATS_URL=url)
        assert said.code == 1
        first, second = said.err.splitlines()
        assert first.startswith(f"error: no bus at {url}")
        assert "hive up" in second


async def test_a_bad_environment_names_the_variable(hive: HiveCommand) -> None:
    said = await hive("ls", HIVE_NATS_URL="http://x", HIVE_DASHBOARD_PORT="99999")
    assert said.code == 2
    assert "HIVE_NATS_URL" in said.err
    assert "HIVE_DASHBOARD_PORT" in said.err


async def test_the_key_of_another_hive_is_refused_by_the_bus(
    hive: HiveCommand, broker: Broker, tmp_path: Path
) -> None:
    ensure_key(operator_key(HiveHome(tmp_path), "eve"))
    said = await hive("ls", HIVE_HOME=str(tmp_path), HIVE_OPERATOR="eve")
    assert said.code == 3
    assert "does not know the key of operator 'eve'" in said.err


async def test_a_service_that_is_away_is_named(hive: HiveCommand) -> None:
    said = await hive("pause", "alice")
    assert said.code == 1
    assert "hive.pause" in said.err


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_explains_itself_with_examples(name: str) -> None:
    shown = CliRunner().invoke(cli, [name, "--help"])
    assert shown.exit_code == 0
    assert "--json" in shown.output
    assert "Examples:" in shown.output or name in {"operator", "forge", "schedule"}


async def test_the_first_answer_waits_for_no_heavy_import() -> None:
    code = (
        "import sys, hivectl.__main__, hivectl.commands.agents, hivecommon.bus;"
        "print([name for name in ('rich', 'structlog', 'uvloop', 'sqlalchemy', 'fastapi')"
        " if name in sys.modules])"
    )
    done = await run([sys.executable, "-c", code], timeout_s=60)
    assert done.check().stdout == b"[]\n"


async def test_a_closed_pipe_is_no_traceback() -> None:
    shell = f"{sys.executable} -m hivectl --help | head -c 1"
    done = await run(["sh", "-c", shell], timeout_s=60)
    assert done.stdout == b"U"
    assert done.stderr == b""


def test_destroy_refuses_without_yes_when_nobody_is_at_the_keyboard(hive: HiveCommand) -> None:
    said = hive.process("destroy", "alice")
    assert said.code == 2
    assert "add --yes" in said.err


def test_destroy_asks_for_the_name_on_a_terminal(hive: HiveCommand) -> None:
    with hive.on_terminal("destroy", "alice", "--purge") as screen:
        assert "all its notes, login and history" in screen.until("Type its name")
        screen.type("bob\n")
        screen.until("nothing was destroyed")
        assert screen.process.wait(30) == 2


async def test_a_bus_that_goes_away_in_the_middle_is_no_traceback(tmp_path: Path) -> None:
    with running_broker(tmp_path / "hive") as own:
        bus = await Bus.connect(own.service_login("lifecycle"))
        for stream in STREAMS:
            await bus.declare(stream)
        await bus.publish("log.lifecycle.info", b'{"event":"one"}')
        await bus.drain()
        with HiveCommand(environ_of(own)).on_terminal("logs", "-f") as screen:
            await asyncio.to_thread(screen.until, "one")
            own.kill()
            screen.process.send_signal(signal.SIGINT)
            assert "Traceback" not in await asyncio.to_thread(screen.rest)
            # Whichever it met first: the end of the bus, or Ctrl-C.
            assert screen.process.returncode in {1, 130}
