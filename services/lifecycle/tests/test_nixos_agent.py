"""A whole agent in a container: the real harness and the real Claude CLI on a scripted model."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hivecommon.contracts.inbox import InboxMessage
from hivecommon.contracts.lifecycle import Rebuild
from hivecommon.contracts.roster import ContainerState
from hivecommon.names import AgentName
from hivetesting.claude_cli import scripted_environment
from hivetesting.harness import AGENT_PATTERN
from hivetesting.messages_api.server import ScriptedMessagesApi
from hivetesting.nixos.bench import eventually, host_environ, now
from hivetesting.nixos.host import PATIENCE_S, StandInHost, stand_in_host

PROJECT = Path(__file__).resolve().parents[3]
NAME = AgentName("nixie")
Hive = Any  # conftest's; pytest cannot import it from here

# A whole host is started for each: on a busy machine that takes long, and nothing hangs.
pytestmark = [pytest.mark.needs("bwrap", "flock"), pytest.mark.timeout(600)]


@pytest.fixture
def api() -> Iterator[ScriptedMessagesApi]:
    with ScriptedMessagesApi(agent_pattern=AGENT_PATTERN) as running:
        yield running


@pytest.fixture
def host(api: ScriptedMessagesApi) -> Iterator[StandInHost]:
    with stand_in_host(PROJECT) as host:
        host.layout.turn(
            harness=[sys.executable, "-P", "-m", "hive_harness"],
            # What deploy/nix/harness-base.nix sets, and the model's stand-in.
            harness_env={
                "HIVE_AGENT_RUN": "/run/hive",
                "HYPERHIVE_STATE_DIR": "/state",
                **scripted_environment(api.base_url, Path("/root/.claude")),
            },
        )
        yield host


@pytest.fixture
def hive_environ(host: StandInHost) -> dict[str, str]:
    return host_environ(host)


async def tell(hive: Hive, body: str) -> None:
    message = InboxMessage(id=f"m-{len(body)}", body=body, sent_at=now())
    await hive.operator.publish_acked(
        InboxMessage.subject_for(to=NAME, sender="operator"),
        msgspec.json.encode(message),
        message_id=message.id,
    )


async def heard(api: ScriptedMessagesApi, words: str) -> None:
    await api.wait_for(lambda one: words in one.request.last_user_text, deadline_s=PATIENCE_S)


async def test_it_takes_turns_and_keeps_all_that_is_its_own_through_a_rebuild(
    hive: Hive, host: StandInHost, api: ScriptedMessagesApi
) -> None:
    await hive.spawn(NAME)
    await tell(hive, "hello in there")
    await heard(api, "hello in there")
    row = await hive.row(NAME)
    assert (row.state, row.sandboxed, row.runtime) == (ContainerState.RUNNING, True, "nixos")
    state, claude = hive.environment.home.state(NAME), hive.environment.home.claude(NAME)
    assert (state / "hyperhive-events.sqlite").is_file()

    async def remembered() -> bool:
        return any(claude.rglob("*.jsonl"))

    await eventually(remembered)
    await hive.done(await hive.operator.request(Rebuild(agent=NAME)))
    await tell(hive, "and hello again")
    await heard(api, "and hello again")
