"""What a harness answers (`agent.<agent>.<verb>`), and what it says to lifecycle when it starts."""

import re
from datetime import datetime
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

import msgspec

from hivecommon.contracts.agent_toml import (
    CLI_MEMORY_BYTES,
    COMPACT_AT,
    SILENCE_S,
    Effort,
    McpServer,
)
from hivecommon.contracts.approvals import Approval
from hivecommon.contracts.base import Reply, Request
from hivecommon.contracts.events import AgentEvent
from hivecommon.contracts.lifecycle import Done
from hivecommon.contracts.questions import Question
from hivecommon.contracts.roster import HarnessStatus
from hivecommon.contracts.schedules import Schedule
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


class ApplyCap(Request[Done], frozen=True, kw_only=True):
    """Bound what the turns of a day may cost; lifecycle alone sends it. None: they may cost what they do."""

    subject: ClassVar[str] = "agent.{agent}.apply_cap"
    usd_per_day: float | None = None


class RetryNow(Request[Done], frozen=True, kw_only=True):
    """Try again at once what waits for a limit to reset, a login or a repair."""

    subject: ClassVar[str] = "agent.{agent}.retry_now"


class Compact(Request[Done], frozen=True, kw_only=True):
    """Let the agent save its notes and make its conversation shorter, as soon as no turn runs.

    `changed` is False when that was asked for already, or when there is no conversation yet.
    """

    subject: ClassVar[str] = "agent.{agent}.compact"


class NewSession(Request[Done], frozen=True, kw_only=True):
    """Begin a new conversation with the next turn; files and notes stay.

    `changed` is False when the conversation is a new one already.
    """

    subject: ClassVar[str] = "agent.{agent}.new_session"


class SetModel(Request[HarnessReply], frozen=True, kw_only=True):
    """Choose model and effort from the next turn on, also after restarts; None leaves one as it is.

    An empty word stands for what `agent.toml` says, now and whenever that changes.
    """

    subject: ClassVar[str] = "agent.{agent}.model"
    model: (
        Annotated[str, msgspec.Meta(pattern=r"\A([A-Za-z0-9][A-Za-z0-9._:\[\]-]{0,63})?\Z")] | None
    ) = None
    effort: Effort | None = None


class WaitingMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message that no turn has taken yet. `first_line` is hostile text, shortened."""

    id: str
    sender: str
    sent_at: datetime
    first_line: str
    by: str = ""
    thread: str | None = None
    attempts: int = 0
    """Turns that were begun with it and cut off."""


class ParkedMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message that could not be handled. `first_line` is hostile text, shortened."""

    number: int
    id: str
    sender: str
    sent_at: datetime
    first_line: str
    by: str = ""
    thread: str | None = None
    reason: str
    parked_at: datetime


class OpenItemsReply(Reply, frozen=True, kw_only=True):
    """What an agent has still before it."""

    waiting: list[WaitingMessage]
    """The next messages in the order of their turns; `unread` counts them all."""
    unread: int
    parked: list[ParkedMessage]
    """The newest first; `hive resend` gives one another try."""
    questions: list[Question]
    """Unanswered ones, that it asked or was asked."""
    reminders: list[Schedule]
    requests: list[Approval]
    """What it asked for and no operator has decided."""
    incomplete: str = ""
    """Why questions, reminders and requests are missing; empty when they are not."""


class ReadOpenItems(Request[OpenItemsReply], frozen=True, kw_only=True):
    """Ask what waits: messages, failed messages, questions, reminders, requests."""

    subject: ClassVar[str] = "agent.{agent}.open_items"


class ResendParked(Request[Done], frozen=True, kw_only=True):
    """Give a parked message another try, before those of other agents; refused when it is not parked."""

    subject: ClassVar[str] = "agent.{agent}.resend"
    number: Annotated[int, msgspec.Meta(ge=1, le=2**53)]


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
    effort: str = ""
    """How hard the model thinks; empty: as it does by itself."""
    batch: int = 1
    """At most so many small messages of one sender in one turn."""
    compact_at: float = COMPACT_AT
    """Share of the context in use from which the conversation is made shorter."""
    cli_memory_bytes: int = CLI_MEMORY_BYTES
    """A CLI that grew beyond this is started anew when it is idle."""
    spend_cap_usd: float | None = None
    """What the turns of one day (UTC) may cost; None means as much as they do."""
    silence_s: float = SILENCE_S
    """How long the model may say nothing in a turn before the turn is stopped and begun again."""
    dashboard_port: int = 0
    """Where the dashboard is, on the same host names; 0 when that is not known."""
    operator_hosts: list[str] = msgspec.field(default_factory=list)
    """Host names by which browsers may reach the page, besides the loopback ones."""
