"""A real nats-server with our own configuration, on a free port, for tests."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from hivecommon.broker import (
    SYSTEM_PRINCIPAL,
    agent_inbox_prefix,
    agent_key,
    inbox_prefix,
    operator_key,
    prepare_bus,
    service_key,
)
from hivecommon.broker_admin import declare_inbox, reload_server, write_agents
from hivecommon.bus import Bus, Login
from hivecommon.contracts.streams import STREAMS
from hivecommon.environment import BusAddress
from hivecommon.home import HiveHome
from hivecommon.keys import ensure_key, read_seed
from hivecommon.names import AgentName, parse_agent_name

SERVER = Path(sys.executable).with_name("nats-server")
OPERATOR = "tester"


def free_port() -> int:
    """Return a port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Broker:
    """A running bus, and the logins of its principals."""

    def __init__(self, home: HiveHome) -> None:
        self.home = home
        self.address = BusAddress("127.0.0.1", free_port())
        self.monitor_port = free_port()
        self._agents: dict[AgentName, Iterable[str] | None] = {}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start the server and return once it takes connections."""
        conf = prepare_bus(self.home, self.address, self.monitor_port, OPERATOR)
        log = (self.home.bus / "server.log").open("ab")
        with log:
            self._process = subprocess.Popen([SERVER, "-c", conf], stdout=log, stderr=log)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                socket.create_connection((self.address.host, self.address.port), 1).close()
            except OSError:
                time.sleep(0.01)
            else:
                return self
        self.kill()
        raise RuntimeError((self.home.bus / "server.log").read_text())

    def kill(self) -> None:
        """Kill the server at once; its store stays."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def service_login(self, name: str) -> Login:
        """Return how a service connects."""
        return self._login(name, inbox_prefix(name), service_key(self.home, name))

    def operator_login(self, name: str = OPERATOR) -> Login:
        """Return how an operator connects."""
        return self._login(f"operator {name}", "_INBOX", operator_key(self.home, name))

    def agent_login(self, name: str) -> Login:
        """Return how an agent connects; `register` comes first."""
        agent = parse_agent_name(name)
        key = agent_key(self.home, agent)
        ensure_key(key)
        return self._login(name, agent_inbox_prefix(agent), key)

    async def register(self, name: str, recipients: Iterable[str] | None = None) -> Login:
        """Make an agent known to the bus, with its inbox; return how it connects."""
        agent = parse_agent_name(name)
        self._agents[agent] = recipients
        write_agents(self.home, self._agents)
        system = await Bus.connect(self.system_login(), patience_s=5)
        await reload_server(system)
        await system.drain()
        lifecycle = await Bus.connect(self.service_login("lifecycle"), patience_s=5)
        for stream in STREAMS:
            await lifecycle.declare(stream)
        await declare_inbox(lifecycle, agent)
        await lifecycle.drain()
        return self.agent_login(name)

    def system_login(self) -> Login:
        """Return how the system account's user connects."""
        return self._login("sys", "_INBOX", service_key(self.home, SYSTEM_PRINCIPAL))

    def _login(self, name: str, prefix: str, key: Path) -> Login:
        return Login(url=self.address.url, name=name, inbox_prefix=prefix, seed=read_seed(key))


@contextmanager
def running_broker(directory: Path) -> Iterator[Broker]:
    """Run a bus with its home in `directory` until the block ends."""
    broker = Broker(HiveHome(directory)).start()
    try:
        yield broker
    finally:
        broker.kill()
