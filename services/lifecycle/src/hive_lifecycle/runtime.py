"""What runs agents: the protocol that the local and the nixos runtime implement."""

from collections.abc import AsyncIterator, Collection, Container, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from hivecommon.contracts.approvals import FlakeInput
from hivecommon.contracts.lifecycle import AgentSettings
from hivecommon.contracts.roster import ContainerState
from hivecommon.names import AgentName


@dataclass(frozen=True)
class AgentSpec:
    """What a runtime must know of an agent; its directories follow from the name."""

    name: AgentName
    settings: AgentSettings
    revision: str = ""
    """What of the applied config repo is to be built; empty before there is one."""


@dataclass(frozen=True)
class Observation:
    """What a runtime sees of one agent, never what was asked for."""

    state: ContainerState
    since: datetime
    """Since when `state` holds, as far as the runtime can tell."""
    sandboxed: bool
    """How the agent runs, or how it would if it were started now."""
    pid: int | None = None
    """The harness itself, or the container's first process, in the host's numbering."""
    started_at: datetime | None = None
    """When it last came up, also of one that has ended since; None when the runtime cannot tell."""
    note: str = ""
    """Why it is so, e.g. the exit status of a harness that died, or why there is no sandbox."""
    deaths: int = 0
    """How often it ended unasked and was started again without the hive, since its last start."""
    deployed: str = ""
    """The revision that runs, where the runtime builds one."""
    needs_update: bool = False
    """What runs is older than what was built, or than this hive."""


class Report(Protocol):
    """Takes one step of a job, as progress for a human."""

    async def __call__(self, text: str, *, changed: bool = True) -> None:
        """Record that `text` was done; `changed` False: it was found as it should be."""


class Runtime(Protocol):
    """One way to run agents.

    Every method is idempotent, leaves nothing half-done that the same call cannot finish, and raises
    `HiveError` with a code and a hint. There is at most one call per agent at a time; calls for
    different agents run side by side. Agents outlive the process that started them: nothing is
    stopped because lifecycle ends, and what runs is found again by looking, not by remembering.

    The caller has made the agent's directories (`HiveHome.state`, `.claude`, `HiveRun.agent`),
    registered it on the bus and written `bus.nk` and `harness.json` into the runtime directory
    before `start`; neither `remove` nor `stop` touches those directories.
    """

    @property
    def name(self) -> str:
        """`local` or `nixos`, as in HIVE_RUNTIME."""

    async def observe(self, name: AgentName) -> Observation:
        """Look at one agent; an unknown one is `stopped`. FAILED: it ended and nobody asked it to."""

    def changes(self) -> AsyncIterator[AgentName]:
        """Yield, for ever, each agent whose state may have changed; false alarms are welcome."""

    async def strangers(self, known: Container[AgentName]) -> list[AgentName]:
        """Name what is there like an agent of ours, but is none of the `known`."""

    async def prepare(self, agent: AgentSpec, report: Report) -> None:
        """Make or bring up to date all that `start` needs (container, conf, system): the build.

        A running agent goes on with what it runs; whether it must restart to run what was prepared
        is then said by `Observation.needs_update`. Raises `build_failed`.
        """

    async def start(self, agent: AgentSpec, report: Report) -> None:
        """Start the agent and return once it runs; one that runs is left alone.

        Raises `start_failed` with the last words of what did not come up.
        """

    async def stop(self, name: AgentName, report: Report) -> None:
        """End the agent and everything it started, kindly and then by force; return once it is gone.

        Works without a bus. It is then `stopped`, not `failed`. Raises `stop_failed`.
        """

    async def inputs(self) -> list[FlakeInput]:
        """Return what all agents' systems are made from; raise `no_inputs` where none are built."""

    async def take_inputs(
        self, wanted: Sequence[str], agents: Collection[AgentName], mark: str, report: Report, /
    ) -> None:
        """Take newer inputs (none named: all), once per `mark`, if all `agents` build with them.

        What is built and runs stays: each agent gets them with its next `prepare`. Raises
        `build_failed`, and `no_inputs` as `inputs` does.
        """

    async def remove(self, name: AgentName, report: Report) -> None:
        """Undo `prepare`: afterwards nothing of the runtime's own is left. The agent is stopped."""
