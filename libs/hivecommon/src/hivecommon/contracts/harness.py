"""What a harness answers (`agent.<agent>.<verb>`), and what it says to lifecycle when it starts."""

import re
from datetime import datetime
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

import msgspec

from hivecommon.contracts.agent_toml import McpServer
from hivecommon.contracts.base import Reply, Request
from hivecommon.contracts.events import AgentEvent
from hivecommon.contracts.lifecycle import Done
from hivecommon.contracts.roster import HarnessStatus
from hivecommon.errors import HiveError
from hivecommon.names import AgentName


class HarnessReply(Reply, frozen=True, kw_only=True):
    """The harness's account of itself."""

    status: HarnessStatus


class Ticket(Reply, frozen=True, kw_only=True):
    """A link that logs one browser in, once."""

    url: str
    expires_at: datetime


_FRAGMENT = re.compile(r"\Aticket=[A-Za-z0-9._~-]{8,400}\Z")


def ticket_fragment(agent: AgentName, ticket: Ticket) -> str:
    """Return the fragment that logs in to the agent's own page; raise `bad_reply` without one.

    Of what a harness answers only the ticket is used: the agent may have written the rest.
    """
    fragment = urlsplit(ticket.url).fragment
    if not _FRAGMENT.match(fragment):
        raise HiveError(f"{agent} gave no ticket for its page", code="bad_reply")
    return fragment


class TranscriptReply(Reply, frozen=True, kw_only=True):
    """A stretch of an agent's events, the oldest first."""

    events: list[AgentEvent]
    first_seq: int
    """The oldest event there is: a smaller `after` means that some are gone."""
    last_seq: int


class AskHarness(Request[HarnessReply], frozen=True, kw_only=True):
    """Ask a harness how it is."""

    subject: ClassVar[str] = "agent.{agent}.status"


class Interrupt(Request[Done], frozen=True, kw_only=True):
    """Stop the turn that runs."""

    subject: ClassVar[str] = "agent.{agent}.interrupt"


class SetPaused(Request[Done], frozen=True, kw_only=True):
    """Park the turns, or let them go on. lifecycle alone sends it, after it has written it down."""

    subject: ClassVar[str] = "agent.{agent}.set_paused"
    paused: bool


class RetryNow(Request[Done], frozen=True, kw_only=True):
    """Try again at once what waits for a limit to reset, a login or a repair."""

    subject: ClassVar[str] = "agent.{agent}.retry_now"


class UiTicket(Request[Ticket], frozen=True, kw_only=True):
    """A link to the agent's own page."""

    subject: ClassVar[str] = "agent.{agent}.ui_ticket"


class ReadTranscript(Request[TranscriptReply], frozen=True, kw_only=True):
    """Read events after `after`, or the last `limit` ones when `after` is None."""

    subject: ClassVar[str] = "agent.{agent}.transcript"
    after: int | None = None
    before: int | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=500)] = 200


class Hello(Request[Done], frozen=True, kw_only=True):
    """A harness has started and is ready for its inbox."""

    subject: ClassVar[str] = "req.{caller}.hello"
    revision: str = ""
    session_id: str = ""


class HarnessConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`harness.json` in the agent's runtime directory, written by lifecycle at every start."""

    agent: str
    manager: bool
    bus_url: str
    port: int
    host: str = "127.0.0.1"
    runtime: str = "local"
    sandboxed: bool = False
    paused: bool = False
    persona: str = ""
    model: str = ""
    recipients: list[str] | None = None
    tools_allowed: list[str] | None = None
    """Of the model's own tools; None means all."""
    tools_denied: list[str] = msgspec.field(default_factory=list)
    mcp_servers: dict[str, McpServer] = msgspec.field(default_factory=dict)
    """Besides the hive's own."""
    configs: str = ""
    """Where the manager finds the others' proposed config repos, as `<configs>/<name>/config`."""
    spend_cap_usd: float | None = None
    """What the turns of one day (UTC) may cost; None means as much as they do."""
    operator_hosts: list[str] = msgspec.field(default_factory=list)
    """Host names by which browsers may reach the page, besides the loopback ones."""
