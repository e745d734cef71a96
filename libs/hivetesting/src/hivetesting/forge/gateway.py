"""forge-gw as a process of its own, between a real bus and a forge, with agents' directories."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from hivecommon.bus import Bus
from hivecommon.contracts.events import AgentChanged
from hivecommon.contracts.forge import AccountState, ForgeState, ForgeStatus, GetForgeStatus
from hivecommon.contracts.streams import ROSTER_BUCKET
from hivecommon.errors import HiveError
from hivecommon.names import AgentName
from nats.js.errors import BucketNotFoundError

from hivetesting.broker import Broker
from hivetesting.forge.site import Site

WAIT_S = 30.0


@dataclass
class GatewayProcess:
    """The service with its environment; `start` and `kill` as often as a test likes."""

    broker: Broker
    site: Site
    root: Path
    organization: str
    settings: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """Everything that all runs wrote."""
        file = self.root / "gateway.log"
        return file.read_text(errors="replace") if file.exists() else ""

    @property
    def environment(self) -> dict[str, str]:
        """What the service is started with."""
        token = self.root / "admin-token"
        if not token.exists():
            token.touch(0o600)
            token.write_text(self.site.token)
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.root),
            "HIVE_HOME": str(self.broker.home.root),
            "HIVE_RUN": str(self.root / "run"),
            "HIVE_NATS_URL": self.broker.address.url,
            "HIVE_FORGE_URL": self.site.url,
            "HIVE_FORGE_TOKEN_FILE": str(token),
            "HIVE_FORGE_ORG": self.organization,
            "HIVE_FORGE_POLL_S": "0.2",
            **self.settings,
        }

    def start(self) -> None:
        """Start the service; its output is appended to `log`."""
        with (self.root / "gateway.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "hive_forge_gw"], env=self.environment,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def kill(self) -> None:
        """End it with -9."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """End it as systemd does; return its exit status."""
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        if self.process is None:
            return 0
        self.process.send_signal(number)
        code = self.process.wait(WAIT_S)
        self.process = None
        return code

    # Agents

    def state(self, agent: str) -> Path:
        """Return an agent's state directory."""
        return self.broker.home.state(AgentName(agent))

    def add_agent(self, agent: str) -> None:
        """Make what lifecycle makes of an agent, as far as it matters here."""
        self.state(agent).mkdir(parents=True, exist_ok=True)

    def token(self, agent: str) -> str:
        """Return the token in an agent's file, empty without one."""
        file = self.state(agent) / "forge-token"
        return file.read_text().strip() if file.exists() else ""

    def apply(self, agent: str, content: str) -> str:
        """Commit to an agent's applied config repo and tag it; return the commit."""
        folder = self.broker.home.applied(AgentName(agent))
        head = commit(folder, "agent.toml", content)
        number = len(_git(folder, "tag").split())
        _git(folder, "tag", f"deployed/{number + 1}")
        return head


def commit(folder: Path, name: str, content: str) -> str:
    """Commit a file to a repository, which is made if need be; return the commit."""
    if not folder.exists():
        folder.mkdir(parents=True)
        _git(folder, "init", "--quiet", "--initial-branch=main")
    (folder / name).write_text(content)
    _git(folder, "add", "-A")
    _git(folder, "commit", "--quiet", "-m", content)
    return _git(folder, "rev-parse", "HEAD")


def _git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=hive", "-c", "user.email=hive@localhost"]
    argv = ["git", *who, "-C", str(folder), *words]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


async def forge_status(
    operator: Bus, wanted: Callable[[ForgeStatus], bool], *, within_s: float = WAIT_S
) -> ForgeStatus:
    """Return the status once it is as wanted; fail with the last one otherwise."""
    deadline = time.monotonic() + within_s
    last: ForgeStatus | str = "no answer"
    while time.monotonic() < deadline:
        try:
            last = await operator.request(GetForgeStatus(), timeout_s=2)
        except HiveError as error:
            last = error.message
        else:
            if wanted(last):
                return last
        await asyncio.sleep(0.03)  # the state is asked for, nothing announces it
    raise AssertionError(f"not so after {within_s} s: {last}")


def ready(*agents: str) -> Callable[[ForgeStatus], bool]:
    """Want the forge to be ready, and these agents' accounts."""

    def wanted(status: ForgeStatus) -> bool:
        fine = {each.agent for each in status.accounts if each.state is AccountState.READY}
        return status.state is ForgeState.READY and fine >= set(agents)

    return wanted


def mirrored(repo: str) -> Callable[[ForgeStatus], bool]:
    """Want an account to have this mirror."""
    return lambda status: repo in {each.mirror for each in status.accounts}


async def set_roster(lifecycle: Bus, *agents: str) -> None:
    """Write the roster as lifecycle does; of its rows the keys are enough here."""
    try:
        bucket = await lifecycle.jetstream.key_value(ROSTER_BUCKET)
    except BucketNotFoundError:
        bucket = await lifecycle.jetstream.create_key_value(bucket=ROSTER_BUCKET, history=1)
    for agent in agents:
        await bucket.put(agent, msgspec.json.encode({"name": agent}))


async def tell(lifecycle: Bus, agent: str, what: str) -> None:
    """Publish what lifecycle says when something became of an agent."""
    await lifecycle.publish_event("lifecycle", AgentChanged(agent=agent, what=what))
    await lifecycle.client.flush()
