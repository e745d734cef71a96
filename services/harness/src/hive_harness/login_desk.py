"""Where an operator logs the agent in: runs `claude auth login` and tells how it goes."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import structlog
from hivecommon.command import Converse, Dialogue
from hivecommon.contracts.base import Reply, Request
from hivecommon.contracts.events import LoggedIn
from hivecommon.contracts.login import (
    CancelLogin,
    GiveKey,
    Holding,
    KeyKind,
    LoginMethod,
    LoginReply,
    LoginView,
    ReadLogin,
    SendLoginCode,
    StartLogin,
)
from hivecommon.errors import HiveError

from hive_harness import login
from hive_harness.account import Account
from hive_harness.config import CREDENTIAL_VARIABLES
from hive_harness.credentials import Credentials
from hive_harness.endpoints import Handler, Handlers
from hive_harness.eventlog import Clock
from hive_harness.orphans import MARK

_KEEPER: Final = Path(__file__).parent / "keeper.py"

_log = structlog.get_logger()


@dataclass(frozen=True)
class LoginCli:
    """How the CLI is run for a login."""

    find_cli: Callable[[], Awaitable[Path]]
    converse: Converse
    run: Path
    environment: Mapping[str, str]
    life: timedelta
    """How long a login may take."""

    async def argv(self, method: LoginMethod) -> Sequence[str]:
        """Return the command line, with the keeper before it that ends it when we are killed."""
        cli = await self.find_cli()
        keeper = [sys.executable, "-I", "-S", str(_KEEPER), str(os.getpid())]
        return [*keeper, str(cli), "auth", "login", f"--{method}"]

    @property
    def variables(self) -> dict[str, str]:
        """Return what the CLI is told; a key of the hive's has no business in a login."""
        return {
            **self.environment,
            **dict.fromkeys(CREDENTIAL_VARIABLES, ""),
            MARK: str(self.run),
            # There is no browser here: the address is for the operator's.
            "BROWSER": "/bin/true",
        }


class LoginDesk:
    """One login at a time; its state is told to whoever asks."""

    def __init__(
        self, cli: LoginCli, credentials: Credentials, account: Account, group: asyncio.TaskGroup,
        clock: Clock, on_login: Callable[[LoggedIn], object],
    ) -> None:  # fmt: skip
        self._cli = cli
        self._credentials = credentials
        self._account = account
        self._group = group
        self._clock = clock
        self._on_login = on_login
        self._verbs: dict[type[Request[Any]], Handler[Any]] = {
            StartLogin: self.start,
            SendLoginCode: self.paste,
            CancelLogin: self.cancel,
            ReadLogin: self.read,
            GiveKey: self.give_key,
        }
        self._state: login.State = login.Idle()
        self._running: asyncio.Task[None] | None = None
        self._dialogue: Dialogue | None = None

    @property
    def endpoints(self) -> Handlers:
        """Return each request class with its handler."""
        return self._verbs

    async def answer(self, request: Request[LoginReply]) -> Reply:
        """Answer any request of a login, as it comes from a page."""
        return await self._verbs[type(request)](request)

    async def start(self, request: StartLogin) -> LoginReply:
        """Begin a login, or join the one that is under way."""
        await self._take(login.Asked(request.method, self._cli.life))
        return await self._reply()

    async def paste(self, request: SendLoginCode) -> LoginReply:
        """Hand the CLI a code."""
        await self._take(login.Pasted(request.code))
        return await self._reply()

    async def cancel(self, _request: CancelLogin) -> LoginReply:
        """Give up the login that is under way, if one is."""
        await self._take(login.Cancelled())
        return await self._reply()

    async def read(self, _request: ReadLogin) -> LoginReply:
        """Tell how it goes."""
        return await self._reply()

    async def give_key(self, request: GiveKey) -> LoginReply:
        """Keep a key for the next turn, or take it away."""
        given = self._credentials.given
        if not request.key:
            if given.remove():
                _log.info("key_taken_away")
            return await self._reply()
        given.write(request.kind, request.key)
        _log.info("key_given", kind=str(request.kind))
        self._welcome("a token" if request.kind is KeyKind.OAUTH_TOKEN else "an API key")
        return await self._reply()

    async def _reply(self) -> LoginReply:
        state = self._state
        until = state.until if isinstance(state, login.Starting | login.Waiting) else None
        holding = self._credentials.holding
        return LoginReply(
            login=LoginView(
                phase=login.phase_of(state),
                holding=holding,
                account=await self._account.words() if holding is Holding.LOGIN else "",
                method=None if isinstance(state, login.Idle) else state.method,
                url=state.url if isinstance(state, login.Waiting) else "",
                words=login.words_of(state),
                hint=state.hint if isinstance(state, login.Failed) else "",
                expires_at=until,
            )
        )

    async def _take(self, event: login.Event) -> None:
        before = self._state
        self._state, actions = login.step(before, event, self._clock())
        for action in actions:
            match action:
                case login.Run(method):
                    _log.info("login_started", method=str(method))
                    self._running = self._group.create_task(self._run(method))
                case login.Say(line) if self._dialogue is not None:
                    await self._dialogue.say(line)
                case login.Kill() if self._running is not None:
                    self._running.cancel()
                case login.Welcome() if isinstance(self._state, login.Done):
                    self._forget_given()
                    self._welcome(f"a login with {self._state.method}")
        if self._state is not before:
            self._note()

    def _forget_given(self) -> None:
        """Let the newest act count: an older key would go before a login."""
        try:
            self._credentials.given.remove()
        except HiveError as error:
            _log.warning("key_not_taken_away", reason=error.message)

    def _note(self) -> None:
        match self._state:
            case login.Failed(method, words):
                _log.warning("login_failed", method=str(method), reason=words)
            case login.Idle(words) if words:
                _log.info("login_cancelled")
            case _:
                pass

    def _welcome(self, means: str) -> None:
        _log.info("agent_logged_in", means=means)
        self._on_login(LoggedIn(means))

    async def _run(self, method: LoginMethod) -> None:
        """Run the CLI to its end; cancelled when the login is given up, and then silent."""
        try:
            async with asyncio.timeout(self._cli.life.total_seconds()):
                status = await self._talk(await self._cli.argv(method))
        except TimeoutError:
            event: login.Event = login.Late()
        except HiveError as error:
            event = login.Ended(1, f"{error.message} {error.hint}".strip())
        else:
            event = login.Ended(status)
        self._running = None
        await self._take(event)

    async def _talk(self, argv: Sequence[str]) -> int:
        async with self._cli.converse(argv, self._cli.variables) as dialogue:
            self._dialogue = dialogue
            try:
                while text := await dialogue.read():
                    await self._take(login.Printed(text))
                return await dialogue.status()
            finally:
                self._dialogue = None
