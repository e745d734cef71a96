"""What is known of an agent at a glance: a row of the roster, watched by everybody."""

from datetime import datetime
from enum import StrEnum

import msgspec


class ContainerState(StrEnum):
    """What the runtime observes of an agent's container or process; never what was asked for."""

    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    FAILED = "failed"


class Activity(StrEnum):
    """What the harness does, as it says itself; `away` when it says nothing."""

    AWAY = "away"
    STARTING = "starting"
    IDLE = "idle"
    WORKING = "working"
    COMPACTING = "compacting"
    WAITING = "waiting"


class HarnessStatus(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The harness's own account of itself, sent whole at every change (`events.<agent>.status`)."""

    activity: Activity = Activity.IDLE
    since: datetime | None = None
    status_text: str = ""
    """What the agent says it is doing (`set_status`): hostile text."""
    trouble: str = ""
    """Code of what keeps the agent from working, e.g. `rate_limited`; empty when all is well."""
    trouble_text: str = ""
    retry_at: datetime | None = None
    needs_login: bool = False
    paused: bool = False
    rate_limited: bool = False
    model: str = ""
    effort: str = ""
    """How hard the model is told to think; empty: as it does by itself."""
    session_id: str = ""
    current_tool: str = ""
    turn: int = 0
    unread: int = 0
    parked: int = 0
    """Messages that could not be handled and wait for an operator to look at them."""
    context_used: float | None = None
    """Share of the model's context in use, 0 to 1."""
    cost_today_usd: float = 0.0
    revision: str = ""


class RosterRow(msgspec.Struct, frozen=True, kw_only=True):
    """One agent as everybody sees it: what lifecycle observes and what its harness says."""

    name: str
    manager: bool
    port: int
    runtime: str
    sandboxed: bool
    """False: the agent could read the hive's own files. Shown wherever the agent is."""
    wanted: str
    """`running` or `stopped`: what the operator last asked for."""
    state: ContainerState
    since: datetime
    """Since when `state` holds."""
    pid: int | None = None
    restarts: int = 0
    """Restarts after crashes since the last start that was asked for."""
    note: str = ""
    """Why the state is what it is, e.g. the last line of a failed start."""
    needs_update: bool = False
    deployed: str = ""
    harness: HarnessStatus = msgspec.field(default_factory=HarnessStatus)
