"""The nixos runtime: each agent is a NixOS system of its own in a container of nixos-container."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Collection, Container, Sequence
from datetime import datetime
from pathlib import Path

from hivecommon.command import Run
from hivecommon.contracts.approvals import FlakeInput
from hivecommon.environment import HiveEnvironment
from hivecommon.errors import HiveError
from hivecommon.files import write_atomically
from hivecommon.home import make_private
from hivecommon.names import MANAGER, AgentName, container_name
from msgspec.structs import replace

from hive_lifecycle import units
from hive_lifecycle.config_tree import config_tree
from hive_lifecycle.containers import Containers
from hive_lifecycle.containers_watch import ContainersWatch, agent_of
from hive_lifecycle.deployed import Deployed, DeployedFiles
from hive_lifecycle.git import Git
from hive_lifecycle.limits import Limits, read_limits, render_dropin
from hive_lifecycle.meta_flake import MetaFlake
from hive_lifecycle.newer_inputs import NewerInputs
from hive_lifecycle.nixos_config import NixosConfig
from hive_lifecycle.nspawn_conf import (
    Bind,
    drop_capabilities,
    load_conf,
    set_nspawn_flags,
    write_conf,
)
from hive_lifecycle.runtime import AgentSpec, Observation, Report

_DROPIN = "50-hyperhive.conf"


class NixosRuntime:
    """Runs agents in nixos-containers."""

    def __init__(
        self, hive: HiveEnvironment, config: NixosConfig, run: Run, clock: Callable[[], datetime]
    ) -> None:
        directory = hive.home.root / "containers"
        self._hive = hive
        self._config = config
        self._run = run
        self._opened_at = clock()
        self._containers = Containers(config, run, directory)
        self._deployed = DeployedFiles(directory)
        self._meta = MetaFlake(
            config.inputs, Git(run, config.tools.git, hive.home.meta), run,
            nix=config.tools.nix, nix_config=config.nix_config,
        )  # fmt: skip
        self._newer = NewerInputs(self._meta, config, run)
        self._watch = ContainersWatch(self._containers, config.poll_s)
        self._starting = asyncio.Semaphore(config.start_parallel)

    @property
    def name(self) -> str:
        """`nixos`."""
        return "nixos"

    async def changes(self) -> AsyncIterator[AgentName]:
        """Yield each agent whose container is not what it was, whoever changed it."""
        async for container in self._watch.changes():
            yield container

    async def observe(self, name: AgentName) -> Observation:
        """Look at one agent's container; see `Runtime.observe`."""
        container = container_name(name)
        unit = await self._containers.show(container)
        leader = await self._containers.leader(container) if unit.runs else None
        deployed = self._deployed.read(name)
        said = units.note(unit)
        if unit.runs and not self._containers.exists(container):
            said = "its container was destroyed while it ran: `hive rebuild` makes it anew"
        return Observation(
            state=units.container_state(unit),
            # A reload is a change of the unit's state, and not of the agent's.
            since=(unit.ready_at if unit.runs else unit.changed_at) or self._opened_at,
            started_at=unit.ready_at,
            sandboxed=True,
            pid=leader,
            note=said,
            deaths=unit.restarts,
            deployed=deployed.revision,
            needs_update=self._is_behind(name, unit, leader, deployed),
        )

    async def strangers(self, known: Container[AgentName]) -> list[AgentName]:
        """Name the containers called like an agent's that no agent has, running or not."""
        running = [unit.container for unit in await self._containers.show_all()]
        names = sorted({*self._containers.names(), *running})
        agents = [agent for name in names if (agent := agent_of(name)) is not None]
        return [agent for agent in agents if agent not in known]

    async def prepare(self, agent: AgentSpec, report: Report) -> None:
        """Bring the container up to date; see `Runtime.prepare`."""
        name = agent.name
        await self._containers.settle(container_name(name))
        self._make_bind_sources(name)
        deployed = self._deployed.read(name)
        git = Git(self._run, self._config.tools.git, self._hive.home.applied(name))
        async with config_tree(git, agent.revision) as tree:
            limits = _limits_in(tree)
            changed = await self._meta.put(name, tree)
        await report("its system in the agents' flake", changed=changed)
        wanted = Deployed(
            base=self._meta.base(), tree=await self._meta.tree(name), revision=agent.revision,
            limits=limits, started=deployed.started, conf=deployed.conf,
        )  # fmt: skip
        if await self._make_container(name, report):
            deployed = replace(wanted, system=str(self._containers.system(container_name(name))))
        await report(
            f"network, binds and capabilities of {container_name(name)}",
            changed=self._write_conf(name),
        )
        await report("limits of its unit", changed=await self._write_dropin(name, limits))
        await self._build(name, deployed, wanted, report)

    async def start(self, agent: AgentSpec, report: Report) -> None:
        """Start the container; see `Runtime.start`."""
        name, container = agent.name, container_name(agent.name)
        await self._containers.settle(container)
        unit = await self._containers.show(container)
        whole = self._is_whole(container)
        if unit.runs and whole:
            await report("it runs already", changed=False)
            return
        if not whole:
            await self.prepare(agent, report)
        self._make_bind_sources(name)
        if self._write_conf(name):
            await report(f"network, binds and capabilities of {container}")
        if await self._write_dropin(name, self._deployed.read(name).limits):
            await report("limits of its unit")
        async with self._starting:
            await self._containers.start(container)
        unit = await self._containers.show(container)
        started = {"started": unit.invocation, "conf": self._conf_hash(container)}
        self._deployed.write(name, replace(self._deployed.read(name), **started))
        await report(f"container {container} started")

    async def stop(self, name: AgentName, report: Report) -> None:
        """Stop the container; see `Runtime.stop`."""
        container = container_name(name)
        before = await self._containers.show(container)
        await self._containers.stop(container)
        ran = before.active not in {"inactive", "failed"}
        await report(f"container {container} stopped" if ran else "it did not run", changed=ran)

    async def inputs(self) -> list[FlakeInput]:
        """Return what is locked; see `Runtime.inputs`."""
        return self._newer.locked()

    async def take_inputs(
        self, wanted: Sequence[str], agents: Collection[AgentName], mark: str, report: Report, /
    ) -> None:
        """Move flake.lock on; see `Runtime.take_inputs`."""
        await self._newer.take(wanted, agents, mark, report)

    async def remove(self, name: AgentName, report: Report) -> None:
        """Remove container, system and drop-in; see `Runtime.remove`."""
        container = container_name(name)
        await self._containers.settle(container)
        await self._containers.stop(container)
        existed = self._containers.exists(container)
        await self._containers.destroy(container)
        await report(f"container {container} destroyed", changed=existed)
        await report("its system in the agents' flake", changed=await self._meta.drop(name))
        dropin = self._dropin(container)
        if dropin.exists():
            dropin.unlink()
            dropin.parent.rmdir()
            await self._containers.daemon_reload()
        self._deployed.forget(name)

    def binds(self, name: AgentName) -> list[Bind]:
        """Return what of the host an agent's container sees, the manager's more than others'."""
        home, run = self._hive.home, self._hive.run
        own = [
            Bind(str(home.claude(name)), "/root/.claude"),
            Bind(str(home.state(name)), "/state"),
            # The directory: what is in it is replaced while the container runs.
            Bind(str(run.agent(name)), "/run/hive"),
        ]
        if name != MANAGER:
            return own
        configs = sorted(path for path in home.agents.glob("*/config") if _is_config(path))
        return own + [Bind(str(path), f"/agents/{path.parent.name}/config") for path in configs]

    def _make_bind_sources(self, name: AgentName) -> None:
        """Make them if need be: a missing one fails the start, and a reboot empties /run."""
        home, run = self._hive.home, self._hive.run
        for directory in (home.root, home.agents, home.agent(name), run.root, run.root / "agents"):
            make_private(directory)
        for directory in (home.claude(name), home.state(name), run.agent(name)):
            make_private(directory)

    async def _make_container(self, name: AgentName, report: Report) -> bool:
        """Make the container, its system included, if there is none; return whether it was made."""
        container = container_name(name)
        if self._containers.exists(container):
            await report(f"container {container} is there", changed=False)
            return False
        if (await self._containers.show(container)).active != "inactive":
            # Destroyed while it ran or started: it goes on without its root.
            await self._containers.stop(container)
        await self._containers.create(container, await self._meta.reference(name))
        await report(f"container {container} created")
        return True

    def _write_conf(self, name: AgentName) -> bool:
        path = self._containers.conf(container_name(name))
        return write_conf(path, self._rewritten(name, load_conf(path)))

    def _rewritten(self, name: AgentName, conf: str) -> str:
        return set_nspawn_flags(conf, self.binds(name), [drop_capabilities()])

    async def _write_dropin(self, name: AgentName, limits: Limits) -> bool:
        path = self._dropin(container_name(name))
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        text = render_dropin(limits.or_else(self._config.limits), self._config.start_timeout)
        changed = write_atomically(path, text.encode())
        if changed:
            await self._containers.daemon_reload()
        return changed

    async def _build(
        self, name: AgentName, deployed: Deployed, wanted: Deployed, report: Report
    ) -> None:
        container = container_name(name)
        system = self._containers.system(container)
        same = (deployed.base, deployed.tree) == (wanted.base, wanted.tree)
        if system is None or not same or str(system) != deployed.system:
            reloaded = await self._containers.update(container, await self._meta.reference(name))
            if not reloaded:
                await report("a unit failed while the running container took the new system")
        built = self._containers.system(container)
        if built is None:
            raise HiveError(f"{container} has no system after its build", code="build_failed")
        self._deployed.write(name, replace(wanted, system=str(built)))
        await report(f"system {built.name}", changed=built != system)

    def _is_whole(self, container: str) -> bool:
        return self._containers.exists(container) and self._containers.system(container) is not None

    def _is_behind(
        self, name: AgentName, unit: units.UnitState, leader: int | None, deployed: Deployed
    ) -> bool:
        container = container_name(name)
        system = self._containers.system(container)
        if system is None or str(system) != deployed.system or deployed.base != self._meta.base():
            return True
        running = _running_system(leader) if leader is not None else None
        if running is not None and running != system:
            return True
        if unit.invocation == deployed.started and self._conf_hash(container) != deployed.conf:
            return True
        return unit.runs and self._conf_is_behind(name)

    def _conf_is_behind(self, name: AgentName) -> bool:
        """Whether the next start gives it other binds: the manager's, say, when an agent was made."""
        try:
            conf = load_conf(self._containers.conf(container_name(name)))
            return self._rewritten(name, conf) != conf
        except (OSError, HiveError):
            return True

    def _conf_hash(self, container: str) -> str:
        try:
            return hashlib.sha256(self._containers.conf(container).read_bytes()).hexdigest()[:32]
        except FileNotFoundError:
            return ""

    def _dropin(self, container: str) -> Path:
        return self._config.paths.dropins / f"{units.unit_name(container)}.d" / _DROPIN


def _limits_in(tree: Path | None) -> Limits:
    try:
        text = (tree / "agent.toml").read_text() if tree is not None else ""
    except FileNotFoundError:
        return Limits()
    except (OSError, UnicodeDecodeError) as error:
        raise HiveError(f"agent.toml cannot be read: {error}", code="bad_limits") from error
    return read_limits(text)


def _is_config(path: Path) -> bool:
    """Whether it is an agent's: what else lies there must not keep the manager from starting."""
    return agent_of(f"h-{path.parent.name}") is not None and path.is_dir() and not path.is_symlink()


def _running_system(leader: int) -> Path | None:
    """Return the system that runs in a container, as seen there; None when it cannot be told."""
    try:
        return (Path("/proc") / str(leader) / "root/run/current-system").readlink()
    except OSError:
        return None
