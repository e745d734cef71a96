"""What an agent has open on the forge, asked when somebody looks at its page."""

import asyncio
from typing import Final

import msgspec
from hivecommon.bus import Bus
from hivecommon.contracts.base import Reply
from hivecommon.contracts.forge import ForgeItem, GetForgeWork
from hivecommon.errors import HiveError, Unavailable
from hivecommon.names import parse_agent_name

_PATIENCE_S: Final = 3.0


class ForgeView(Reply, frozen=True, kw_only=True):
    """An agent's open work; titles are hostile text, and a link is whatever the forge says."""

    there: bool
    """Whether the hive has a forge."""
    trouble: str = ""
    """Why nobody can say what is open."""
    issues: int = 0
    pulls: int = 0
    items: list[ForgeItem] = msgspec.field(default_factory=list)


async def view_work(bus: Bus, agent: str, *, operator: str, stopping: asyncio.Event) -> ForgeView:
    """Ask forge-gw; a hive without a forge is no error, nor is an end of ours while we ask.

    Raises `bad_name`.
    """
    request = GetForgeWork(agent=parse_agent_name(agent))
    asking = asyncio.ensure_future(bus.request(request, operator=operator, timeout_s=_PATIENCE_S))
    leaving = asyncio.ensure_future(stopping.wait())
    try:
        await asyncio.wait([asking, leaving], return_when=asyncio.FIRST_COMPLETED)
        if not asking.done():
            return ForgeView(there=True, trouble="the dashboard is restarting")
        work = asking.result()
    except Unavailable:
        return ForgeView(there=False)
    except HiveError as error:
        return ForgeView(there=True, trouble=error.message)
    finally:
        asking.cancel()
        leaving.cancel()
    return ForgeView(there=True, issues=work.issues, pulls=work.pulls, items=work.items)
