"""`hive login`: logging an agent in at Claude, with a code from a browser or a key from a file."""

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import click
from hivecommon.bus import Bus
from hivecommon.contracts.login import (
    CancelLogin,
    GiveKey,
    Holding,
    KeyKind,
    LoginMethod,
    LoginPhase,
    LoginReply,
    LoginView,
    ReadLogin,
    SendLoginCode,
    StartLogin,
)
from hivecommon.errors import HiveError
from hivecommon.names import AgentName

from hivectl.cli import AGENT, hive_command
from hivectl.harnesses import ask_harness
from hivectl.shell import Shell

_LOOK_S: Final = 0.3
_SILENCE_S: Final = 10.0
_MAX_KEY_BYTES: Final = 8192
_STDIN: Final = 0
_WORDS: Final = {
    Holding.GIVEN_TOKEN: "a token of its own",
    Holding.GIVEN_KEY: "an API key of its own",
    Holding.LOGIN: "its own login",
    Holding.HIVE: "the key or token that the hive was started with",
    Holding.NONE: "nothing",
}


@hive_command(
    "login",
    (
        "hive login alice",
        "log alice in with a Claude subscription: shows a link, asks for the code",
    ),
    ("hive login alice --console", "the same with an account that is billed by tokens"),
    ("hive login alice --token-file token", "give alice a token from `claude setup-token`"),
    ("hive login alice --key-file - <key", "give alice an API key, from stdin"),
    ("hive login alice --forget-key", "take alice's token or key away again"),
    ("hive login alice --status", "what alice's turns are paid with"),
)
@click.argument("agent", type=AGENT)
@click.option("--console", is_flag=True, help="Log in to an account that is billed by tokens.")
@click.option(
    "--token-file", metavar="FILE", help="Give it the token that FILE (`-`: stdin) holds."
)
@click.option(
    "--key-file", metavar="FILE", help="Give it the API key that FILE (`-`: stdin) holds."
)
@click.option("--forget-key", is_flag=True, help="Take a token or key that was given away again.")
@click.option("--status", is_flag=True, help="Only say what its turns are paid with.")
async def login(
    shell: Shell, *, agent: AgentName, console: bool, token_file: str | None, key_file: str | None,
    forget_key: bool, status: bool,
) -> None:  # fmt: skip
    """Log AGENT in at Claude, or give it a token or API key of its own.

    A message that waits for the login goes on by itself. With --json each state is a line, and the
    code is read from stdin.
    """
    chosen = [console, token_file is not None, key_file is not None, forget_key, status]
    if sum(chosen) > 1:
        raise click.UsageError(
            "choose one of --console, --token-file, --key-file, --forget-key, --status"
        )
    async with shell.bus() as bus:
        desk = _Desk(shell, bus, agent)
        if token_file is not None:
            await desk.give(KeyKind.OAUTH_TOKEN, _secret(token_file))
        elif key_file is not None:
            await desk.give(KeyKind.API_KEY, _secret(key_file))
        elif forget_key:
            await desk.give(KeyKind.API_KEY, "")
        elif status:
            desk.tell(await desk.ask(ReadLogin()))
        else:
            await desk.log_in(LoginMethod.CONSOLE if console else LoginMethod.CLAUDEAI)


