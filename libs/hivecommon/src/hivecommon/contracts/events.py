"""Events: what happened, in order, for whoever watches (`events.<source>.<kind>`, stream EVENTS)."""

from datetime import datetime
from typing import Any, ClassVar, Final

import msgspec

from hivecommon.contracts.approvals import Approval
from hivecommon.contracts.base import fill, wildcard
from hivecommon.contracts.jobs import Job
from hivecommon.contracts.questions import Question
from hivecommon.contracts.roster import HarnessStatus
from hivecommon.contracts.schedules import Schedule


class HarnessStarted(msgspec.Struct, frozen=True, tag_field="kind", tag="started"):
    """A harness began to work."""

    session_id: str
    resumed: bool
    model: str
    cli_version: str = ""


class HarnessStopped(msgspec.Struct, frozen=True, tag_field="kind", tag="stopped"):
    """A harness ended on request."""

    reason: str


class TurnStarted(msgspec.Struct, frozen=True, tag_field="kind", tag="turn_started"):
    """An inbox message was handed to the model."""

    message_id: str
    sender: str
    body: str
    thread: str | None = None
    sent_at: datetime | None = None
    by: str = ""
    redelivered: bool = False
    """The turn was begun before and cut off."""
    own: str = ""
    """Why the harness itself began it: `save_notes` or `compact`; empty when somebody sent a message."""


class MessageTaken(msgspec.Struct, frozen=True, tag_field="kind", tag="message_taken"):
    """A further message came into the turn that runs: with the first one, or by `recv`."""

    message_id: str
    sender: str
    body: str
    thread: str | None = None
    sent_at: datetime | None = None
    by: str = ""
    redelivered: bool = False


class Text(msgspec.Struct, frozen=True, tag_field="kind", tag="text"):
    """The model wrote a block of text."""

    text: str


class Thinking(msgspec.Struct, frozen=True, tag_field="kind", tag="thinking"):
    """The model thought."""

    text: str


class ToolCall(msgspec.Struct, frozen=True, tag_field="kind", tag="tool_call"):
    """The model called a tool."""

    call_id: str
    tool: str
    input: dict[str, Any]


class ToolResult(msgspec.Struct, frozen=True, tag_field="kind", tag="tool_result"):
    """A tool answered."""

    call_id: str
    text: str
    is_error: bool = False
    omitted_bytes: int = 0
    """How much of a long result is not shown."""


class TurnEnded(msgspec.Struct, frozen=True, tag_field="kind", tag="turn_ended"):
    """A turn is over."""

    message_id: str
    outcome: str
    """`answered`, `interrupted`, `failed`, or `postponed`: the message comes again."""
    duration_s: float = 0.0
    cost_usd: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    tool_calls: int = 0
    tools: dict[str, int] = msgspec.field(default_factory=dict)
    """How often which tool was called."""
    error: str = ""
    also: list[str] = msgspec.field(default_factory=list)
    """Ids of the further messages that the turn had taken: the outcome is theirs too."""


class MessageSent(msgspec.Struct, frozen=True, tag_field="kind", tag="message_sent"):
    """The agent sent a message."""

    to: str
    message_id: str
    body: str
    thread: str | None = None
    reply_to: str | None = None


class MessageParked(msgspec.Struct, frozen=True, tag_field="kind", tag="message_parked"):
    """A message could not be handled; it waits for an operator, who can have it tried again."""

    number: int
    message_id: str
    sender: str
    reason: str


class LoggedIn(msgspec.Struct, frozen=True, tag_field="kind", tag="logged_in"):
    """An operator logged the agent in at Claude, or gave it a key."""

    means: str
    """With what: a login, a token or an API key; never what is in it."""


class StatusChanged(msgspec.Struct, frozen=True, tag_field="kind", tag="status"):
    """The harness's account of itself, whole."""

    status: HarnessStatus


