"""What keeps the agent from working: noted, told, shown, and waited out."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

import structlog
from hivecommon.contracts.events import Trouble

from hive_harness.credentials import Credentials, Fingerprint
from hive_harness.eventlog import Clock, EventLog
from hive_harness.status import StatusBoard
from hive_harness.store import Store
from hive_harness.trouble import Code, Heed, Obstacle, heed, next_day, spent

LOGIN_POLL_S: Final = 2.0
DISK_POLL_S: Final = 5.0
_LIFTED: Final = "cap_lifted_on"

_log = structlog.get_logger()


@dataclass(frozen=True)
class Outlook:
    """What a hindrance is seen by, and where it is told."""

    log: EventLog
    board: StatusBoard
    credentials: Credentials
    store: Store
    clock: Clock


class Hindrance:
    """The one obstacle that counts, and how often in a row turns have failed."""

    def __init__(self, outlook: Outlook, *, spend_cap_usd: float | None) -> None:
        self._outlook = outlook
        self.spend_cap_usd = spend_cap_usd
        """What a day (UTC) may cost; None: as much as it does."""
        self._cap_lifted_on: date | None = None
        self._obstacle: Obstacle | None = None
        self._login_tried: Fingerprint = ()
        self._wake = asyncio.Event()
        self.failures = 0
        """How many turns have failed since the last one that did not."""

    @property
    def obstacle(self) -> Obstacle | None:
        """Why no turn can run now; None when one can."""
        return self._obstacle

    def wake(self) -> None:
        """End the `wait` that goes on, or the next one."""
        self._wake.set()

    def look_anew(self) -> None:
        """Forget that somebody woke us: whoever calls this looks at everything now."""
        self._wake.clear()

    def hinder(self, obstacle: Obstacle) -> None:
        """Note and tell what keeps the agent from working."""
        self._obstacle = obstacle
        if obstacle.code is Code.NEEDS_LOGIN:
            self._login_tried = self._outlook.credentials.fingerprint
        _log.warning("hindered", code=obstacle.code, reason=obstacle.text)
        self._outlook.log.record(Trouble(str(obstacle.code), obstacle.text, obstacle.retry_at))
        self._outlook.board.hinder(obstacle)

    def hinder_for_disk(self, reason: object) -> None:
        """Note and tell that the agent's state cannot be written: once, until there is room."""
        # It has no end that is known, and told again and again it would fill the memory.
        if not self.is_full_disk:
            text = f"the agent's state cannot be written: {reason}"
            self.hinder(Obstacle(Code.DISK_FULL, text))
            self._outlook.board.rest()

    @property
    def is_full_disk(self) -> bool:
        """Whether it is the disk that keeps the agent from working."""
        return self._obstacle is not None and self._obstacle.code is Code.DISK_FULL

    def overcome(self) -> None:
        """Note and tell that nothing keeps the agent from working any more."""
        self._outlook.board.hinder(None)
        if self._obstacle is not None:
            self._obstacle = None
            self.wake()

    def credentials_changed(self) -> None:
        """Go on with what waits for a login."""
        if self._obstacle is not None and self._obstacle.code is Code.NEEDS_LOGIN:
            self.overcome()

    async def open(self) -> None:
        """Remember whether an operator has lifted the cap of this day."""
        lifted = await self._outlook.store.read(_LIFTED)
        self._cap_lifted_on = date.fromisoformat(lifted) if lifted else None

    async def retry_now(self) -> bool:
        """Try again what waits for a limit, a login or a repair; False when nothing does.

        A spend cap that was reached is lifted for the rest of the day.
        """
        waits = self._obstacle is not None
        if self._obstacle is not None and self._obstacle.code is Code.SPEND_CAP:
            self._cap_lifted_on = self._outlook.clock().date()
            await self._outlook.store.write(**{_LIFTED: self._cap_lifted_on.isoformat()})
        self.overcome()
        return waits

    def set_cap(self, usd_per_day: float | None) -> bool:
        """Bound what a day may cost from now on; return whether that is another bound."""
        changed = usd_per_day != self.spend_cap_usd
        self.spend_cap_usd = usd_per_day
        self.wake()
        return changed

    def mind_the_cap(self, cost_usd: float) -> None:
        """Stop at the spend cap of the day; go on when it is another day, or another cap."""
        now = self._outlook.clock()
        self._outlook.board.change(cost_today_usd=cost_usd)
        lifted = self._cap_lifted_on == now.date()
        reached = None if lifted else spent(cost_usd, self.spend_cap_usd, now)
        match heed(self._obstacle, reached, now):
            case Heed.STOP if reached is not None:
                self.hinder(reached)
                self._outlook.board.rest()
            case Heed.GO_ON:
                self.overcome()
                self._outlook.board.rest()
            case _:
                pass

    async def wait(self, until: datetime | None) -> None:
        """Return when somebody wakes us, when `until` is past, or when there is a new login."""
        # With the day ends what counts for it.
        midnight = next_day(self._outlook.clock())
        until = midnight if until is None else min(until, midnight)
        limit_s = max(0.0, (until - self._outlook.clock()).total_seconds())
        needs_login = self._obstacle is not None and self._obstacle.code is Code.NEEDS_LOGIN
        if needs_login:
            limit_s = LOGIN_POLL_S
        elif self.is_full_disk:
            limit_s = DISK_POLL_S
        with suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await self._wake.wait()
        credentials = self._outlook.credentials
        if needs_login and credentials.present and credentials.fingerprint != self._login_tried:
            self.overcome()
