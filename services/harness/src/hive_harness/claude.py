"""The Claude CLI through its SDK: one conversation that lasts. Nothing else imports the SDK."""

import asyncio
import importlib
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast
from uuid import uuid4

import structlog
from hivecommon.errors import HiveError

from hive_harness import toolbox
from hive_harness.orphans import MARK, kill_orphans
from hive_harness.rules import Rules, mcp_options
from hive_harness.session import Happening, Prompt, Result
from hive_harness.toolbox import Tool

if TYPE_CHECKING:
    from claude_agent_sdk import ClaudeAgentOptions, ClaudeSDKClient, SdkMcpTool
    from claude_agent_sdk.types import EffortLevel

BUILT_IN_TOOLS: Final = (
    "Bash", "Read", "Write", "Edit", "Glob", "Grep", "NotebookEdit", "WebFetch", "WebSearch",
    "TodoWrite",
)  # fmt: skip
# An image that the model reads comes back as one line; the SDK's default of 1 MiB would end the client.
_MAX_BUFFER_BYTES: Final = 64 << 20
_PACKAGE: Final = Path(__file__).parent
_INTERRUPT_S: Final = 10.0
_LAST_WORDS: Final = 20

_log = structlog.get_logger()


class CliEnded(HiveError):
    """The CLI ended, or what it says is not understood; a new one goes on with the session."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="cli_ended")


class CliGone(CliEnded):
    """The CLI had ended before the prompt reached it."""


class NoSuchSession(HiveError):
    """The session to go on with is not there."""


class SessionInUse(HiveError):
    """The session to begin is there already."""


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """How the CLI is to be run."""

    find_cli: Callable[[], Awaitable[Path]]
    """Looks for it at every start: an operator may have repaired it meanwhile."""
    run: Path
    directory: Path
    model: str
    system_prompt: str
    effort: str
    """Empty: as the model does by itself."""
    tools: Sequence[Tool]
    environment: Callable[[], dict[str, str]]
    """Asked at every start: an operator may have logged the agent in meanwhile."""
    rules: Rules


@dataclass(frozen=True)
class Choice:
    """Which model, and how hard it thinks."""

    model: str
    effort: str


async def load_sdk() -> None:
    """Import the SDK, which takes a second, without holding up the loop."""
    await asyncio.to_thread(importlib.import_module, "claude_agent_sdk")
    await asyncio.to_thread(importlib.import_module, "hive_harness.happenings")


class Claude:
    """A running CLI. After `CliEnded` it is of no more use but to be closed."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._client: ClaudeSDKClient | None = None
        self._said: list[str] = []
        self._cost_usd = 0.0
        self._environment: dict[str, str] = {}
        self.choice = Choice(conversation.model, conversation.effort)
        """Counts from the next `connect` on."""
        self._chosen = self.choice

    @property
    def outdated(self) -> bool:
        """Whether the CLI should be started with other credentials than it was.

        A login of the CLI's own it takes up by itself; variables it has for life.
        """
        return self._client is not None and self._environment != self._conversation.environment()

    @property
    def choice_waits(self) -> bool:
        """Whether the CLI runs with another model or effort than was chosen."""
        return self._client is not None and self._chosen != self.choice

    @property
    def connected(self) -> bool:
        """Whether there is a CLI that is not known to have ended."""
        return self._client is not None

    async def connect(self, session_id: str, *, resume: bool, cost_before_usd: float = 0.0) -> None:
        """Start the CLI with a new session of this id, or go on with the one that has it.

        It counts what the session costs from `cost_before_usd` on.

        Raises `NoSuchSession` or `SessionInUse` when it is the other case, `cli_missing` or
        `cli_too_old`, else `CliEnded`.
        """
        from claude_agent_sdk import ClaudeSDKClient, ClaudeSDKError  # noqa: PLC0415 - heavy, see load_sdk

        self._said.clear()
        self._chosen = self.choice
        cli = await self._conversation.find_cli()
        environment = self._conversation.environment()
        await self._clear_away()
        client = ClaudeSDKClient(self._options(cli, session_id, environment, resume=resume))
        try:
            await client.connect()
        except ClaudeSDKError as error:
            await _disconnect(client)
            raise self._reason(error) from error
        except BaseException:
            await _disconnect(client)
            raise
        self._client = client
        self._environment = environment
        self._cost_usd = cost_before_usd

    async def turn(self, prompt: Prompt, heard: Callable[[], None]) -> AsyncIterator[Happening]:
        """Give the CLI a prompt and report until its result.

        `heard` is called at every sign of life, also when there is nothing to report.
        Raises `CliEnded`, after which the client is closed; `CliGone` when the prompt was not even
        taken.
        """
        from claude_agent_sdk import ClaudeSDKError  # noqa: PLC0415 - as above

        from hive_harness.happenings import Reader  # noqa: PLC0415 - as above

        client = self._need_client()
        prompt_id = str(uuid4())
        reader = Reader(prompt_id, cost_before_usd=self._cost_usd)
        try:
            await client.query(_message(prompt, prompt_id))
        except ClaudeSDKError as error:
            await self.close()
            raise CliGone(self._last_words() or str(error)) from error
        try:
            async for message in client.receive_messages():
                heard()
                for happening in reader.read(message):
                    yield happening
                    if isinstance(happening, Result):
                        self._cost_usd = reader.cost_usd
                        return
        except (ClaudeSDKError, ValueError) as error:
            await self.close()
            raise self._reason(error) from error
        await self.close()
        raise CliEnded(self._last_words() or "its output ended")

    async def interrupt(self) -> bool:
        """Stop the turn that runs; False when the CLI does not react."""
        client = self._need_client()
        try:
            async with asyncio.timeout(_INTERRUPT_S):
                await client.interrupt()
        except Exception as error:  # noqa: BLE001 - the SDK raises bare exceptions here
            _log.warning("interrupt_failed", reason=str(error))
            return False
        return True

    async def close(self) -> None:
        """End the CLI and everything it started."""
        client, self._client = self._client, None
        if client is not None:
            await _disconnect(client)

    async def _clear_away(self) -> None:
        """End what a keeper that was killed itself has left of an earlier CLI."""
        run, us = self._conversation.run, os.getpid()
        if killed := await asyncio.to_thread(kill_orphans, run, but_of=us):
            _log.warning("orphans_killed", count=killed)

    def _need_client(self) -> "ClaudeSDKClient":
        if self._client is None:
            raise CliEnded("it is not running")
        return self._client

    def _options(
        self, cli: Path, session_id: str, environment: dict[str, str], *, resume: bool
    ) -> "ClaudeAgentOptions":
        from claude_agent_sdk import ClaudeAgentOptions, create_sdk_mcp_server  # noqa: PLC0415 - as above

        how = self._conversation
        server = create_sdk_mcp_server(toolbox.SERVER, "1", [_sdk_tool(tool) for tool in how.tools])
        return ClaudeAgentOptions(
            cli_path=_PACKAGE / "claude-kept",
            cwd=how.directory,
            model=self.choice.model,
            effort=cast("EffortLevel | None", self.choice.effort or None),
            resume=session_id if resume else None,
            session_id=None if resume else session_id,
            setting_sources=[],
            skills=[],
            strict_mcp_config=True,
            # Each prompt says for itself that it is data; with the SDK's own switch our commands
            # (/compact) could not be sent at all.
            verbatim_prompts=False,
            max_buffer_size=_MAX_BUFFER_BYTES,
            system_prompt={
                "type": "preset", "preset": "claude_code", "append": how.system_prompt,
            },
            mcp_servers={
                toolbox.SERVER: {**server, "alwaysLoad": True},  # type: ignore[dict-item] # the SDK's types lack alwaysLoad
                **mcp_options(how.rules.mcp_servers),
            },
            tools=how.rules.built_in(BUILT_IN_TOOLS),
            allowed_tools=[*how.rules.allowed(BUILT_IN_TOOLS), f"mcp__{toolbox.SERVER}"],
            disallowed_tools=list(how.rules.denied),
            permission_mode="dontAsk",
            # A long answer is told when it is whole; its pieces show until then that it goes on.
            include_partial_messages=True,
            stderr=self._hear,
            env={
                **environment,
                MARK: str(how.run),
                "HIVE_KEEPER": str(_PACKAGE / "keeper.py"),
                "HIVE_KEEPER_PYTHON": sys.executable,
                "HIVE_KEEPER_PARENT": str(os.getpid()),
                "HIVE_KEEPER_CLI": str(cli),
                # A task that ends in the background would start a turn that nobody asked for.
                "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1",
                "DISABLE_AUTOUPDATER": "1",
            },
        )  # fmt: skip

    def _hear(self, line: str) -> None:
        self._said = [*self._said[1 - _LAST_WORDS :], line]

    def _last_words(self) -> str:
        return " / ".join(self._said)[-500:]

    def _reason(self, error: Exception) -> HiveError:
        words = f"{error} {self._last_words()}"
        if "No conversation found" in words:
            return NoSuchSession(words, code="no_session")
        if "already in use" in words:
            return SessionInUse(words, code="session_in_use")
        return CliEnded(self._last_words() or str(error))


async def _message(prompt: Prompt, prompt_id: str) -> AsyncIterator[dict[str, Any]]:
    message: dict[str, Any] = {
        "type": "user",
        "uuid": prompt_id,
        "message": {"role": "user", "content": prompt.text},
        "parent_tool_use_id": None,
    }
    # What others write is never interpreted: neither `/command` nor `@/path`.
    yield message if prompt.is_command else {**message, "client_composed": True}


def _sdk_tool(tool: Tool) -> "SdkMcpTool[Any]":
    from claude_agent_sdk import SdkMcpTool  # noqa: PLC0415 - as above

    async def handler(arguments: dict[str, Any]) -> dict[str, Any]:
        answer = await toolbox.call(tool, arguments)
        return {
            "content": [{"type": "text", "text": answer.text}],
            "is_error": answer.is_error,
        }

    return SdkMcpTool(tool.name, tool.description, tool.schema, handler)


async def _disconnect(client: "ClaudeSDKClient") -> None:
    with suppress(Exception):
        await client.disconnect()
