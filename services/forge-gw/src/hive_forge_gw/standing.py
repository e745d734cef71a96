"""How things stand: with the forge as a whole, and with each agent's account there."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from hivecommon.contracts.forge import AccountState, ForgeAccount, ForgeState, ForgeStatus
from hivecommon.names import AgentName

from hive_forge_gw.config import Config
from hive_forge_gw.store import Store


@dataclass(frozen=True)
class Account:
    """What was last found out about an account."""

    state: AccountState = AccountState.PENDING
    detail: str = ""
    mirror: str = ""
    checked_at: float = 0.0
    """When the forge was last asked about it (unix time)."""


@dataclass
class Standing:
    """The state that operators are shown; nothing in it is a secret."""

    config: Config
    now: Callable[[], float]
    state: ForgeState = ForgeState.CONNECTING
    detail: str = ""
    since: float = 0.0
    version: str = ""
    product: str = ""
    accounts: dict[AgentName, Account] = field(default_factory=dict)

    def set(self, state: ForgeState, detail: str = "") -> bool:
        """Take note of the forge's state; return whether it changed."""
        changed = state is not self.state or not self.since
        if changed:
            self.since = self.now()
        self.state, self.detail = state, detail
        return changed

    def account(self, agent: AgentName) -> Account:
        """Return what is known of an account."""
        return self.accounts.get(agent, Account())

    def note(self, agent: AgentName, state: AccountState, detail: str = "") -> None:
        """Take note of an account's state."""
        before = self.account(agent)
        self.accounts[agent] = replace(before, state=state, detail=detail, checked_at=self.now())

    def note_mirror(self, agent: AgentName, mirror: str) -> None:
        """Take note of an account's mirror."""
        self.accounts[agent] = replace(self.account(agent), mirror=mirror)

    def forget(self, agent: AgentName) -> None:
        """Drop an account."""
        self.accounts.pop(agent, None)

    def show_account(self, store: Store, agent: AgentName, delivered: int) -> ForgeAccount:
        """Return one account for an operator."""
        known, stored = self.account(agent), store.account(agent)
        since = stored.token_at if stored else None
        return ForgeAccount(
            agent=agent,
            state=known.state,
            detail=known.detail,
            token_last_eight=stored.token_last_eight if stored else "",
            token_since=datetime.fromtimestamp(since, UTC) if since else None,
            mirror=known.mirror,
            delivered=delivered,
        )

    def show(self, store: Store) -> ForgeStatus:
        """Return everything for an operator."""
        counts = store.count_delivered()
        return ForgeStatus(
            state=self.state,
            detail=self.detail,
            since=datetime.fromtimestamp(self.since or self.now(), UTC),
            url=self.config.url,
            product=self.product,
            version=self.version,
            organization=self.config.organization if self.config.url else "",
            repo=self.config.default_repo if self.config.url else "",
            webhook=self.config.webhook_url if self.config.url else "",
            accounts=[
                self.show_account(store, agent, counts.get(agent, 0))
                for agent in sorted(self.accounts)
            ],
        )
