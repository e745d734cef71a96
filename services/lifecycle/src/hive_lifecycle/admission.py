"""Which orders are taken: everything that can be refused at once is refused here."""

from collections.abc import Callable

from hivecommon.contracts.lifecycle import AgentSettings
from hivecommon.environment import HiveEnvironment
from hivecommon.errors import HiveError
from hivecommon.names import MANAGER, AgentName

from hive_lifecycle.agent_files import check_places
from hive_lifecycle.agents import Agent, check_free, check_recipients
from hive_lifecycle.errors import unknown_agent
from hive_lifecycle.orders import being_made
from hive_lifecycle.store import Store


class Admission:
    """Compares orders with the agents and jobs that there are."""

    def __init__(self, store: Store, hive: HiveEnvironment) -> None:
        self._store = store
        self._home = hive.home
        self._ports = {
            hive.bus.port: "the bus's own (HIVE_NATS_URL)",
            hive.monitor_port: "that of the bus's pages (HIVE_NATS_MONITOR_PORT)",
            hive.dashboard_port: "the dashboard's (HIVE_DASHBOARD_PORT)",
        }

    def living(self, name: AgentName) -> Agent:
        """Return an agent; raise `unknown_agent`."""
        agent = self._store.find(name)
        if agent is None:
            raise self._unknown(name)
        return agent

    def spawn(self, name: AgentName, settings: AgentSettings) -> None:
        """Refuse a spawn that cannot succeed: `agent_exists`, `port_taken`, `bad_name`."""
        check_free(name, self._taken(), self._ports)
        check_recipients(settings)

    def begins_anew(self, name: AgentName) -> None:
        """Refuse a first commit for an agent that has had one; raise `kept_state`."""
        if name in self._store.kept():
            raise HiveError(
                f"an earlier {name!r} was destroyed and its configuration is kept",
                code="kept_state",
                hint="ask for it without files, then request_apply; or choose another name",
            )

    def rename(self, old: AgentName, new: AgentName) -> None:
        """Refuse a rename that cannot succeed; as a spawn, `refused`, `unsafe_dir` or `kept_state`."""
        self.living(old)
        check_places(self._home, old)
        if MANAGER in {old, new}:
            raise HiveError(
                f"the manager's name stays {MANAGER}", code="refused", hint="rename others"
            )
        check_free(new, self._taken(), self._ports)
        if new in self._store.kept():
            raise HiveError(
                f"login and notes of an earlier {new!r} are kept",
                code="kept_state",
                hint=f"choose another name, or wipe them with `hive destroy --purge {new}`",
            )

    def destroy(self, name: AgentName, *, purge: bool) -> None:
        """Refuse to destroy what is not there (with `purge`, what is kept can go too); `unsafe_dir`."""
        if not (purge and name in self._store.kept()):
            self.living(name)
        check_places(self._home, name)

    def _taken(self) -> set[AgentName]:
        names = {agent.name for agent in self._store.living()}
        return names | being_made(self._store.active_jobs())

    def _unknown(self, name: AgentName) -> HiveError:
        if name not in self._store.kept():
            return unknown_agent(name)
        return HiveError(
            f"the agent {name!r} was destroyed; its login and notes are kept",
            code="unknown_agent",
            hint=f"`hive spawn {name}` revives it, `hive destroy --purge {name}` wipes what is kept",
        )


Check = Callable[[], None]
"""Raises when an order is not to be taken."""
