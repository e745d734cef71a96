"""The roster: what is observed of each agent merged with what its harness says, for everybody to see."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final

import msgspec
import nats.errors
import nats.js.errors
import structlog
from hivecommon.bus import Bus
from hivecommon.contracts.base import fill, tokens_of, wildcard
from hivecommon.contracts.events import AgentEvent, StatusChanged
from hivecommon.contracts.roster import Activity, ContainerState, HarnessStatus, RosterRow
from hivecommon.contracts.streams import EVENTS, ROSTER_BUCKET
from hivecommon.errors import HiveError
from hivecommon.names import AgentName, agent_port
from nats.aio.msg import Msg
from nats.js.api import KeyValueConfig
from nats.js.kv import KeyValue

from hive_lifecycle.agents import Agent
from hive_lifecycle.runtime import Observation

_SHORT: Final = 100
_LONG: Final = 500
_MAX_COUNT: Final = 2**53
_RETRY_S: Final = 1.0
_STATUS_KIND: Final = str(StatusChanged.__struct_config__.tag)

_log = structlog.get_logger()


def bounded(status: HarnessStatus) -> HarnessStatus:
    """Return a status as it may stand in the roster, however long what the agent wrote is."""
    return msgspec.structs.replace(
        status,
        status_text=status.status_text[:_LONG],
        trouble=status.trouble[:_SHORT],
        trouble_text=status.trouble_text[:_LONG],
        model=status.model[:_SHORT],
        session_id=status.session_id[:_SHORT],
        current_tool=status.current_tool[:_SHORT],
        revision=status.revision[:_SHORT],
        turn=max(0, min(status.turn, _MAX_COUNT)),
        unread=max(0, min(status.unread, _MAX_COUNT)),
    )


def merge(
    agent: Agent, seen: Observation, said: HarnessStatus, said_at: datetime | None, runtime: str
) -> RosterRow:
    """Return an agent's row. What a harness said before it last started, or stopped, is history."""
    if seen.state is not ContainerState.RUNNING:
        said = _without_turn(said, Activity.AWAY)
    elif said_at is None or said_at < seen.since:
        said = _without_turn(said, Activity.STARTING)
    return RosterRow(
        name=agent.name,
        manager=agent.manager,
        port=agent_port(agent.name),
        runtime=runtime,
        sandboxed=seen.sandboxed,
        wanted=agent.wanted,
        state=seen.state,
        since=seen.since,
        pid=seen.pid,
        restarts=agent.restarts,
        note=seen.note,
        needs_update=seen.needs_update,
        deployed=seen.deployed,
        # Paused is what lifecycle was asked for; the harness follows.
        harness=msgspec.structs.replace(said, paused=agent.paused),
    )


def _status_subject(name: str) -> str:
    return fill(AgentEvent.subject, agent=name, kind=_STATUS_KIND)


def _without_turn(said: HarnessStatus, activity: Activity) -> HarnessStatus:
    return msgspec.structs.replace(said, activity=activity, since=None, current_tool="")


