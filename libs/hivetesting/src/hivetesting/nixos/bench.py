"""A hive's directories and its nixos runtime on a stand-in NixOS host, for lifecycle's tests."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from hive_lifecycle.git import Git
from hive_lifecycle.nixos import NixosRuntime
from hive_lifecycle.nixos_config import NixosConfig, read_nixos_config
from hive_lifecycle.nspawn_conf import read_conf
from hive_lifecycle.runtime import AgentSpec, Observation
from hivecommon.command import run
from hivecommon.contracts.lifecycle import AgentSettings
from hivecommon.environment import HiveEnvironment, read_environment
from hivecommon.names import AgentName, container_name

from hivetesting.nixos.host import PATIENCE_S, StandInHost

ALICE, BOB = AgentName("alice"), AgentName("bob")


def host_environ(host: StandInHost) -> dict[str, str]:
    """Give the variables by which lifecycle runs agents on this host."""
    return {"HIVE_RUNTIME": "nixos", "HIVE_POLL_S": "0.05", **host.environ()}


@dataclass
class Bench:
    """What a test of the runtime looks at, and the verbs of a lifecycle."""

    host: StandInHost
    environ: dict[str, str] = field(init=False)
    steps: list[tuple[str, bool]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.environ = {
            "HIVE_HOME": str(self.host.hive_home),
            "HIVE_RUN": str(self.host.hive_run),
            **host_environ(self.host),
        }
        self.restart()

    @property
    def hive(self) -> HiveEnvironment:
        """Where the hive's directories are."""
        return read_environment(self.environ, uid=0)

    @property
    def config(self) -> NixosConfig:
        """Where the host's are."""
        return read_nixos_config(self.environ)

    def restart(self) -> None:
        """Take the runtime of another lifecycle process, which remembers nothing."""
        self.runtime = NixosRuntime(self.hive, self.config, run, now)

    async def report(self, text: str, *, changed: bool = True) -> None:
        """Take a step of a job; see `steps`."""
        self.steps.append((text, changed))

    async def spawn(self, name: AgentName = ALICE, revision: str = "") -> AgentSpec:
        """Make an agent and start it."""
        agent = spec(name, revision)
        await self.runtime.prepare(agent, self.report)
        await self.runtime.start(agent, self.report)
        return agent

    async def rebuild(self, name: AgentName = ALICE, revision: str = "") -> list[str]:
        """Do what `hive rebuild` does, and give the steps that changed something."""
        self.steps.clear()
        agent = spec(name, revision)
        await self.runtime.prepare(agent, self.report)
        await self.runtime.stop(name, self.report)
        await self.runtime.start(agent, self.report)
        return [text for text, changed in self.steps if changed]

    async def observe(self, name: AgentName = ALICE) -> Observation:
        """Look at an agent."""
        return await self.runtime.observe(name)

    async def commit(self, name: AgentName, **files: str) -> str:
        """Put files (`agent_nix` is agent.nix) into the applied config repo; give the commit."""
        repo = self.hive.home.applied(name)
        repo.mkdir(parents=True, exist_ok=True)
        git = Git(run, "git", repo)
        if not (repo / ".git").exists():
            await git("init", "--quiet")
        for file, text in files.items():
            (repo / file.replace("_", ".")).write_text(text)
        await git("add", "--all")
        await git("commit", "--quiet", "-m", "x")
        return (await git("rev-parse", "HEAD")).stdout.decode().strip()

    def conf_file(self, name: AgentName = ALICE) -> Path:
        """Give the path of a container's conf."""
        return self.config.paths.conf / f"{container_name(name)}.conf"

    def conf(self, name: AgentName = ALICE) -> dict[str, str]:
        """Read a container's conf as systemd does."""
        return read_conf(self.conf_file(name).read_text())

    def inside(self, name: AgentName, *command: str) -> str:
        """Run a command in a container and give what it printed."""
        done = self.host.run("nixos-container", "run", container_name(name), "--", *command)
        done.check_returncode()
        return done.stdout


def spec(name: AgentName, revision: str = "") -> AgentSpec:
    """Give what a runtime is told of an agent."""
    return AgentSpec(name=name, settings=AgentSettings(), revision=revision)


def with_etc(text: str) -> str:
    """Give an agent.nix that is another system for every text."""
    return f'{{ environment.etc.marker.text = "{text}"; }}\n'


def now() -> datetime:
    """Give the moment, as lifecycle does."""
    return datetime.now(UTC)


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait for something that another process does."""
    async with asyncio.timeout(PATIENCE_S):
        while not await holds():  # noqa: ASYNC110 - the event is in another process
            await asyncio.sleep(0.02)
