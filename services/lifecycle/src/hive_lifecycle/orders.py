"""What a job is to do, and how a new command relates to the jobs that are there; pure decisions."""

from collections.abc import Iterable
from enum import StrEnum

import msgspec
from hivecommon.contracts.jobs import Job, JobState
from hivecommon.contracts.lifecycle import AgentSettings
from hivecommon.errors import HiveError
from hivecommon.names import AgentName, parse_agent_name

MAX_ATTEMPTS = 3
"""A job that took lifecycle down with it this often is given up."""


class Verb(StrEnum):
    """What jobs do to an agent."""

    SPAWN = "spawn"
    START = "start"
    STOP = "stop"
    RESTART = "restart"
    REBUILD = "rebuild"
    RENAME = "rename"
    DESTROY = "destroy"
    APPLY = "apply"
    UPDATE = "update"


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One job's work; two equal orders want the same."""

    verb: Verb
    agent: str
    settings: AgentSettings | None = None
    to: str = ""
    files: dict[str, str] = msgspec.field(default_factory=dict)
    """Of a new agent's first commit."""
    purge: bool = False
    commit: str = ""
    approval: int = 0
    base: str | None = None
    """What was deployed when the commit was approved; None: whatever it was."""

    inputs: list[str] = msgspec.field(default_factory=list)
    """Of the agents' flake; of an update, which is about no single agent."""

    @property
    def name(self) -> AgentName:
        """The agent it works on."""
        return parse_agent_name(self.agent)

    @property
    def makes(self) -> AgentName | None:
        """The agent that there will be afterwards and is not there before."""
        if self.verb is Verb.SPAWN:
            return self.name
        return parse_agent_name(self.to) if self.verb is Verb.RENAME else None


class StoredJob(msgspec.Struct, frozen=True):
    """A job as the database has it."""

    order: Order
    job: Job
    attempts: int
    """How often it was begun."""


def same_command(order: Order, known: StoredJob) -> StoredJob:
    """Return the job that a repeated command meant; refuse a used request id on another command."""
    if known.order != order:
        raise HiveError(
            f"this request id was used to {known.order.verb} {known.order.agent}",
            code="request_id_reused",
            hint="use a new Hive-Request-Id for each command",
        )
    return known


def joinable(order: Order, active: Iterable[StoredJob]) -> StoredJob | None:
    """Return the active job that `order` joins: the last one of its agent, if it wants the same.

    With another one in between the order is not the same any more: start, stop, start.
    """
    last: StoredJob | None = None
    for stored in active:
        if stored.order.agent == order.agent:
            last = stored
    return last if last is not None and last.order == order else None


def being_made(active: Iterable[StoredJob]) -> set[AgentName]:
    """Return the agents that jobs are about to make: their names and ports are taken."""
    return {name for stored in active if (name := stored.order.makes) is not None}


def may_begin(stored: StoredJob) -> bool:
    """Whether a job left over by an earlier lifecycle is tried again."""
    return stored.job.state is JobState.ACCEPTED or stored.attempts < MAX_ATTEMPTS
