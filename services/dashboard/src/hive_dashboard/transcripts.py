"""Transcripts: an agent's events from the stream, the last ones first, then live."""

from typing import Annotated, Final, get_args

import msgspec
import structlog
from hivecommon.bus import Bus
from hivecommon.contracts.base import fill
from hivecommon.contracts.events import AgentEvent, AgentEventBody, StatusChanged
from hivecommon.contracts.streams import EVENTS
from hivecommon.names import parse_agent_name
from hiveweb.feed import Sink

from hive_dashboard.tail import Part, Stored, follow

_log = structlog.get_logger()

# Status says how the agent is, which the roster shows; it would be most of the stream.
_KINDS: Final = tuple(
    str(body.__struct_config__.tag)
    for body in get_args(AgentEventBody)
    if body is not StatusChanged
)


class TranscriptParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which transcript, and from where on."""

    agent: str
    after: int = 0
    """Place in the stream (`cursor`) behind which to go on; 0 for the last `history` events."""
    history: Annotated[int, msgspec.Meta(ge=1, le=20_000)] = 300


class TranscriptItem(msgspec.Struct, frozen=True):
    """One event and its place in the stream."""

    cursor: int
    event: AgentEvent


class Caught(msgspec.Struct, frozen=True):
    """All that was there has been sent."""

    caught_up: bool = True


class Transcripts:
    """The topic `transcript`."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def source(self, params: TranscriptParams, sink: Sink) -> None:
        """Put the agent's events into `sink` until cancelled; raise `bad_name` for no agent."""
        agent = parse_agent_name(params.agent)
        subjects = tuple(fill(AgentEvent.subject, agent=agent, kind=kind) for kind in _KINDS)

        async def take(stored: Stored) -> None:
            try:
                event = msgspec.json.decode(stored.data, type=AgentEvent)
            except msgspec.MsgspecError as error:
                # Whatever the agent's key published there: it is none of the harness's events.
                _log.warning("bad_agent_event", agent=agent, reason=str(error)[:200])
                return
            await sink.put(TranscriptItem(stored.seq, event))

        async def caught_up() -> None:
            await sink.put(Caught())

        part = Part(EVENTS.name, subjects, history=params.history)
        await follow(self._bus, part, take, after=params.after, caught_up=caught_up)
