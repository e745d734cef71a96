"""The harness's account of itself: one value, told anew at every change."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
from hivecommon.contracts.events import StatusChanged
from hivecommon.contracts.roster import Activity, HarnessStatus

from hive_harness.trouble import Code, Obstacle


class StatusBoard:
    """Holds the status and tells each change; what does not change is not told."""

    def __init__(
        self, status: HarnessStatus, tell: Callable[[StatusChanged], object],
        clock: Callable[[], datetime],
    ) -> None:  # fmt: skip
        self._status = status
        self._tell = tell
        self._clock = clock

    @property
    def status(self) -> HarnessStatus:
        """The status as it is now."""
        return self._status

    def change(self, **fields: Any) -> None:
        """Set fields of the status."""
        if fields.get("activity", self._status.activity) is not self._status.activity:
            fields["since"] = self._clock()
        changed = msgspec.structs.replace(self._status, **fields)
        if changed != self._status:
            self._status = changed
            self.repeat()

    def hinder(self, obstacle: Obstacle | None) -> None:
        """Show what keeps the agent from working, or that nothing does."""
        code = obstacle.code if obstacle else None
        self.change(
            trouble=str(code or ""),
            trouble_text=obstacle.text[:500] if obstacle else "",
            retry_at=obstacle.retry_at if obstacle else None,
            needs_login=code is Code.NEEDS_LOGIN,
            rate_limited=code is Code.RATE_LIMITED,
        )

    def rest(self) -> None:
        """Show that no turn runs."""
        waits = self._status.paused or self._status.trouble
        self.change(activity=Activity.WAITING if waits else Activity.IDLE, current_tool="")

    def repeat(self) -> None:
        """Tell the status again, for whoever has missed it."""
        self._tell(StatusChanged(self._status))
