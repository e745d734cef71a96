"""The one conversation that lasts: found again after every restart, begun anew when it is lost."""

import asyncio
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

import structlog
from hivecommon.command import Run
from hivecommon.errors import HiveError

from hive_harness.claude import Claude, NoSuchSession, SessionInUse
from hive_harness.cost_state import cost_before_usd
from hive_harness.store import Store

OLDEST_CLI: Final = (2, 1, 248)
"""The first version that can be told not to interpret a prompt (facts: verbatim prompts)."""
_SESSION: Final = "session_id"
_ASIDE: Final = "session_aside"

_log = structlog.get_logger()


@dataclass(frozen=True)
class Connected:
    """A conversation that can go on."""

    session_id: str
    resumed: bool


class Sessions:
    """Connects the CLI to the agent's session."""

    def __init__(self, store: Store, config_dir: Path, new_id: Callable[[], str]) -> None:
        self._store = store
        self._config_dir = config_dir
        self._new_id = new_id

    async def connect(self, claude: Claude) -> Connected:
        """Go on with the last session, or begin one; raise what `Claude.connect` raises else."""
        known = await self._store.read(_SESSION)
        session_id = known or self._new_id()
        resume = bool(known) and self._has_transcript(known)
        await self._store.write(session_id=session_id)
        try:
            await self._connect(claude, session_id, resume=resume)
        except SessionInUse:
            resume = True
            await self._connect(claude, session_id, resume=True)
        except NoSuchSession:
            await self.forget()
            return await self.connect(claude)
        return Connected(session_id, resume)

    async def _connect(self, claude: Claude, session_id: str, *, resume: bool) -> None:
        cost = 0.0
        if resume:
            # Before the CLI is there: it writes into the file.
            cost = await asyncio.to_thread(cost_before_usd, self._config_dir, session_id)
        await claude.connect(session_id, resume=resume, cost_before_usd=cost)

    async def begun(self) -> bool:
        """Whether there is a conversation to go on with."""
        known = await self._store.read(_SESSION)
        return bool(known) and self._has_transcript(known)

    async def begin_anew(self) -> None:
        """Begin a new session at the next `connect`, as was asked for."""
        await self._store.write(session_id="")

    async def set_aside(self) -> None:
        """Begin a new session at the next `connect`, and remember the one that there is."""
        known = await self._store.read(_SESSION)
        _log.warning("session_set_aside", session_id=known)
        await self._store.write(**{_SESSION: "", _ASIDE: known})

    async def take_back(self) -> bool:
        """Go on with the session that was set aside, if one was: the new one does no better."""
        aside = await self._store.read(_ASIDE)
        if aside:
            await self._store.write(**{_SESSION: aside, _ASIDE: ""})
        return bool(aside)

    async def stay(self) -> None:
        """Go on with the new session: it does better than the one that was set aside."""
        await self._store.write(**{_ASIDE: ""})

    async def forget(self) -> None:
        """Begin a new session at the next `connect`: the old one is gone."""
        _log.warning("session_lost", session_id=await self._store.read(_SESSION))
        await self._store.write(session_id="")

    def _has_transcript(self, session_id: str) -> bool:
        return any(self._config_dir.glob(f"projects/*/{session_id}.jsonl"))


def new_session_id() -> str:
    """Return the id of a session that does not exist yet."""
    return str(uuid4())


async def find_cli(wanted: Path | None, run: Run) -> Path:
    """Return the CLI to use; raise `cli_missing` or `cli_too_old` saying what to do."""
    cli = wanted or _bundled()
    if cli is None or not cli.is_file():
        raise HiveError(
            f"no Claude CLI at {cli}" if cli else "the SDK came without a Claude CLI",
            code="cli_missing",
            hint="install the wheel of claude-agent-sdk, or set HIVE_CLAUDE_CLI",
        )
    version = await _version(cli, run)
    if parse_version(version) < OLDEST_CLI:
        raise HiveError(
            f"the Claude CLI {cli} is version {version}; at least {'.'.join(map(str, OLDEST_CLI))}"
            " is needed",
            code="cli_too_old",
            hint="an older one would interpret what others write as commands; update it",
        )
    return cli


def parse_version(text: str) -> tuple[int, ...]:
    """Return a version's numbers; of text that is none, nothing, which is older than everything."""
    words = text.split() or [""]
    numbers = words[0].split(".")
    return tuple(int(number) for number in numbers) if all(n.isdecimal() for n in numbers) else ()


def _bundled() -> Path | None:
    # Found without importing the SDK, which takes a second.
    spec = importlib.util.find_spec("claude_agent_sdk")
    for folder in (spec and spec.submodule_search_locations) or ():
        cli = Path(folder) / "_bundled" / "claude"
        if cli.is_file():
            return cli
    return None


async def _version(cli: Path, run: Run) -> str:
    recorded = cli.with_name("claude.version")
    if recorded.is_file():
        return recorded.read_text().strip()
    try:
        completed = (await run([str(cli), "--version"], timeout_s=20)).check()
    except HiveError as error:
        raise HiveError(
            f"{cli} does not tell its version: {error.message}", code="cli_missing",
            hint="HIVE_CLAUDE_CLI must name a Claude CLI that runs on this machine",
        ) from error  # fmt: skip
    return completed.stdout.decode(errors="replace").strip()
