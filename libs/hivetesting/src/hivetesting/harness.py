"""A real harness of one agent as a process of its own, on a real bus, with a scripted model."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self, TypeVar
from uuid import uuid4

import msgspec
from hivecommon.broker import agent_key
from hivecommon.bus import Bus
from hivecommon.contracts.base import fill
from hivecommon.contracts.events import AgentEvent, StatusChanged, TurnEnded
from hivecommon.contracts.harness import HarnessConfig
from hivecommon.contracts.inbox import InboxMessage
from hivecommon.contracts.roster import HarnessStatus
from hivecommon.contracts.streams import EVENTS
from hivecommon.names import parse_agent_name
from nats.aio.msg import Msg

from hivetesting.broker import Broker, free_port
from hivetesting.claude_cli import scripted_environment
from hivetesting.stream_reader import read_stream

AGENT_PATTERN = r"You are the agent (?P<agent>[a-z0-9-]+) "
"""Finds an agent's name in its system prompt, for `ScriptedMessagesApi`."""

Body = TypeVar("Body")


@dataclass
class HarnessProcess:
    """One agent's directories and, between `start` and `stop`, its process."""

    broker: Broker
    root: Path
    name: str
    api_url: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Fields of `HarnessConfig` that differ from what every test wants."""
    environment: Mapping[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        """Make the directories that lifecycle would."""
        for directory in (self.state, self.claude, self.run):
            directory.mkdir(parents=True, exist_ok=True)

    @property
    def state(self) -> Path:
        """What the agent knows as `/state`."""
        return self.root / "state"

    @property
    def claude(self) -> Path:
        """What the CLI knows as its configuration directory."""
        return self.root / "claude"

    @property
    def run(self) -> Path:
        """What the harness knows as `/run/hive`."""
        return self.root / "run"

    @property
    def log(self) -> str:
        """All that the harness has written to its output."""
        return (self.root / "harness.log").read_text(errors="replace")

    def start(self) -> Self:
        """Start the harness; it connects in its own time."""
        fields: dict[str, Any] = {
            "manager": False, "bus_url": self.broker.address.url, "port": self.port,
            "model": "claude-sonnet-4-5", **self.settings,
        }  # fmt: skip
        config = HarnessConfig(agent=self.name, **fields)
        (self.run / "harness.json").write_bytes(msgspec.json.encode(config))
        seed = agent_key(self.broker.home, parse_agent_name(self.name)).read_bytes()
        (self.run / "bus.nk").write_bytes(seed)
        environment = {
            "HIVE_AGENT_RUN": str(self.run),
            "HYPERHIVE_STATE_DIR": str(self.state),
            "HOME": str(self.state),
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            **scripted_environment(self.api_url, self.claude),
            "CLAUDE_CODE_MAX_RETRIES": "1",
            **self.environment,
        }
        with (self.root / "harness.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "hive_harness"],
                env=environment, cwd=self.state, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        return self

    @property
    def pid(self) -> int:
        """The harness's process id."""
        if self.process is None:
            raise RuntimeError(f"{self.name} does not run")
        return self.process.pid

    def programs(self) -> dict[int, str]:
        """Return what runs for the agent besides its harness: programs' names by process id."""
        found = {}
        for entry in Path("/proc").iterdir():
            try:
                environment = (entry / "environ").read_bytes().split(b"\0")
                command = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue  # it is no process, or has ended meanwhile
            if f"HIVE_CLI_OF={self.run}".encode() in environment and command[0]:
                found[int(entry.name)] = Path(command[0].decode()).name
        return found

    def kill(self) -> None:
        """End it as the kernel would when memory is short."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    async def stop(self, within_s: float = 60) -> int:
        """Ask it to end, as lifecycle does; return its exit status."""
        if self.process is None:
            raise RuntimeError(f"{self.name} does not run")
        process, self.process = self.process, None
        process.send_signal(signal.SIGTERM)
        return await asyncio.to_thread(process.wait, within_s)


class AgentWatch:
    """An agent's events from the moment it was begun, as a live subscriber gets them."""

    def __init__(self, agent: str) -> None:
        self._agent = agent
        self.events: list[AgentEvent] = []
        self._last_seq = 0
        self._changed = asyncio.Condition()

    @classmethod
    async def begin(cls, bus: Bus, agent: str) -> Self:
        """Follow from now on, with any connection that may read events."""
        watch = cls(agent)
        await bus.subscribe(fill("events.{agent}.>", agent=agent), watch._take)
        await bus.client.flush()
        return watch

    def bodies(self, kind: type[Body]) -> list[Body]:
        """Return the bodies of one kind that came so far."""
        return [event.body for event in self.events if isinstance(event.body, kind)]

    async def until(
        self, wanted: Callable[[AgentEvent], bool], *, within_s: float = 60
    ) -> AgentEvent:
        """Return the first event, past or to come, of which `wanted` is true."""
        try:
            async with asyncio.timeout(within_s), self._changed:
                await self._changed.wait_for(lambda: any(map(wanted, self.events)))
                return next(filter(wanted, self.events))
        except TimeoutError as error:
            seen = "\n".join(f"{event.seq} {event.body}"[:300] for event in self.events)
            raise TimeoutError(f"not within {within_s} s; {self._agent} told:\n{seen}") from error

    def statuses(self) -> list[StatusChanged]:
        """Return what the agent has said of itself so far."""
        return self.bodies(StatusChanged)

    async def status(
        self, wanted: Callable[[HarnessStatus], bool], *, within_s: float = 60
    ) -> HarnessStatus:
        """Return the first status, past or to come, of which `wanted` is true."""

        def shown(event: AgentEvent) -> bool:
            return isinstance(event.body, StatusChanged) and wanted(event.body.status)

        body = (await self.until(shown, within_s=within_s)).body
        assert isinstance(body, StatusChanged)  # noqa: S101 - `shown` says so
        return body.status

    async def turn_ended(self, message_id: str, *, within_s: float = 60) -> TurnEnded:
        """Return how the turn of a message ended that was not to come again."""

        def over(event: AgentEvent) -> bool:
            body = event.body
            done = isinstance(body, TurnEnded) and body.message_id == message_id
            return done and isinstance(body, TurnEnded) and body.outcome != "postponed"

        body = (await self.until(over, within_s=within_s)).body
        assert isinstance(body, TurnEnded)  # noqa: S101 - `over` says so
        return body

    async def _take(self, msg: Msg) -> None:
        event = msgspec.json.decode(msg.data, type=AgentEvent)
        if event.seq and event.seq <= self._last_seq:
            return  # told again after a kill, as every reader must expect
        async with self._changed:
            self._last_seq = max(self._last_seq, event.seq)
            self.events.append(event)
            self._changed.notify_all()


async def stored_events(bus: Bus, agent: str) -> Sequence[AgentEvent]:
    """Return an agent's events as the stream has them."""
    subject = fill("events.{agent}.>", agent=agent)
    return [
        msgspec.json.decode(data, type=AgentEvent)
        async for _, data in read_stream(bus, EVENTS.name, subject)
    ]


async def tell(bus: Bus, to: str, body: str, *, sender: str = "operator", by: str = "") -> str:
    """Send a message to an agent; return its id."""
    message = InboxMessage(id=uuid4().hex, body=body, sent_at=datetime.now(UTC), by=by)
    await bus.send_message(to=to, sender=sender, message=message)
    return message.id
