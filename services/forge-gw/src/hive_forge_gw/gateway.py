"""The loop of forge-gw: is the forge there, who needs what, in which order; again and again."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import httpx
import msgspec
import structlog
from hivecommon.contracts.forge import AccountState, ForgeState
from hivecommon.errors import HiveError, Unavailable
from hivecommon.names import AgentName

from hive_forge_gw.accounts import Accounts
from hive_forge_gw.config import Config
from hive_forge_gw.errors import ForgeAway, ForgeRefused, not_ready
from hive_forge_gw.feed import Feed
from hive_forge_gw.forge import OLDEST, Forge, product, supported
from hive_forge_gw.mirrors import Mirrors
from hive_forge_gw.places import Places
from hive_forge_gw.roster import Roster
from hive_forge_gw.standing import Standing
from hive_forge_gw.store import Store
from hive_forge_gw.tokenfile import read_admin_token

CHECK_S: Final = 600.0
"""How often the forge is asked whether an account and its token still work."""
RETRY_S: Final = 5.0
MAX_RETRY_S: Final = 60.0
AT_ONCE: Final = 4
# A forge writes notifications a moment after it sent the webhook.
ECHO_S: Final = (1.0, 3.0)

_log = structlog.get_logger()


class _Version(msgspec.Struct, frozen=True):
    version: str


@dataclass(frozen=True)
class Parts:
    """What the gateway drives."""

    config: Config
    store: Store
    accounts: Accounts
    places: Places
    mirrors: Mirrors
    feed: Feed
    roster: Roster


class Gateway:
    """Keeps accounts, mirrors and inboxes in step with the forge for as long as it runs.

    It looks at how things are and does what is missing, so that neither a kill nor an outage
    needs anything to be remembered. One agent's trouble does not hold up another.
    """

    def __init__(
        self, parts: Parts, standing: Standing, client: httpx.AsyncClient, now: Callable[[], float]
    ) -> None:
        self._parts = parts
        self._standing = standing
        self._client = client
        self._now = now
        self._wake = asyncio.Event()
        self._echoes: tuple[float, ...] = ()
        self._locks: dict[AgentName, asyncio.Lock] = {}
        self._admin_token = ""
        self._failures = 0

    def wake(self) -> None:
        """Look again soon: something has happened in the hive."""
        self._wake.set()

    def wake_by_forge(self) -> None:
        """Look again several times: something has happened on the forge, which is still at it."""
        self._echoes = ECHO_S
        self._wake.set()

    async def run(self) -> None:
        """Go on for ever."""
        if not self._parts.config.url:
            self._standing.set(ForgeState.UNCONFIGURED, "HIVE_FORGE_URL is not set")
            _log.info("forge_unconfigured")
            return
        while True:
            await self._round()
            pause = self._parts.config.poll_s
            if self._standing.state is not ForgeState.READY:
                pause = min(RETRY_S * 2 ** min(self._failures, 5), MAX_RETRY_S, pause)
            await self._sleep(pause)
            await self._echo()

    async def _sleep(self, pause_s: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self._wake.wait()
        self._wake.clear()

    async def _echo(self) -> None:
        """Look several times after a webhook; the last look is the next round's."""
        echoes, self._echoes = self._echoes, ()
        for pause in echoes:
            await self._round()
            await asyncio.sleep(pause)

    async def _round(self) -> None:
        try:
            forge = await self._connect()
            await self._clear_orphans(forge)
            limit = asyncio.Semaphore(AT_ONCE)
            async with asyncio.TaskGroup() as group:
                for agent in self._parts.accounts.agents():
                    group.create_task(self._limited(limit, forge, agent))
            await self._parts.mirrors.meta(forge, self._admin_token)
            self._standing.set(ForgeState.READY)
        except* ForgeAway as errors:
            self._lost(ForgeState.AWAY, errors)
        except* ForgeRefused as errors:
            self._lost(ForgeState.REFUSED, errors)
        except* HiveError as errors:
            state = ForgeState.AWAY
            if _first(errors).code == "forge_refused":
                state = ForgeState.REFUSED
            elif _first(errors).code == "forge_unsupported":
                state = ForgeState.UNSUPPORTED
            elif self._standing.state is ForgeState.READY:
                state = ForgeState.READY
            self._lost(state, errors)

    def _lost(self, state: ForgeState, errors: ExceptionGroup[HiveError]) -> None:
        error = _first(errors)
        self._failures += 1
        if self._standing.set(state, error.message):
            _log.warning("forge_state", state=state, code=error.code, reason=error.message)

    async def _connect(self) -> Forge:
        """Return the forge, ready to be used; after an outage everything shared is checked anew."""
        if self._standing.state is not ForgeState.READY:
            self._admin_token = read_admin_token(self._parts.config.token_file)
        forge = Forge(self._parts.config.url, self._admin_token, self._client)
        if self._standing.state is not ForgeState.READY:
            await self._check_version(forge)
            await self._parts.places.ensure(forge)
            self._failures = 0
            self._standing.set(ForgeState.READY)
            _log.info("forge_ready", product=self._standing.product, version=self._standing.version)
        return forge

    async def _check_version(self, forge: Forge) -> None:
        version = (await forge.get("/version", _Version)).version
        name, _ = product(version)
        self._standing.product, self._standing.version = name, version
        if not supported(version):
            oldest = ".".join(map(str, OLDEST[name]))
            raise HiveError(
                f"{name} {version} is too old: at least {oldest} is needed",
                code="forge_unsupported",
            )

    async def _limited(self, limit: asyncio.Semaphore, forge: Forge, agent: AgentName) -> None:
        async with limit:
            try:
                await self._see_to(forge, agent)
            except (ForgeAway, ForgeRefused):
                raise
            except Unavailable as error:
                _log.info("notifications_wait", agent=agent, reason=error.message)
            except HiveError as error:
                self._fail(agent, error.message)
            except OSError as error:  # an agent may put anything into its directory
                self._fail(agent, f"{error.filename or 'its state'}: {error.strerror}")

    def _fail(self, agent: AgentName, reason: str) -> None:
        before = self._standing.account(agent)
        if (before.state, before.detail) != (AccountState.FAILED, reason):
            _log.warning("account_failed", agent=agent, reason=reason)
        self._standing.note(agent, AccountState.FAILED, reason)

    async def _see_to(self, forge: Forge, agent: AgentName) -> None:
        known = self._standing.account(agent)
        due = known.state is not AccountState.READY or self._now() - known.checked_at > CHECK_S
        async with self._lock(agent):
            due = due or not self._parts.accounts.holds_token(agent)
            if due:
                await self._provision(forge, agent)
            mirror = await self._parts.mirrors.agent(forge, agent, self._admin_token)
            self._standing.note_mirror(agent, mirror)
            await self._parts.feed.look(forge, agent)
            if due:
                self._standing.note(agent, AccountState.READY)

    def _lock(self, agent: AgentName) -> asyncio.Lock:
        return self._locks.setdefault(agent, asyncio.Lock())

    async def _provision(self, forge: Forge, agent: AgentName) -> None:
        await self._parts.accounts.ensure(forge, agent)
        self._parts.accounts.write_about(
            agent, self._parts.config.url, self._parts.config.default_repo
        )
        await self._parts.places.welcome(forge, agent)

    async def _clear_orphans(self, forge: Forge) -> None:
        """Delete the accounts of purged agents; a directory that merely vanished keeps its account."""
        orphans = self._parts.accounts.orphans()
        if not orphans:
            return
        living = await self._parts.roster.living()
        for agent in orphans:
            if agent in living or self._parts.accounts.has_moved(agent):
                continue
            await self.drop(forge, agent)

    async def drop(self, forge: Forge, agent: AgentName) -> bool:
        """Delete an agent's mirror and account."""
        async with self._lock(agent):
            await self._parts.mirrors.remove(forge, agent)
            removed = await self._parts.accounts.remove(forge, agent)
            self._standing.forget(agent)
        return removed

    # For operators

    def forge(self) -> Forge:
        """Return the forge for an operator's request; raise `forge_not_ready` when it is not there."""
        if self._standing.state is not ForgeState.READY:
            raise not_ready(f"{self._standing.state}: {self._standing.detail}")
        return Forge(self._parts.config.url, self._admin_token, self._client)

    def known(self, agent: AgentName) -> AgentName:
        """Return an agent that has a state directory; raise `unknown_agent`."""
        if not self.has_state(agent):
            raise HiveError(
                f"there is no agent {agent}", code="unknown_agent", hint="see hive.list"
            )
        return agent

    def has_state(self, agent: AgentName) -> bool:
        """Whether an agent has a state directory."""
        return agent in self._parts.accounts.agents()

    async def provision(self, agent: AgentName) -> None:
        """Check and repair an agent's account now."""
        forge = self.forge()
        async with self._lock(self.known(agent)):
            await self._provision(forge, agent)
            mirror = await self._parts.mirrors.agent(forge, agent, self._admin_token)
            self._standing.note_mirror(agent, mirror)
            self._standing.note(agent, AccountState.READY)

    async def rotate(self, agent: AgentName) -> None:
        """Give an agent a new token."""
        forge = self.forge()
        async with self._lock(self.known(agent)):
            await self._provision(forge, agent)
            await self._parts.accounts.renew(forge, agent)

    async def look(self, agent: AgentName) -> int:
        """Look for an agent's notifications now; return how many were delivered."""
        forge = self.forge()
        async with self._lock(self.known(agent)):
            return await self._parts.feed.look(forge, agent)


def _first(group: ExceptionGroup[HiveError]) -> HiveError:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, ExceptionGroup) else inner
