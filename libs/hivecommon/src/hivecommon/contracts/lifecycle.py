"""What lifecycle answers: the operator's verbs on agents, and what agents and services ask of it."""

from typing import Annotated, ClassVar, Literal

import msgspec

from hivecommon.contracts.base import AgentRequest, Reply, Request, ShortText
from hivecommon.contracts.jobs import JobAccepted, JobReply
from hivecommon.contracts.logs import Level
from hivecommon.contracts.roster import RosterRow

Persona = Annotated[str, msgspec.Meta(max_length=20_000)]
ModelName = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9._:\[\]-]{0,63}\Z")]


FileName = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_][A-Za-z0-9._-]{0,63}\Z")]
FileText = Annotated[str, msgspec.Meta(max_length=20_000)]
ConfigFiles = Annotated[dict[FileName, FileText], msgspec.Meta(max_length=10)]
"""Files of a first commit by name; those in directories come with later commits."""


class AgentSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The initial settings of a new agent; later ones come from its config repo."""

    persona: Persona = ""
    model: ModelName | None = None
    recipients: list[str] | None = None
    """Agents it may write to besides the operator; None means everybody."""


class RosterReply(Reply, frozen=True, kw_only=True):
    """All agents, in the order of their names, the manager first."""

    agents: list[RosterRow]
    kept: list[str] = msgspec.field(default_factory=list)
    """Destroyed agents whose login and notes are kept: `spawn` revives, `destroy --purge` wipes."""
    strangers: list[str] = msgspec.field(default_factory=list)
    """Names of containers that look like agents' and are none: made by hand on the host."""


class AgentReply(Reply, frozen=True, kw_only=True):
    """One agent."""

    agent: RosterRow


class Done(Reply, frozen=True, kw_only=True):
    """It is done; `changed` is False when there was nothing to do."""

    changed: bool = True


class ListAgents(Request[RosterReply], frozen=True, kw_only=True):
    """List all agents."""

    subject: ClassVar[str] = "hive.list"


class GetStatus(AgentRequest[AgentReply], frozen=True, kw_only=True):
    """Show one agent."""

    subject: ClassVar[str] = "hive.status"


class Spawn(AgentRequest[JobAccepted], frozen=True, kw_only=True):
    """Make a new agent, or revive a destroyed one; an operator's own act, recorded as decided."""

    subject: ClassVar[str] = "hive.spawn"
    settings: AgentSettings = msgspec.field(default_factory=AgentSettings)
    reason: ShortText = ""


class Start(AgentRequest[JobAccepted], frozen=True, kw_only=True):
    """Start an agent; one that runs is left alone."""

    subject: ClassVar[str] = "hive.start"


class Stop(AgentRequest[JobAccepted], frozen=True, kw_only=True):
    """Stop an agent after its current step; its messages wait."""

    subject: ClassVar[str] = "hive.stop"


class Restart(AgentRequest[JobAccepted], frozen=True, kw_only=True):
    """Stop and start an agent; the session goes on."""

    subject: ClassVar[str] = "hive.restart"


class Rebuild(AgentRequest[JobAccepted], frozen=True, kw_only=True):
    """Re-apply everything that belongs to an agent and repair what is broken."""

    subject: ClassVar[str] = "hive.rebuild"


class Rename(AgentRequest[JobAccepted], frozen=True, kw_only=True):
    """Give an agent another name (and with it another port), keeping all that is its own."""

    subject: ClassVar[str] = "hive.rename"
    bare: ClassVar[str | None] = None
    to: str


class Destroy(AgentRequest[JobAccepted], frozen=True, kw_only=True):
    """Remove an agent; login and notes are kept unless `purge`."""

    subject: ClassVar[str] = "hive.destroy"
    purge: bool = False


class Pause(AgentRequest[Done], frozen=True, kw_only=True):
    """Park an agent's turns, also of a stopped agent; messages queue."""

    subject: ClassVar[str] = "hive.pause"


class Resume(AgentRequest[Done], frozen=True, kw_only=True):
    """Let a paused agent go on."""

    subject: ClassVar[str] = "hive.resume"


