"""An agent's account on the forge and its token: steps that may be repeated and killed anywhere.

What holds after any kill: the account exists at most once and is ours; every token of it whose
value is not in the agent's file is deleted before a new one is made.
"""

import hashlib
import json
import secrets
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import structlog
from hivecommon.errors import HiveError
from hivecommon.home import HiveHome
from hivecommon.names import AgentName, parse_agent_name

from hive_forge_gw import tokenfile
from hive_forge_gw.errors import ForgeSaid
from hive_forge_gw.forge import Forge, Token, User, segment
from hive_forge_gw.store import Account, Store

SCOPES: Final = (
    "read:organization",
    "read:user",
    "write:issue",
    "write:notification",
    "write:repository",
)
TOKEN_NAME: Final = "hyperhive"  # noqa: S105 - what the forge lists it as
# RFC 2606: nothing can ever be delivered there. It also marks the accounts that are ours.
EMAIL_DOMAIN: Final = "agents.hyperhive.invalid"
_RETRIED: Final = 3

_log = structlog.get_logger()


def email(agent: str) -> str:
    """Return the address of an agent's account."""
    return f"{agent}@{EMAIL_DOMAIN}"


def digest(token: str) -> str:
    """Return what is remembered of a token: enough to know it again, not to use it."""
    return hashlib.sha256(token.encode()).hexdigest()


def new_password() -> str:
    """Return a random password that any forge's rules about kinds of characters let pass."""
    return secrets.token_urlsafe(32) + "aA1!"


def state_mark(directory: Path) -> str:
    """Return what makes a directory the same one under another name."""
    found = directory.stat()
    return f"{found.st_dev}:{found.st_ino}"


