"""What the dashboard answers on the bus."""

from typing import ClassVar

from hivecommon.contracts.base import Request
from hivecommon.contracts.harness import Ticket


class DashboardTicket(Request[Ticket], frozen=True, kw_only=True):
    """A link that logs the asking operator in to the dashboard, once."""

    subject: ClassVar[str] = "hive.dashboard.ticket"
