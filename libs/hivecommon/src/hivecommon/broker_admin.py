"""Changing a running server: who its agents are, its configuration, its inbox consumers."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import nats.errors
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from hivecommon.broker import agent_key, agent_permissions, render_users
from hivecommon.bus import Bus
from hivecommon.contracts.inbox import (
    OPERATOR,
    InboxMessage,
    delivery_subject,
    inbox_consumers,
)
from hivecommon.contracts.streams import ACK_WAIT, INBOX, INBOX_AHEAD
from hivecommon.errors import HiveError, Unavailable
from hivecommon.files import write_atomically
from hivecommon.home import HiveHome
from hivecommon.keys import ensure_key
from hivecommon.names import AgentName


class _Pong(msgspec.Struct):
    server: dict[str, Any]


class _ReloadAnswer(msgspec.Struct):
    error: dict[str, Any] | None = None


def write_agents(home: HiveHome, agents: Mapping[AgentName, Iterable[str] | None]) -> bool:
    """Render the agents' account; return whether it changed. Keys that exist are kept.

    `agents` gives each agent's allowed recipients, None for everybody.
    """
    users = {
        ensure_key(agent_key(home, name)): agent_permissions(name, recipients)
        for name, recipients in agents.items()
    }
    return write_atomically(home.bus / "agents.conf", render_users(users).encode(), mode=0o600)


async def reload_server(system: Bus) -> None:
    """Let the server read its files again; `system` is a connection of the system account.

    Connections of users that did not change stay as they are. Raises `bad_bus_config` with the
    server's own words when it refuses the files; it then goes on with the old ones.
    """
    try:
        pong = await system.client.request("$SYS.REQ.SERVER.PING", b"", timeout=2)
        server_id = msgspec.json.decode(pong.data, type=_Pong).server["id"]
        answer = await system.client.request(f"$SYS.REQ.SERVER.{server_id}.RELOAD", b"", timeout=5)
    except nats.errors.Error as error:
        raise Unavailable(f"the bus did not reload: {str(error) or 'no answer'}") from error
    if (failure := msgspec.json.decode(answer.data, type=_ReloadAnswer).error) is not None:
        raise HiveError(
            f"the bus refuses its configuration: {failure.get('description', failure)}",
            code="bad_bus_config",
            hint="the files lie in $HIVE_HOME/bus; the bus goes on with the ones it had",
        )


async def declare_inbox(bus: Bus, agent: AgentName) -> None:
    """Make the agent's consumers of INBOX, or bring existing ones up to date.

    They push some messages ahead to the harness; what is unread waits in the stream. One of them
    has operators' messages alone: the harness, which knows a message that comes twice, handles
    those first however many others wait.
    """
    everything, operators = inbox_consumers(agent)
    filters = {
        everything: InboxMessage.filter_for(agent),
        operators: InboxMessage.subject_for(to=agent, sender=OPERATOR),
    }
    for consumer, subject in filters.items():
        await bus.jetstream.add_consumer(
            INBOX.name,
            ConsumerConfig(
                durable_name=consumer,
                filter_subject=subject,
                deliver_subject=delivery_subject(agent),
                deliver_policy=DeliverPolicy.ALL,
                ack_policy=AckPolicy.EXPLICIT,
                ack_wait=ACK_WAIT.total_seconds(),
                max_deliver=-1,
                max_ack_pending=INBOX_AHEAD,
            ),
        )