class Roster:
    """All rows, kept in memory, in the bucket `roster`, and up to date."""

    def __init__(self, bus: Bus, runtime: str, clock: Callable[[], datetime]) -> None:
        self._bus = bus
        self._runtime = runtime
        self._clock = clock
        self._agents: dict[AgentName, Agent] = {}
        self._seen: dict[AgentName, Observation] = {}
        self._said: dict[AgentName, tuple[HarnessStatus, datetime]] = {}
        self._hello_at: dict[AgentName, datetime] = {}
        self._rows: dict[AgentName, RosterRow] = {}
        self._in_order: list[RosterRow] | None = None
        self.strangers: list[AgentName] = []
        """What is called like an agent of ours and is none."""
        self._unwritten: set[AgentName] = set()
        self._wake = asyncio.Event()
        self._moved = asyncio.Condition()

    def rows(self) -> list[RosterRow]:
        """Return all rows, in the order of their names, the manager first."""
        if self._in_order is None:
            order = sorted(self._rows.values(), key=lambda row: (not row.manager, row.name))
            self._in_order = order
        return list(self._in_order)

    def row(self, name: AgentName) -> RosterRow | None:
        """Return one agent's row."""
        return self._rows.get(name)

    async def update(self, agent: Agent, seen: Observation | None = None) -> None:
        """Take in how an agent is wanted, and how it was just observed."""
        self._agents[agent.name] = agent
        if seen is not None:
            self._seen[agent.name] = seen
        await self._refresh(agent.name)

    async def drop(self, name: AgentName) -> None:
        """Take an agent off."""
        for known in (self._agents, self._seen, self._said, self._hello_at):
            known.pop(name, None)
        await self._refresh(name)

    async def hello(self, name: AgentName) -> None:
        """Note that a harness has reported."""
        self._hello_at[name] = self._clock()
        await self._refresh(name)

    async def wait_for_hello(self, name: AgentName, after: datetime, timeout_s: float) -> bool:
        """Return True when the harness reports, False after `timeout_s` or when it does not run."""

        def decided() -> bool:
            return self._greeted(name, after) or not self._runs(name)

        try:
            async with asyncio.timeout(timeout_s), self._moved:
                await self._moved.wait_for(decided)
        except TimeoutError:
            pass
        return self._greeted(name, after)

    def _greeted(self, name: AgentName, after: datetime) -> bool:
        return name in self._hello_at and self._hello_at[name] >= after

    def _runs(self, name: AgentName) -> bool:
        return name in self._seen and self._seen[name].state is ContainerState.RUNNING

    async def follow(self) -> None:
        """Take in every status from now on."""
        everybody = fill(AgentEvent.subject, agent="{agent}", kind=_STATUS_KIND)
        await self._bus.subscribe(wildcard(everybody), self._take_status)

    async def _take_status(self, msg: Msg) -> None:
        """Take in what a harness says of itself: hostile, so bounded or ignored."""
        name = AgentName(tokens_of(AgentEvent.subject, msg.subject)["agent"])
        try:
            event = msgspec.json.decode(msg.data, type=AgentEvent)
        except (msgspec.ValidationError, msgspec.DecodeError):
            _log.info("status_ignored", agent=name)
            return
        if name not in self._agents or not isinstance(event.body, StatusChanged):
            return
        # The time of its arrival: the agent's own clock could claim any.
        self._said[name] = (bounded(event.body.status), self._clock())
        await self._refresh(name)

    async def recall(self, name: AgentName) -> None:
        """Take in the last status in the stream, as after a restart or an outage of the bus."""
        try:
            found = await self._bus.jetstream.get_last_msg(
                EVENTS.name, _status_subject(name), direct=True
            )
            event = msgspec.json.decode(found.data or b"", type=AgentEvent)
        except (nats.js.errors.NotFoundError, msgspec.ValidationError, msgspec.DecodeError):
            return
        arrived = found.time if isinstance(found.time, datetime) else None
        if isinstance(event.body, StatusChanged) and arrived is not None:
            known_at = self._said[name][1] if name in self._said else None
            if known_at is None or arrived > known_at:
                self._said[name] = (bounded(event.body.status), arrived)
                await self._refresh(name)

    async def _refresh(self, name: AgentName) -> None:
        before = self._rows.get(name)
        agent, seen = self._agents.get(name), self._seen.get(name)
        if agent is None or seen is None:
            self._rows.pop(name, None)
        else:
            said, said_at = self._said.get(name, (HarnessStatus(), None))
            self._rows[name] = merge(agent, seen, said, said_at, self._runtime)
        self._in_order = None
        if before != self._rows.get(name):
            self._unwritten.add(name)
            self._wake.set()
        async with self._moved:
            self._moved.notify_all()

    async def write_for_ever(self) -> None:
        """Keep the bucket as the rows are; what an outage prevents is written after it."""
        bucket: KeyValue | None = None
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                if bucket is None:
                    bucket = await self._open_bucket()
                while self._unwritten:
                    name = next(iter(self._unwritten))
                    await self._write(bucket, name)
            except (nats.errors.Error, nats.js.errors.Error, HiveError) as error:
                _log.warning("roster_not_written", error=str(error) or type(error).__name__)
                bucket = None
                await asyncio.sleep(_RETRY_S)
                self._wake.set()

    async def _open_bucket(self) -> KeyValue:
        bucket = await self._bus.jetstream.create_key_value(
            KeyValueConfig(bucket=ROSTER_BUCKET, history=1)
        )
        try:
            strangers = set(await bucket.keys()) - set(self._rows)
        except nats.js.errors.NoKeysError:
            strangers = set()
        # All of them: the bucket may be new after a power loss.
        self._unwritten |= {AgentName(name) for name in strangers} | set(self._rows)
        return bucket

    async def _write(self, bucket: KeyValue, name: AgentName) -> None:
        row = self._rows.get(name)
        if row is None:
            await bucket.delete(name)
        else:
            await bucket.put(name, msgspec.json.encode(row))
        if self._rows.get(name) is row:
            self._unwritten.discard(name)
