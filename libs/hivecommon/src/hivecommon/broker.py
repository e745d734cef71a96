"""The NATS server's configuration: accounts, who may do what, and the files that say so.

Three accounts besides SYS. HIVE holds the services and the streams; AGENTS and OPERATORS see of it
only the subjects that are exported. Permissions alone would not do: the server never checks a
reply subject, so that in one account an agent could make a service receive a message through it.
Operators have an account of their own because the import with `share` makes the server itself tell
the service who is asking (`Nats-Request-Info`).
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hivecommon.contracts.inbox import inbox_consumers
from hivecommon.environment import BusAddress
from hivecommon.files import write_atomically
from hivecommon.home import HiveHome, make_private
from hivecommon.keys import ensure_key
from hivecommon.names import AgentName

SERVICES: Final = ("lifecycle", "approvals", "dashboard", "forge-gw")
SYSTEM_PRINCIPAL: Final = "sys"

# What declaring a stream and reading one takes, without the right to delete or purge.
_DECLARE: Final = ("$JS.API.INFO", "$JS.API.STREAM.INFO.*", "$JS.API.STREAM.CREATE.*",
                   "$JS.API.STREAM.UPDATE.*")  # fmt: skip
_READ: Final = (
    "$JS.API.INFO", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.LIST", "$JS.API.STREAM.INFO.*",
    "$JS.API.STREAM.MSG.GET.*", "$JS.API.DIRECT.GET.>", "$JS.API.CONSUMER.CREATE.>",
    "$JS.API.CONSUMER.DURABLE.CREATE.>", "$JS.API.CONSUMER.NAMES.*", "$JS.API.CONSUMER.LIST.*",
    "$JS.API.CONSUMER.INFO.>", "$JS.API.CONSUMER.MSG.NEXT.>", "$JS.API.CONSUMER.DELETE.>",
    "$JS.FC.>",
)  # fmt: skip
_ANSWER: Final = ("_INBOX.>", "_R_.>")


@dataclass(frozen=True)
class Permissions:
    """The subjects that one principal may publish and subscribe to."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]

    def render(self) -> str:
        """Return the permissions in the server's syntax; JSON strings are valid there."""
        return (
            f"{{ publish: {json.dumps(self.publish)}, subscribe: {json.dumps(self.subscribe)},"
            ' allow_responses: { max: 16, expires: "10m" } }'
        )


def inbox_prefix(principal: str) -> str:
    """Return where a service's own replies arrive; nobody else may subscribe there."""
    return f"_INBOX.{principal}"


def agent_inbox_prefix(agent: AgentName) -> str:
    """Return where an agent's own replies arrive."""
    return f"_INBOX_{agent}"


def _service(name: str, *, publish: tuple[str, ...], subscribe: tuple[str, ...]) -> Permissions:
    own = (f"log.{name}.>", f"events.hive.{name}.>", *_DECLARE, *_ANSWER)
    return Permissions(
        publish=(*own, *publish), subscribe=(f"{inbox_prefix(name)}.>", "$SRV.>", *subscribe)
    )


SERVICE_PERMISSIONS: Final[Mapping[str, Permissions]] = {
    "lifecycle": _service(
        "lifecycle",
        publish=("$JS.API.>", "$JS.ACK.>", "$KV.roster.>", "events.hive.job.>", "agent.*.>",
                 "inbox.*.*", "svc.lifecycle.>"),
        subscribe=("hive.>", "req.*.>", "svc.*.>", "events.>", "$JS.EVENT.ADVISORY.>"),
    ),
    "approvals": _service(
        "approvals",
        publish=("inbox.*.hive", "inbox.*.schedule", "svc.approvals.>", *_READ),
        subscribe=("hive.>", "req.*.>", "svc.*.>", "events.>"),
    ),
    "dashboard": _service(
        "dashboard",
        publish=("hive.>", "agent.*.>", "inbox.*.operator", "$JS.ACK.>", *_READ),
        subscribe=("hive.dashboard.>", "events.>", "log.>", "inbox.operator.*", "$KV.roster.>"),
    ),
    "forge-gw": _service(
        "forge-gw",
        publish=("inbox.*.forge", "svc.forge-gw.>", "$JS.ACK.>", *_READ),
        subscribe=("hive.forge.>", "req.*.>", "svc.*.>", "events.>", "$KV.roster.>"),
    ),
}  # fmt: skip