class Trouble(msgspec.Struct, frozen=True, tag_field="kind", tag="trouble"):
    """Something keeps the agent from working, or needed a second try."""

    code: str
    message: str
    retry_at: datetime | None = None


AgentEventBody = (
    HarnessStarted
    | HarnessStopped
    | TurnStarted
    | MessageTaken
    | Text
    | Thinking
    | ToolCall
    | ToolResult
    | TurnEnded
    | MessageSent
    | MessageParked
    | LoggedIn
    | StatusChanged
    | Trouble
)


class AgentEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event of one agent, whose name stands in the subject.

    `seq` counts up from 1 per agent without a gap: readers resume by it and drop what they have seen.
    A status that the agent's full disk does not take is told as number 0.
    """

    subject: ClassVar[str] = "events.{agent}.{kind}"

    seq: int
    at: datetime
    turn: int = 0
    """Number of the turn it belongs to; 0 outside of turns."""
    body: AgentEventBody

    @property
    def kind(self) -> str:
        """Return the last token of the event's subject."""
        return str(self.body.__struct_config__.tag)

    def subject_for(self, agent: str) -> str:
        """Return the event's subject when `agent` publishes it."""
        return fill(self.subject, agent=agent, kind=self.kind)

    def message_id(self, agent: str, log_id: str) -> str:
        """Return the id by which the stream knows a repeated event; `log_id` names the events file."""
        return f"{agent}-{log_id}-{self.seq}"


class JobChanged(msgspec.Struct, frozen=True, tag_field="kind", tag="job"):
    """A job moved on; on `events.hive.job.<id>`."""

    job: Job


class ApprovalChanged(msgspec.Struct, frozen=True, tag_field="kind", tag="approval"):
    """An approval was asked for, decided or carried out."""

    approval: Approval


NEEDS_UPDATE: Final = "needs update"
UP_TO_DATE: Final = "up to date"
"""What `AgentChanged` says when an agent runs something older than there is, and no more."""


class AgentChanged(msgspec.Struct, frozen=True, tag_field="kind", tag="agent"):
    """The life of an agent: spawned, started, stopped, rebuilt, renamed, destroyed, crashed."""

    agent: str
    what: str
    by: str = ""
    """Who asked; empty when nobody did."""
    detail: str = ""


class OperatorChanged(msgspec.Struct, frozen=True, tag_field="kind", tag="operator"):
    """An operator was added or removed."""

    name: str
    what: str
    """`added` or `removed`."""
    by: str


class ServiceChanged(msgspec.Struct, frozen=True, tag_field="kind", tag="service"):
    """A service started or stopped."""

    what: str
    version: str = ""


class QuestionChanged(msgspec.Struct, frozen=True, tag_field="kind", tag="question"):
    """A question was asked, answered, or nobody answered in time."""

    question: Question


class ScheduleChanged(msgspec.Struct, frozen=True, tag_field="kind", tag="schedule"):
    """A schedule was made, changed or fired."""

    schedule: Schedule


HiveEventBody = (
    JobChanged
    | ApprovalChanged
    | AgentChanged
    | OperatorChanged
    | ServiceChanged
    | QuestionChanged
    | ScheduleChanged
)


class HiveEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event of a service: on `events.hive.<service>.<kind>`, jobs on `events.hive.job.<id>`."""

    subject: ClassVar[str] = "events.hive.{service}.{kind}"

    id: str
    at: datetime
    body: HiveEventBody

    def subject_for(self, service: str) -> str:
        """Return the event's subject when `service` publishes it."""
        if isinstance(self.body, JobChanged):
            return fill(self.subject, service="job", kind=self.body.job.id)
        return fill(self.subject, service=service, kind=str(self.body.__struct_config__.tag))

    @classmethod
    def filter_for(cls, service: str) -> str:
        """Return the subjects of all events of `service`; `job` stands for those of all jobs."""
        return wildcard(fill(cls.subject, service=service, kind="{kind}"))
