"""What an agent is to lifecycle, and which names and ports are free."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from hivecommon.contracts.agent_toml import AgentToml
from hivecommon.contracts.inbox import OPERATOR
from hivecommon.contracts.lifecycle import AgentSettings, Cap
from hivecommon.errors import HiveError
from hivecommon.names import MANAGER, AgentName, agent_port, parse_agent_name

from hive_lifecycle.errors import agent_exists

_STEADY_S = 60.0
_FIRST_DELAY_S = 1.0


class Wanted(StrEnum):
    """What was last asked for."""

    RUNNING = "running"
    STOPPED = "stopped"


@dataclass(frozen=True, kw_only=True)
class Agent:
    """A living agent, as it was asked for."""

    name: AgentName
    settings: AgentSettings = field(default_factory=AgentSettings)
    config: AgentToml = field(default_factory=AgentToml)
    """What the deployed `agent.toml` says; where `settings` say it too, they are what counts."""
    revision: str = ""
    """The deployed commit of its config repo."""
    wanted: Wanted = Wanted.RUNNING
    paused: bool = False
    paused_by: str = ""
    """Who asked for it, as `operator:anna` or `agent:alice`: empty when it is not paused."""
    cap: Cap = "config"
    """What an operator says that its turns may cost in a day."""
    origin: str = ""
    """The job that made it."""
    created_at: datetime
    crashed_at: datetime | None = None
    """The last end that nobody asked for."""
    restarts: int = 0
    """Restarts after crashes since the last start that was asked for."""

    @property
    def spend_cap_usd(self) -> float | None:
        """What a day may cost: the operator's word, else that of `agent.toml`; None: no bound."""
        match self.cap:
            case "config":
                return self.config.spend.usd_per_day
            case "off":
                return None
            case usd:
                return usd

    @property
    def manager(self) -> bool:
        """Whether it may act on others."""
        return self.name == MANAGER


def check_free(name: AgentName, taken: Iterable[AgentName], ports: Mapping[int, str]) -> None:
    """Refuse a name that cannot be given to a new agent.

    `taken` are the agents that are there or are being made, `ports` the ports that the hive itself
    uses, with what for. Raises `agent_exists` or `port_taken`.
    """
    port = agent_port(name)
    for other in taken:
        if other == name:
            raise agent_exists(name)
        if agent_port(other) == port:
            raise HiveError(
                f"{name!r} and {other!r} would both have port {port}",
                code="port_taken",
                hint=f"ports follow from names: spawn it under another name, or `hive rename {other} NEW`",
            )
    if port in ports:
        raise HiveError(
            f"{name!r} would have port {port}, which is {ports[port]}",
            code="port_taken",
            hint="ports follow from names: choose another name, or move that port",
        )


def check_recipients(settings: AgentSettings) -> None:
    """Refuse recipients that are no names, so that none widens a permission; `bad_name`.

    They need not exist yet: two agents that write to each other are spawned one after the other.
    """
    for recipient in settings.recipients or ():
        if recipient != OPERATOR:
            parse_agent_name(recipient)


def is_steady(ran_s: float) -> bool:
    """Whether an agent ran long enough that its end is a new trouble, not the old one again."""
    return ran_s >= _STEADY_S


def restart_delay_s(tries: int, maximum_s: float) -> float:
    """Return how long to wait before a failed agent is started again: 1, 2, 4 … seconds."""
    return float(min(_FIRST_DELAY_S * 2.0 ** min(tries, 30), maximum_s))