OPERATOR_PERMISSIONS: Final = Permissions(
    publish=("hive.>", "agent.*.>", "inbox.*.operator", "$SRV.>", *_READ),
    subscribe=("_INBOX.>", "log.>", "events.>"),
)


def agent_permissions(agent: AgentName, recipients: Iterable[str] | None) -> Permissions:
    """Return what an agent may do. `recipients` None: it may write to everybody."""
    to = ["*"] if recipients is None else sorted({"operator", *recipients})
    return Permissions(
        publish=(
            f"req.{agent}.>",
            f"events.{agent}.>",
            f"log.{agent}.>",
            *(f"inbox.{recipient}.{agent}" for recipient in to),
            *(f"$JS.ACK.INBOX.{consumer}.>" for consumer in inbox_consumers(agent)),
        ),
        subscribe=(f"{agent_inbox_prefix(agent)}.>", f"agent.{agent}.>", f"deliver.{agent}"),
    )


def render_users(users: Mapping[str, Permissions | None]) -> str:
    """Return `users = […]` for an account; the keys are public nkeys."""
    lines = [
        f"  {{ nkey: {key}" + (f", permissions: {rights.render()}" if rights else "") + " }"
        for key, rights in sorted(users.items())
    ]
    return "users = [\n" + "\n".join(lines) + "\n]\n"


_ACCOUNTS: Final = """\
accounts {
  HIVE {
    jetstream: enabled
    include "services.conf"
    exports = [
      { service: "hive.>", response_type: stream, accounts: [OPERATORS] }
      { service: "$SRV.>", response_type: stream, accounts: [OPERATORS] }
      { service: "$JS.API.>", response_type: stream, accounts: [OPERATORS] }
      { service: "$JS.FC.>", accounts: [OPERATORS] }
      { service: "inbox.*.operator", accounts: [OPERATORS] }
      { stream: "log.>", accounts: [OPERATORS] }
      { stream: "events.>", accounts: [OPERATORS] }
      { service: "req.*.>", response_type: stream, accounts: [AGENTS] }
      { service: "events.*.>", accounts: [AGENTS] }
      { service: "log.*.>", accounts: [AGENTS] }
      { service: "inbox.*.*", accounts: [AGENTS] }
      { service: "$JS.ACK.INBOX.*.>", accounts: [AGENTS] }
      { stream: "deliver.*", accounts: [AGENTS] }
    ]
    imports = [ { service: { account: AGENTS, subject: "agent.*.>" } } ]
  }
  OPERATORS {
    include "operators.conf"
    imports = [
      { service: { account: HIVE, subject: "hive.>" }, share: true }
      { service: { account: HIVE, subject: "$SRV.>" } }
      { service: { account: HIVE, subject: "$JS.API.>" } }
      { service: { account: HIVE, subject: "$JS.FC.>" } }
      { service: { account: HIVE, subject: "inbox.*.operator" } }
      { service: { account: AGENTS, subject: "agent.*.>" } }
      { stream: { account: HIVE, subject: "log.>" } }
      { stream: { account: HIVE, subject: "events.>" } }
      # A message that entered HIVE through a service import is not handed on by its stream export.
      { stream: { account: AGENTS, subject: "log.*.>" } }
      { stream: { account: AGENTS, subject: "events.*.>" } }
    ]
  }
  AGENTS {
    include "agents.conf"
    exports = [
      { service: "agent.*.>", response_type: stream, accounts: [HIVE, OPERATORS] }
      { stream: "log.*.>", accounts: [OPERATORS] }
      { stream: "events.*.>", accounts: [OPERATORS] }
    ]
    imports = [
      { service: { account: HIVE, subject: "req.*.>" } }
      { service: { account: HIVE, subject: "events.*.>" } }
      { service: { account: HIVE, subject: "log.*.>" } }
      { service: { account: HIVE, subject: "inbox.*.*" } }
      { service: { account: HIVE, subject: "$JS.ACK.INBOX.*.>" } }
      { stream: { account: HIVE, subject: "deliver.*" } }
    ]
  }
  SYS { include "system.conf" }
}
system_account: SYS
"""