Cap = Annotated[float, msgspec.Meta(gt=0, le=100_000)] | Literal["off", "config"]
"""US dollars a day; `off`: no cap at all; `config`: what `agent.toml` says, if it says anything."""


class SetCap(AgentRequest[Done], frozen=True, kw_only=True):
    """Say what the turns of an agent may cost in a day; it goes before what `agent.toml` says."""

    subject: ClassVar[str] = "hive.cap"
    bare: ClassVar[str | None] = None
    cap: Cap


class ExecuteSpawn(AgentRequest[JobAccepted], frozen=True, kw_only=True):
    """approvals → lifecycle: carry out an approved spawn.

    The approval's number is the job's key: asking again joins the job or returns its outcome.
    """

    subject: ClassVar[str] = "svc.approvals.spawn"
    bare: ClassVar[str | None] = None
    approval: int
    settings: AgentSettings
    files: ConfigFiles = msgspec.field(default_factory=dict)
    requested_by: str


class ExecuteDestroy(AgentRequest[JobAccepted], frozen=True, kw_only=True):
    """approvals → lifecycle: carry out an approved destroy, which keeps login and notes.

    The approval's number is the job's key, as for `ExecuteSpawn`; an agent that is gone already is
    a job that is done.
    """

    subject: ClassVar[str] = "svc.approvals.destroy"
    bare: ClassVar[str | None] = None
    approval: int
    requested_by: str


class ApprovalJob(Request[JobReply], frozen=True, kw_only=True):
    """approvals → lifecycle: the job of an approval; `unknown_job` when it was never started."""

    subject: ClassVar[str] = "svc.approvals.job"
    approval: int


class StateDirs(Reply, frozen=True, kw_only=True):
    """Which of the asked agents have a state directory."""

    present: list[str]


class FindStateDirs(Request[StateDirs], frozen=True, kw_only=True):
    """approvals → lifecycle: whose state directories exist; for the orphan sweeper."""

    subject: ClassVar[str] = "svc.approvals.state_dirs"
    agents: list[str]


class CheckName(AgentRequest[Done], frozen=True, kw_only=True):
    """approvals → lifecycle: could this agent be spawned now? Refused as the spawn would be."""

    subject: ClassVar[str] = "svc.approvals.check_spawn"
    files: ConfigFiles = msgspec.field(default_factory=dict)
    """Of its first commit; refused as a commit would be."""


class MayWrite(AgentRequest[Done], frozen=True, kw_only=True):
    """approvals → lifecycle: refused unless `agent` may write to `to`, which is there."""

    subject: ClassVar[str] = "svc.approvals.may_write"
    bare: ClassVar[str | None] = None
    to: str


class AgentRoster(Request[RosterReply], frozen=True, kw_only=True):
    """An agent asks who there is."""

    subject: ClassVar[str] = "req.{caller}.roster"


class PauseMyself(Request[Done], frozen=True, kw_only=True):
    """An agent's own page parks its turns, or lets them go on.

    What an operator paused, an operator alone resumes.
    """

    subject: ClassVar[str] = "req.{caller}.set_paused"
    paused: bool


class LogsReply(Reply, frozen=True, kw_only=True):
    """Log lines, the oldest first; what agents wrote in them is hostile text, made one line each."""

    lines: list[str]


class AgentLogs(AgentRequest[LogsReply], frozen=True, kw_only=True):
    """The manager reads the newest log lines of another agent, never of itself."""

    subject: ClassVar[str] = "req.{caller}.logs"
    bare: ClassVar[str | None] = None
    level: Level = Level.INFO
    """This level and the worse ones."""
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50


class AgentPower(AgentRequest[JobAccepted], frozen=True, kw_only=True):
    """The manager starts, stops, restarts or rebuilds another agent, never itself."""

    subject: ClassVar[str] = "req.{caller}.power"
    bare: ClassVar[str | None] = None
    verb: Annotated[str, msgspec.Meta(pattern=r"\A(start|stop|restart|rebuild)\Z")]
