"""Deploying a commit: built first, then given to the agent; what runs stays when that fails."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from hivecommon.contracts.agent_toml import AgentToml
from hivecommon.contracts.changes import Stage
from hivecommon.contracts.lifecycle import AgentSettings
from hivecommon.errors import HiveError
from hivecommon.names import AgentName
from msgspec.structs import replace

from hive_lifecycle.agents import Agent
from hive_lifecycle.config_repos import ConfigRepos
from hive_lifecycle.errors import unknown_agent
from hive_lifecycle.orders import Order
from hive_lifecycle.runtime import AgentSpec, Report, Runtime
from hive_lifecycle.store import Store

Restart = Callable[[AgentName, Report], Awaitable[None]]
"""Gives an agent what the database says it is to have, and starts it again if it is to run."""


@dataclass(frozen=True)
class Deploying:
    """Carries out what was approved about configurations."""

    store: Store
    repos: ConfigRepos
    runtime: Runtime
    restart: Restart

    async def apply(self, order: Order, report: Report) -> None:
        """Build a commit, run it, and let `main` follow; may be done again from the start.

        Raises what made it fail; the agent then has what it had before.
        """
        name, commit, number = order.name, order.commit, order.approval
        if await self.repos.tagged(name, Stage.DEPLOYED, number) == commit:
            await report(f"deployed already: {commit[:10]}", changed=False)
            return
        try:
            await self._apply(order, report)
        except HiveError:
            await self.repos.mark(name, Stage.FAILED, number, commit)
            await report(f"failed/{number}: what ran before stays")
            raise

    async def _apply(self, order: Order, report: Report) -> None:
        name, commit, number = order.name, order.commit, order.approval
        agent = self._living(name)
        self._check_base(order, await self.repos.running(name))
        for stage in (Stage.APPROVED, Stage.BUILDING):
            await self.repos.mark(name, stage, number, commit)
        await report(f"building/{number}: {commit[:10]}")
        config = await self.repos.read(name, commit)
        await self.runtime.prepare(AgentSpec(name, config.settings, commit), report)
        try:
            self.store.configure(name, config, commit)
            await self.restart(name, report)
        except HiveError as error:
            await self._go_back(agent, report)
            raise HiveError(
                f"{name} does not run with it: {error.message}", code="deploy_failed",
                hint=error.hint,
            ) from error  # fmt: skip
        await self.repos.deploy(name, number, commit)
        await report(f"deployed/{number}: main is {commit[:10]}")

    async def give_up(self, order: Order) -> None:
        """Leave the agent with what is deployed: a job that took lifecycle down is not tried again."""
        name = order.name
        running = await self.repos.running(name)
        if running == order.commit:
            await self.repos.mark(name, Stage.DEPLOYED, order.approval, order.commit)
            return
        await self.repos.mark(name, Stage.FAILED, order.approval, order.commit)
        agent = self.store.find(name)
        if agent is not None and running and agent.revision != running:
            self.store.configure(name, await self.repos.read(name, running), running)

    async def adopt(self, name: AgentName) -> bool:
        """Make the config repos of an agent that has none; return whether there was anything to make.

        An agent that is revived without settings of its own gets those that were deployed.
        """
        agent = self._living(name)
        made = await self.repos.ensure(name, agent.settings)
        if not agent.revision:
            running = await self.repos.running(name)
            config = await self.repos.read(name, running)
            if agent.settings != AgentSettings():
                config = _with(config, agent.settings)
            self.store.configure(name, config, running)
        return made

    async def _go_back(self, agent: Agent, report: Report) -> None:
        self.store.configure(agent.name, _with(agent.config, agent.settings), agent.revision)
        await report("it does not run with the new one: back to what it had")
        await self.runtime.prepare(AgentSpec(agent.name, agent.settings, agent.revision), report)
        await self.restart(agent.name, report)

    def _check_base(self, order: Order, running: str) -> None:
        if order.base not in {None, running, order.commit}:
            raise HiveError(
                f"another commit was deployed since it was approved: {running[:10]}, not"
                f" {str(order.base)[:10]}",
                code="base_moved",
                hint="ask for it again: it is then shown against what runs now",
            )

    def _living(self, name: AgentName) -> Agent:
        agent = self.store.find(name)
        if agent is None:
            raise unknown_agent(name)
        return agent


def _with(config: AgentToml, settings: AgentSettings) -> AgentToml:
    return replace(
        config, persona=settings.persona, model=settings.model, recipients=settings.recipients
    )
