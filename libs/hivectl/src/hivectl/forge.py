"""The hive's forge as its operator sees it: whether there is one, and how it is."""

from typing import Final

import msgspec
from hivecommon.bus import Bus
from hivecommon.contracts.forge import AccountState, ForgeState, ForgeStatus, GetForgeStatus
from hivecommon.environment import HiveEnvironment
from hivecommon.errors import HiveError
from nats.errors import Error as NatsError

SERVICE: Final = "forge-gw"
PATIENCE_S: Final = 1.0
"""A service that is there answers a ping within a few milliseconds."""
NONE: Final = "none (`hive up` starts forge-gw where HIVE_FORGE_URL is set)"


class Forge(msgspec.Struct, frozen=True):
    """What was found out."""

    expected: bool
    """Whether this hive is to have a forge, or has had one."""
    status: ForgeStatus | None
    """What forge-gw says; None when it does not answer."""

    @property
    def well(self) -> bool:
        """Whether nothing is to be done about it."""
        if self.status is None:
            return not self.expected
        return self.status.state is ForgeState.READY and not self.failed

    @property
    def failed(self) -> list[str]:
        """The agents whose accounts are not right."""
        accounts = self.status.accounts if self.status else []
        return [each.agent for each in accounts if each.state is AccountState.FAILED]

    def words(self) -> str:
        """Return it in a line."""
        if self.status is None:
            return f"{SERVICE} does not answer" if self.expected else NONE
        status = self.status
        product = f" {status.product} {status.version}," if status.product else ""
        detail = f" ({status.detail})" if status.detail else ""
        failed = f", failed: {', '.join(self.failed)}" if self.failed else ""
        count = len(status.accounts)
        return (
            f"{status.state}{detail},{product} {status.url},"
            f" {count} {'account' if count == 1 else 'accounts'}{failed}"
        )

    def cure(self) -> str:
        """Return what to do about it; empty when it is well."""
        if self.well:
            return ""
        if self.status is None:
            return f"start `hive up` with HIVE_FORGE_URL set, or see `hive logs {SERVICE}`"
        if self.status.state is ForgeState.READY:
            return "`hive forge status` says why; it is tried again by itself"
        if self.status.state is ForgeState.REFUSED:
            return "put an administrator's token (all scopes, mode 0600) into HIVE_FORGE_TOKEN_FILE"
        return "the hive runs on, and takes its work up when the forge is back: is it running?"


async def look_at_forge(bus: Bus, environment: HiveEnvironment) -> Forge:
    """Return how the forge is; takes no time where there is none."""
    expected = bool(environment.forge_url) or (environment.home.root / "forge.sqlite").exists()
    try:
        await bus.client.request(f"$SRV.PING.{SERVICE}", b"", timeout=PATIENCE_S)
        return Forge(expected, await bus.request(GetForgeStatus(), timeout_s=2))
    except (HiveError, NatsError):
        return Forge(expected, None)  # not there, or about to restart
