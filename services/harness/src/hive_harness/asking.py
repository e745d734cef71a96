"""Requests of the tools to services: a command that may have been carried out is never done twice."""

from typing import Final, TypeVar
from uuid import uuid4

import msgspec
from hivecommon.bus import Bus
from hivecommon.contracts.base import Reply, Request
from hivecommon.errors import Unavailable

R = TypeVar("R", bound=Reply)

PATIENCE_S: Final = 10.0
_MAX_DOUBTFUL: Final = 100


class Asking:
    """Asks services on the agent's behalf.

    A service that restarts is waited for. After `Unavailable` the very same request carries the
    same id again, by which the service knows what it has done.
    """

    def __init__(self, bus: Bus, agent: str) -> None:
        self._bus = bus
        self.agent = agent
        self._doubtful: dict[tuple[str, bytes], str] = {}

    async def ask(self, request: Request[R], *, patience_s: float = PATIENCE_S) -> R:
        """Return the answer; raise the error that was answered, or `Unavailable` after `patience_s`."""
        doubt = (request.subject, msgspec.json.encode(request))
        request_id = self._doubtful.get(doubt) or uuid4().hex
        try:
            reply = await self._bus.request(
                request, caller=self.agent, timeout_s=patience_s, request_id=request_id
            )
        except Unavailable as error:
            if len(self._doubtful) < _MAX_DOUBTFUL:
                self._doubtful[doubt] = request_id
            raise Unavailable(
                error.message,
                hint="the service is away; call again later with the very same arguments: it will"
                " not be done twice",
            ) from error
        self._doubtful.pop(doubt, None)
        return reply
