"""`make demo`: a whole hive with a scripted model, and two agents at work; no account, no network.

ada is asked how many moons a planet has; she asks bob, bob answers, she writes it into a file under
/state and tells the operator. All is real but the model: the bus, the services, the Claude CLI.
"""

import argparse
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

import structlog

from hivetesting.hive import RunningHive, Said, hive_command

SCRIPT: Final = Path(__file__).with_name("demo.toml")
PLANETS: Final = ("Mars", "Earth", "Venus")
FACT: Final = "Mars has 2 moons: Phobos and Deimos."
TELL_S: Final = 120.0
BETWEEN_S: Final = 20.0


class DemoFailed(Exception):
    """The story was not told; the message says at which point."""


class _Over(Exception):
    """Somebody pressed Ctrl-C or sent SIGTERM."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo until Ctrl-C; with --once until the story is told. 0 when it was told, else 1."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="end when the story is told")
    parser.add_argument("--directory", type=Path, help="where its hive lives; default: temporary")
    given = parser.parse_args(arguments)
    # That a hive which is starting does not answer yet is no news.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _over)
    try:
        with ExitStack() as stack:
            directory = given.directory or Path(
                stack.enter_context(tempfile.TemporaryDirectory(prefix="hyperhive-demo-"))
            )
            model = stack.enter_context(_model(directory))
            hive = stack.enter_context(_hive(directory, model))
            _tell(hive, stay=not given.once)
    except _Over:
        return 0
    except DemoFailed as error:
        _say(f"error: {error}")
        return 1
    return 0


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a program that shows something


def _over(_number: int, _frame: FrameType | None) -> None:
    # A second Ctrl-C must not cut off the orderly end.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise _Over


@contextmanager
def _model(directory: Path) -> Iterator[str]:
    """Run the scripted Messages API; yield its address."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "model.log").open("wb") as log:
        process = subprocess.Popen(
            _until_we_end(sys.executable, "-m", "hivetesting.messages_api", str(SCRIPT)),
            stdout=subprocess.PIPE, stderr=log, start_new_session=True,
        )  # fmt: skip
    assert process.stdout is not None  # noqa: S101 - asked for above
    try:
        url = process.stdout.readline().decode().strip()
        if not url.startswith("http"):
            raise DemoFailed(f"the scripted model did not start: {directory / 'model.log'}")
        with _drained(process.stdout.fileno()):
            yield url
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def _until_we_end(*argv: str) -> list[str]:
    """Let the kernel end the program with us: a Ctrl-C while it is being started loses sight of it."""
    setpriv = shutil.which("setpriv")
    return [*([setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []), *argv]


@contextmanager
def _drained(descriptor: int) -> Iterator[None]:
    """Read what the model says of each request, so that it never waits for a reader."""
    with subprocess.Popen(
        _until_we_end("cat"), stdin=descriptor, stdout=subprocess.DEVNULL, start_new_session=True
    ) as sink:
        try:
            yield
        finally:
            sink.terminate()


@contextmanager
def _hive(directory: Path, model: str) -> Iterator[RunningHive]:
    _say("starting a hive of its own …")
    hive = RunningHive(directory, model, extra=_terminal())
    try:
        yield hive.start()
    except RuntimeError as error:
        raise DemoFailed(str(error)) from error
    finally:
        _say("stopping …")
        hive.stop()


def _terminal() -> dict[str, str]:
    return {name: os.environ[name] for name in ("TERM", "TZ") if name in os.environ}


def _tell(hive: RunningHive, *, stay: bool) -> None:
    for agent, persona in (
        ("ada", "You find things out and keep notes of them."),
        ("bob", "You know the planets."),
    ):
        _done(hive.hive("spawn", agent, "--persona", persona), f"spawn {agent}")
        hive.until_running(agent)
    link = _done(hive.hive("open", "--no-browser"), "open").out.strip()
    settings = " ".join(
        f"{name}={value}" for name, value in hive.environment.items() if name.startswith("HIVE_")
    )
    _say(f"\n  dashboard  {link}\n  from another terminal:\n    export {settings}")
    _say("    hive ls; hive events -f; hive send ada 'Hello!' --wait\n")
    with _narration(hive):
        _ask(hive, PLANETS[0])
        _until(lambda: FACT in _notes(hive), "ada writes it down under /state")
        _until(lambda: FACT in hive.hive("inbox", "--all").out, "ada tells the operator")
        _say(f"\n  told: {_notes_file(hive)} says {_notes(hive).strip()!r}")
        if not stay:
            return
        _say("  it goes on until Ctrl-C\n")
        for planet in PLANETS[1:]:
            time.sleep(BETWEEN_S)
            _ask(hive, planet)
        while True:
            signal.pause()


@contextmanager
def _narration(hive: RunningHive) -> Iterator[None]:
    """Print what happens, as any operator can see it."""
    with subprocess.Popen(
        _until_we_end(
            hive_command(), "events", "-f", "--since", "2s", "--kind", "turn_started",
            "--kind", "text", "--kind", "tool_call", "--kind", "message_sent", "--kind", "turn_ended",
        ),
        env=hive.environment, start_new_session=True,
    ) as process:  # fmt: skip
        try:
            yield
        finally:
            process.terminate()


def _ask(hive: RunningHive, planet: str) -> None:
    task = f"Find out from bob how many moons {planet} has, and write it down."
    _done(hive.hive("send", "ada", task), "send")


def _notes_file(hive: RunningHive) -> Path:
    return hive.root / "hive" / "agents" / "ada" / "state" / "moons.md"


def _notes(hive: RunningHive) -> str:
    try:
        return _notes_file(hive).read_text()
    except FileNotFoundError:
        return ""


def _done(said: Said, what: str) -> Said:
    if said.code != 0:
        raise DemoFailed(f"hive {what} ended with {said.code}: {said.err.strip()}")
    return said


def _until(holds: Callable[[], bool], what: str) -> None:
    """Return once it holds: what is awaited happens in other processes."""
    deadline = time.monotonic() + TELL_S
    while not holds():
        if time.monotonic() > deadline:
            raise DemoFailed(f"waited {TELL_S:g} s in vain: {what}")
        time.sleep(0.2)


if __name__ == "__main__":
    sys.exit(main())
