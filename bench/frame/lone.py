"""One agent to measure: its real harness and CLI on a bus of their own, a bare SDK client beside it."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from uuid import uuid4

import msgspec
from claude_agent_sdk import ClaudeAgentOptions, ClaudeSDKClient
from hivecommon.bus import Bus
from hivecommon.contracts.base import fill, wildcard
from hivecommon.contracts.events import AgentEvent
from hivecommon.contracts.inbox import InboxMessage
from hivetesting.broker import running_broker
from hivetesting.claude_cli import bundled_cli, scripted_environment
from hivetesting.harness import HarnessProcess
from hivetesting.messages_api.server import ScriptedMessagesApi
from nats.aio.msg import Msg

AGENT: Final = "alice"
MODEL: Final = "claude-sonnet-4-5"
_TURN_S: Final = 60
_SOME_DAY: Final = datetime(2026, 1, 1, tzinfo=UTC)


class Ears:
    """Hears the agent's events and wakes whoever waits for one of a kind."""

    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Future[AgentEvent]] = {}

    async def take(self, msg: Msg) -> None:
        """Take in an event."""
        event = msgspec.json.decode(msg.data, type=AgentEvent)
        if (found := self._waiting.pop(event.kind, None)) is not None:
            found.set_result(event)

    def next(self, kind: str) -> "asyncio.Future[AgentEvent]":
        """Return what is done when the next event of this kind comes."""
        expected = asyncio.get_running_loop().create_future()
        self._waiting[kind] = expected
        return expected


@dataclass(frozen=True)
class Lone:
    """The agent, and the ways to it."""

    api: ScriptedMessagesApi
    harness: HarnessProcess
    operator: Bus
    ears: Ears
    root: Path

    @property
    def cli_environment(self) -> dict[str, str]:
        """What a bare CLI is run with: the same API, a configuration directory of its own."""
        bare = self.root / "bare"
        bare.mkdir(exist_ok=True)
        return {
            "PATH": os.environ.get("PATH", os.defpath),  # noqa: TID251 - handed on, not read
            "HOME": str(bare),
            **scripted_environment(self.api.base_url, bare / "claude"),
        }

    async def turn(self, body: str = "hello") -> AgentEvent:
        """Send a message and return the event that its turn has ended."""
        ended = self.ears.next("turn_ended")
        message = InboxMessage(id=uuid4().hex, body=body, sent_at=_SOME_DAY)
        await self.operator.send_message(to=AGENT, sender="operator", message=message)
        async with asyncio.timeout(_TURN_S):
            return await ended

    @asynccontextmanager
    async def bare_client(self) -> AsyncIterator[ClaudeSDKClient]:
        """Run the SDK alone, with a session of its own."""
        options = ClaudeAgentOptions(
            cli_path=bundled_cli(), cwd=self.root, model=MODEL, setting_sources=[],
            permission_mode="dontAsk", env=self.cli_environment,
        )  # fmt: skip
        async with ClaudeSDKClient(options) as client:
            yield client


@asynccontextmanager
async def lone_agent(api: ScriptedMessagesApi) -> AsyncIterator[Lone]:
    """Run one agent's harness, without any service, until the block ends."""
    with TemporaryDirectory(prefix="hive-bench-") as name:
        root = Path(name)
        with running_broker(root / "hive") as broker:
            await broker.register(AGENT)
            operator = await Bus.connect(broker.operator_login(), patience_s=5)
            harness = HarnessProcess(broker, root / AGENT, AGENT, api.base_url)
            ears = Ears()
            try:
                everything = fill(AgentEvent.subject, agent=AGENT, kind="{kind}")
                await operator.subscribe(wildcard(everything), ears.take)
                began = ears.next("started")
                harness.start()
                async with asyncio.timeout(_TURN_S):
                    await began
                yield Lone(api, harness, operator, ears, root)
            finally:
                harness.kill()
                await operator.client.close()