class Accounts:
    """Sees to the accounts of all agents that have a state directory."""

    def __init__(self, home: HiveHome, store: Store, now: Callable[[], float]) -> None:
        self._home = home
        self._store = store
        self._now = now

    def agents(self) -> list[AgentName]:
        """Return the agents that have a state directory, running or not."""
        if not self._home.agents.is_dir():
            return []
        found = []
        for folder in sorted(self._home.agents.iterdir()):
            try:
                agent = parse_agent_name(folder.name)
            except HiveError:
                continue
            state = self._home.state(agent)
            if state.is_dir() and not state.is_symlink():
                found.append(agent)
        return found

    def holds_token(self, agent: AgentName) -> bool:
        """Whether the agent's file still has the token that we wrote; asks no forge."""
        account = self._store.account(agent)
        if account is None or not account.token_digest:
            return False
        return digest(self._file_token(agent)) == account.token_digest

    def _file_token(self, agent: AgentName) -> str:
        raw = tokenfile.read_inside(self._home.state(agent), tokenfile.TOKEN) or b""
        return raw.decode("ascii", "replace").strip()

    async def ensure(self, forge: Forge, agent: AgentName) -> Account:
        """Return the agent's account with a working token in its file."""
        tokenfile.sweep(self._home.state(agent))
        await self._follow_rename(forge, agent)
        user = await self._user(forge, agent)
        account = self._store.account(agent)
        mark = state_mark(self._home.state(agent))
        if account is None or account.user_id != user.id:
            account = Account(agent, user.id, mark, looked_at=self._now())
        account = replace(account, state_dir=mark)
        self._store.put_account(account)
        if self.holds_token(agent) and await self._works(forge, agent):
            return account
        return await self.renew(forge, agent)

    async def _works(self, forge: Forge, agent: AgentName) -> bool:
        try:
            user = await forge.get("/user", User, token=self._file_token(agent))
        except ForgeSaid as error:
            _log.info("token_rejected", agent=agent, status=error.status)
            return False
        return user.login == agent

    async def _user(self, forge: Forge, agent: AgentName) -> User:
        """Return the account, made if need be; never one that somebody else made."""
        for _ in range(_RETRIED):
            user = await forge.find(f"/users/{segment(agent)}", User)
            if user is not None and user.login == agent:
                if user.email != email(agent):
                    raise HiveError(
                        f"there is an account {agent} on the forge that this hive did not make",
                        code="account_taken",
                        hint=f"rename the agent (`hive rename`) or the account; ours have {email(agent)}",
                    )
                return user
            fields = {
                "username": agent,
                "email": email(agent),
                "password": new_password(),
                "must_change_password": False,
                "send_notify": False,
            }
            try:
                await forge.ask("POST", "/admin/users", fields)
            except ForgeSaid as error:
                if "name is reserved" in error.words:
                    raise HiveError(
                        f"the forge lets no account be called {agent}: {error.words}",
                        code="account_taken",
                        hint="rename the agent (`hive rename`)",
                    ) from error
                if "already exists" not in error.words:  # somebody was faster: look again
                    raise
        raise HiveError(
            f"the forge neither shows nor makes the account {agent}", code="forge_error"
        )

    async def renew(self, forge: Forge, agent: AgentName) -> Account:
        """Delete the account's tokens, make a new one, and put it into the agent's file.

        Tokens are made with the account's password alone, so it gets a new random one each time,
        which is forgotten at once.
        """
        password = new_password()
        fields = {
            "login_name": agent,
            "source_id": 0,
            "password": password,
            "must_change_password": False,
        }
        await forge.ask("PATCH", f"/admin/users/{segment(agent)}", fields)
        login = (agent, password)
        path = f"/users/{segment(agent)}/tokens"
        for old in [token async for token in forge.pages(path, Token, login=login)]:
            await forge.ask("DELETE", f"{path}/{old.id}", login=login, allowed={404})
        wanted = {"name": TOKEN_NAME, "scopes": list(SCOPES)}
        answer = await forge.ask("POST", path, wanted, login=login)
        value = str(answer.json()["sha1"])
        tokenfile.write_inside(
            self._home.state(agent), tokenfile.TOKEN, f"{value}\n".encode(), mode=0o600
        )
        account = self._store.account(agent)
        if account is None:
            raise HiveError(f"{agent} has no account", code="forge_error")
        account = replace(
            account, token_digest=digest(value), token_last_eight=value[-8:], token_at=self._now()
        )
        self._store.put_account(account)
        _log.info("token_renewed", agent=agent)
        return account

    def write_about(self, agent: AgentName, url: str, repo: str) -> None:
        """Tell the agent's command where the forge is and where it works."""
        about = json.dumps({"url": url, "repo": repo, "user": agent}).encode() + b"\n"
        state = self._home.state(agent)
        if tokenfile.read_inside(state, tokenfile.ABOUT) != about:
            tokenfile.write_inside(state, tokenfile.ABOUT, about, mode=0o644)

    async def _follow_rename(self, forge: Forge, agent: AgentName) -> None:
        """Rename the account when the agent's directory is that of one which is gone."""
        if self._store.account(agent) is not None:
            return
        mark = state_mark(self._home.state(agent))
        for account in self._store.accounts():
            # An inode alone is used again; the token file moved along with its directory.
            moved = (
                account.state_dir == mark
                and digest(self._file_token(agent)) == account.token_digest
            )
            if moved and not self._home.state(AgentName(account.agent)).exists():
                await self._rename(forge, account, agent)
                return

    async def _rename(self, forge: Forge, account: Account, agent: AgentName) -> None:
        old = account.agent
        found = await forge.find(f"/users/{segment(old)}", User)
        if found is not None and found.login == old:
            new = {"new_username": agent}
            await forge.ask("POST", f"/admin/users/{segment(old)}/rename", new)
        address = {"login_name": agent, "source_id": 0, "email": email(agent)}
        await forge.ask("PATCH", f"/admin/users/{segment(agent)}", address)
        self._store.rename_account(old, agent)
        _log.info("account_renamed", agent=agent, before=old)

    async def remove(self, forge: Forge, agent: AgentName) -> bool:
        """Delete the account with its tokens; return whether there was one of ours."""
        user = await forge.find(f"/users/{segment(agent)}", User)
        ours = user is not None and user.login == agent and user.email == email(agent)
        if ours:
            await forge.ask(
                "DELETE", f"/admin/users/{segment(agent)}", query={"purge": "true"}, allowed={404}
            )
            _log.info("account_removed", agent=agent)
        known = self._store.account(agent) is not None
        self._store.forget_account(agent)
        return ours or known

    def has_moved(self, agent: AgentName) -> bool:
        """Whether the directory of an account's agent has another agent's name now."""
        account = self._store.account(agent)
        marks = {state_mark(self._home.state(other)) for other in self.agents()}
        return account is not None and account.state_dir in marks

    def orphans(self) -> list[AgentName]:
        """Return our accounts whose agents have no directory any more."""
        if not self._home.agents.is_dir():
            return []
        return [
            AgentName(account.agent)
            for account in self._store.accounts()
            if not self._home.agent(AgentName(account.agent)).exists()
        ]
