"""Tools for knowing oneself and the others."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from hivecommon.contracts.harness import HarnessConfig
from hivecommon.contracts.roster import RosterRow

from hive_harness.post import Post
from hive_harness.prompt import one_line
from hive_harness.status import StatusBoard
from hive_harness.toolbox import Tool


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No arguments."""


class SetStatus(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of `set_status`."""

    text: Annotated[
        str, msgspec.Meta(description="one line, at most 120 characters; empty clears it")
    ]


class AboutTools:
    """Who am I, who are the others, what shall they see of me."""

    def __init__(self, post: Post, board: StatusBoard, config: HarnessConfig) -> None:
        self._post = post
        self._board = board
        self._config = config

    @property
    def tools(self) -> Sequence[Tool]:
        """The tools, ready to be offered."""
        return (
            Tool("roster", "List all agents: name, state, and what each says it is doing.", Nothing,
                 self._roster),
            Tool("set_status", "Set the line that everybody sees beside your name.", SetStatus,
                 self._set_status),
            Tool("whoami", "Show your own name, session, model and limits.", Nothing, self._whoami),
        )  # fmt: skip

    async def _roster(self, _wanted: Nothing) -> str:
        return "\n".join(_row(row, self._config.agent) for row in await self._post.roster())

    async def _set_status(self, wanted: SetStatus) -> str:
        text = one_line(wanted.text, 120)
        self._board.change(status_text=text)
        return f"shown: {text}" if text else "cleared"

    async def _whoami(self, _wanted: Nothing) -> str:
        status, config = self._board.status, self._config
        context = "unknown" if status.context_used is None else f"{status.context_used:.0%}"
        recipients = config.recipients
        facts: dict[str, Any] = {
            "name": config.agent,
            "manager": "yes" if config.manager else "no",
            "model": status.model or config.model or "unknown",
            "session": status.session_id,
            "turn": status.turn,
            "context used": context,
            "cost today": f"{status.cost_today_usd:.4f} USD",
            "sandboxed": "yes" if config.sandboxed else "no: you could touch the host; do not",
            "may write to": "everybody"
            if recipients is None
            else ", ".join(["operator", *recipients]),
        }
        return "\n".join(f"{name}: {value}" for name, value in facts.items())


def _row(row: RosterRow, me: str) -> str:
    harness = row.harness
    parts = [
        f"{row.name}{' (you)' if row.name == me else ''}{' (manager)' if row.manager else ''}:"
    ]
    parts.append(str(row.state))
    if row.state == "running":
        parts.append(str(harness.activity))
    flags = [
        name for name, on in (("paused", harness.paused), (harness.trouble, True)) if on and name
    ]
    parts += flags
    if harness.status_text:
        parts.append(f"- {one_line(harness.status_text, 120)}")
    return " ".join(parts)