def render_server(address: BusAddress, home: HiveHome, monitor_port: int) -> str:
    """Return the server's main file; the users stand in files of their own beside it."""
    store = json.dumps(str(home.jetstream))
    lines = [
        "# Written by hyperhive at every start: changes made by hand are lost.",
        'server_name: "hyperhive"',
        f"host: {json.dumps(address.host)}",
        f"port: {address.port}",
        # An acknowledged message is on disk a second later at the latest.
        f'jetstream {{ store_dir: {store}, sync_interval: "1s" }}',
        f"pid_file: {json.dumps(str(server_pid_file(home)))}",
    ]
    if monitor_port:
        lines.append(f'http: "127.0.0.1:{monitor_port}"')
    return "\n".join(lines) + "\n" + _ACCOUNTS


def prepare_bus(home: HiveHome, address: BusAddress, monitor_port: int, operator: str) -> Path:
    """Make all keys and files that the server needs to start; return its configuration's path.

    Idempotent: keys and agents that exist are kept. At least `operator` will be an operator.
    """
    make_private(home.root)
    make_private(home.bus)
    services = {
        ensure_key(service_key(home, name)): rights for name, rights in SERVICE_PERMISSIONS.items()
    }
    write_atomically(home.bus / "services.conf", render_users(services).encode(), mode=0o600)
    system: dict[str, Permissions | None] = {ensure_key(service_key(home, SYSTEM_PRINCIPAL)): None}
    write_atomically(home.bus / "system.conf", render_users(system).encode(), mode=0o600)
    ensure_key(operator_key(home, operator))
    write_operators(home)
    agents = home.bus / "agents.conf"
    if not agents.exists():
        write_atomically(agents, render_users({}).encode(), mode=0o600)
    make_private(home.jetstream)
    conf = server_conf(home)
    text = render_server(address, home, monitor_port)
    write_atomically(conf, text.encode(), mode=0o600)
    return conf


def write_operators(home: HiveHome) -> bool:
    """Render the operators' account from the keys that exist; return whether it changed."""
    names = {
        ensure_key(file): file.stem for file in sorted(operator_key(home, "x").parent.glob("*.nk"))
    }
    directory = json.dumps(names, indent=1, sort_keys=True) + "\n"
    write_atomically(operators_directory(home), directory.encode(), mode=0o600)
    users = dict.fromkeys(names, OPERATOR_PERMISSIONS)
    return write_atomically(home.bus / "operators.conf", render_users(users).encode(), mode=0o600)


def server_conf(home: HiveHome) -> Path:
    """Return the server's main configuration file."""
    return home.bus / "nats-server.conf"


def server_pid_file(home: HiveHome) -> Path:
    """Return the file in which the server notes its process's number down."""
    return home.jetstream / "nats-server.pid"


def service_key(home: HiveHome, name: str) -> Path:
    """Return the file of a service's seed."""
    return home.keys / "services" / f"{name}.nk"


def operator_key(home: HiveHome, name: str) -> Path:
    """Return the file of an operator's seed."""
    return home.keys / "operators" / f"{name}.nk"


def agent_key(home: HiveHome, name: AgentName) -> Path:
    """Return the file of an agent's seed; its runtime directory holds a copy."""
    return home.keys / "agents" / f"{name}.nk"


def operators_directory(home: HiveHome) -> Path:
    """Return the file that gives operators' names for their public keys, as JSON."""
    return home.bus / "operators.json"