class _Desk:
    """One agent's login, from here."""

    def __init__(self, shell: Shell, bus: Bus, agent: AgentName) -> None:
        self._shell = shell
        self._bus = bus
        self._agent = agent

    async def ask(
        self, request: StartLogin | SendLoginCode | CancelLogin | ReadLogin | GiveKey
    ) -> LoginView:
        return (await ask_harness(self._bus, self._agent, request)).login

    async def give(self, kind: KeyKind, key: str) -> None:
        self.tell(await self.ask(GiveKey(kind=kind, key=key)))

    def tell(self, view: LoginView) -> None:
        terminal = self._shell.terminal
        if terminal.as_json:
            terminal.json(LoginReply(login=view))
        elif view.holding is Holding.NONE:
            terminal.line(f"{self._agent} has nothing to log in with: `hive login {self._agent}`")
        else:
            account = f" ({view.account})" if view.account else ""
            terminal.line(f"{self._agent}'s turns are paid with {_WORDS[view.holding]}{account}")

    async def log_in(self, method: LoginMethod) -> None:
        """Show the link, hand over codes until one is taken; raise `login_failed` when none is."""
        joined = (await self.ask(ReadLogin())).phase.under_way
        await self.ask(StartLogin(method=method))
        try:
            view = await self._until(lambda view: view.phase is not LoginPhase.STARTING)
            if view.phase.under_way:
                self._show_link(view)
            lines = _Lines()
            while view.phase.under_way:
                view = await self._next_code(lines)
        except BaseException:
            if not joined:
                await self.ask(CancelLogin())
            raise
        if view.phase is LoginPhase.DONE:
            self.tell(view)
            return
        raise HiveError(
            f"{self._agent} is not logged in: {view.words}", code="login_failed", hint=view.hint
        )

    async def _next_code(self, lines: "_Lines") -> LoginView:
        line = asyncio.ensure_future(lines.next())
        # Somebody else may finish it meanwhile, on a page.
        over = asyncio.ensure_future(self._until(lambda view: not view.phase.under_way))
        try:
            await asyncio.wait([line, over], return_when=asyncio.FIRST_COMPLETED)
            if over.done():
                return over.result()
        finally:
            line.cancel()
            over.cancel()
        if not (code := line.result()):
            raise HiveError(
                "stdin ended before a code came", code="login_failed",
                hint="run it where you can type, or hand the code over on stdin",
            )  # fmt: skip
        if not code.strip():
            return await self.ask(ReadLogin())
        view = await self.ask(SendLoginCode(code=code.strip()))
        if view.phase is LoginPhase.WAITING:
            # The CLI takes half a code for none, says so, and waits on.
            view = await self._until(lambda view: bool(view.words), within_s=_SILENCE_S)
        elif view.phase is LoginPhase.CHECKING:
            self._shell.terminal.note("checking the code…")
            view = await self._until(lambda view: view.phase is not LoginPhase.CHECKING)
        if view.phase is LoginPhase.WAITING and view.words:
            self._shell.terminal.note(view.words)
        return view

    async def _until(
        self, wanted: Callable[[LoginView], bool], *, within_s: float | None = None
    ) -> LoginView:
        """Look until `wanted`, or `within_s` has passed; the harness itself ends a login in time."""
        view = await self.ask(ReadLogin())
        try:
            async with asyncio.timeout(within_s):
                while not wanted(view):
                    await asyncio.sleep(_LOOK_S)
                    view = await self.ask(ReadLogin())
        except TimeoutError:
            pass
        return view

    def _show_link(self, view: LoginView) -> None:
        terminal = self._shell.terminal
        if terminal.as_json:
            terminal.json(LoginReply(login=view))
            return
        terminal.note("Open this address in a browser, log in, and paste the code that it shows:")
        terminal.line(view.url)


def _secret(name: str) -> str:
    """Return what a file holds; the secret itself is never an argument."""
    try:
        if name == "-":
            return sys.stdin.read(_MAX_KEY_BYTES)
        with Path(name).open(encoding="utf-8") as file:
            return file.read(_MAX_KEY_BYTES)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise HiveError(f"cannot read {name!r}: {reason}", code="bad_argument") from error


class _Lines:
    """Lines of stdin as they come. The thread that waits for them holds up nobody's exit."""

    def __init__(self) -> None:
        self._lines: asyncio.Queue[str] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._read, daemon=True).start()

    async def next(self) -> str:
        """Return the next line with its end; empty when there are no more."""
        return await self._lines.get()

    def _read(self) -> None:
        # Not from sys.stdin: at its end the interpreter would wait for the lock that a reader holds.
        rest = b""
        while part := os.read(_STDIN, 4096):
            *lines, rest = (rest + part).split(b"\n")
            for line in lines:
                self._tell(line + b"\n")
        if rest:
            self._tell(rest)
        self._tell(b"")

    def _tell(self, line: bytes) -> None:
        with suppress(RuntimeError):  # the loop is over
            self._loop.call_soon_threadsafe(self._lines.put_nowait, line.decode(errors="replace"))
