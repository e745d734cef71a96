"""Whose login it is, in the CLI's own words: asked of `claude auth status`, once for each login."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
import structlog
from hivecommon.command import Run
from hivecommon.errors import HiveError

from hive_harness.credentials import Credentials, Fingerprint
from hive_harness.login import readable

_STATUS_S: Final = 20.0
# An answer on the bus is to come within a second; who asks again has it then.
_PATIENCE_S: Final = 0.7

_log = structlog.get_logger()


class _Status(msgspec.Struct, rename="camel"):
    """What of the CLI's answer is of interest; the rest changes with its versions."""

    logged_in: bool = False
    auth_method: str = ""
    email: str = ""
    subscription_type: str | None = None


def words_for(output: bytes) -> str:
    """Return `ada@example.com, max` of what the CLI answered; empty when it names nobody."""
    try:
        status = msgspec.json.decode(output, type=_Status)
    except msgspec.MsgspecError:
        return ""
    plan = status.subscription_type or status.auth_method.replace("_", " ")
    return readable(", ".join(filter(None, (status.email, plan)))) if status.logged_in else ""


@dataclass
class Account:
    """Knows the account behind the login that there is."""

    find_cli: Callable[[], Awaitable[Path]]
    run: Run
    environment: Mapping[str, str]
    credentials: Credentials
    group: asyncio.TaskGroup
    _asked: Fingerprint = ()
    _words: str = ""
    _asking: asyncio.Task[None] | None = field(default=None, repr=False)

    async def words(self) -> str:
        """Return whose login it is; empty when that is not known, or not yet."""
        current = self.credentials.fingerprint
        if current != self._asked:
            self._asked, self._words = current, ""
            self._asking = self.group.create_task(self._ask(current))
        if self._asking is not None:
            await asyncio.wait([self._asking], timeout=_PATIENCE_S)
        return self._words

    async def _ask(self, asked: Fingerprint) -> None:
        try:
            cli = await self.find_cli()
            variables = {**self.environment, **self.credentials.environment}
            status = await self.run(
                [str(cli), "auth", "status"], timeout_s=_STATUS_S, env=variables
            )
        except HiveError as error:
            _log.info("account_unknown", code=error.code, reason=error.message)
            return
        if asked == self._asked:
            self._words = words_for(status.stdout)
