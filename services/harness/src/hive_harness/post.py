"""Sending messages, and knowing to whom one can be sent."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final
from uuid import uuid4

from hivecommon.bus import Bus
from hivecommon.contracts.harness import HarnessConfig
from hivecommon.contracts.inbox import OPERATOR, InboxMessage, check_body
from hivecommon.contracts.lifecycle import AgentRoster
from hivecommon.contracts.roster import RosterRow
from hivecommon.errors import HiveError, Unavailable
from hivecommon.names import parse_agent_name

_TRIES: Final = 3
_ROSTER_S: Final = 2.0
_MAX_DOUBTFUL: Final = 100


class Post:
    """The way out for an agent's messages."""

    def __init__(self, bus: Bus, config: HarnessConfig, clock: Callable[[], datetime]) -> None:
        self._bus = bus
        self._config = config
        self._clock = clock
        self._known: frozenset[str] = frozenset()
        # Ids of messages of which it is not known whether they were stored: the same message sent
        # again has the same id, so that it can never arrive twice.
        self._doubtful: dict[tuple[str, str, str | None], str] = {}

    async def send(
        self, to: str, body: str, *, thread: str | None = None, reply_to: str | None = None
    ) -> InboxMessage:
        """Put a message into an inbox and return it once it is stored.

        Raises a `HiveError` that says who is unknown, who may not be written to, or what is wrong
        with the body; `Unavailable` when the bus is away, after which the same call may be made again.
        """
        check_body(body)
        await self._check_recipient(to)
        doubt = (to, body, thread)
        message = InboxMessage(
            id=self._doubtful.get(doubt) or uuid4().hex,
            body=body,
            thread=thread,
            reply_to=reply_to,
            sent_at=self._clock(),
        )
        try:
            await self._store(to, message)
        except Unavailable:
            if len(self._doubtful) < _MAX_DOUBTFUL:
                self._doubtful[doubt] = message.id
            raise
        self._doubtful.pop(doubt, None)
        return message

    async def roster(self) -> Sequence[RosterRow]:
        """Return who there is."""
        reply = await self._bus.request(AgentRoster(), caller=self._config.agent)
        self._known = frozenset(row.name for row in reply.agents)
        return reply.agents

    async def _store(self, to: str, message: InboxMessage) -> None:
        for left in reversed(range(_TRIES)):
            try:
                await self._bus.send_message(to=to, sender=self._config.agent, message=message)
            except Unavailable as error:
                if not left:
                    raise Unavailable(
                        f"the bus does not answer: {error.message}",
                        hint="it is not known whether the message arrived; call again with the very"
                        " same arguments later, it will not arrive twice",
                    ) from error
                await asyncio.sleep(0.5)
            else:
                return

    async def _check_recipient(self, to: str) -> None:
        if to == OPERATOR:
            return
        parse_agent_name(to)
        if to == self._config.agent:
            raise HiveError("that is you", code="bad_recipient", hint="write a note into a file")
        allowed = self._config.recipients
        if allowed is not None and to not in allowed:
            raise HiveError(
                f"you may not write to {to}",
                code="forbidden",
                hint=f"you may write to: {', '.join([OPERATOR, *allowed])}",
            )
        if to not in self._known and not await self._exists(to):
            raise HiveError(
                f"there is no agent {to}",
                code="unknown_agent",
                hint=f"there are: {', '.join(sorted(self._known)) or 'none'}",
            )

    async def _exists(self, name: str) -> bool:
        try:
            async with asyncio.timeout(_ROSTER_S):
                return any(row.name == name for row in await self.roster())
        except (HiveError, TimeoutError):
            return True  # nothing but the bus is needed for agents to write to one another
