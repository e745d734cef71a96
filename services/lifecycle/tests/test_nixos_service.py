"""A whole lifecycle with HIVE_RUNTIME=nixos: every verb over the bus, on a stand-in NixOS host."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hivecommon.bus import Bus, Login
from hivecommon.command import run
from hivecommon.contracts.inbox import InboxMessage
from hivecommon.contracts.lifecycle import (
    Destroy,
    ListAgents,
    Rebuild,
    Rename,
    Restart,
    Start,
    Stop,
)
from hivecommon.contracts.roster import ContainerState
from hivecommon.contracts.streams import INBOX
from hivecommon.errors import HiveError
from hivecommon.names import AgentName, agent_port
from hivetesting.nixos.bench import eventually, host_environ, now
from hivetesting.nixos.host import StandInHost, stand_in_host, until

PROJECT = Path(__file__).resolve().parents[3]
HARNESS = Path(__file__).with_name("stand_in.py").read_text()
Hive = Any  # conftest's; pytest cannot import it from here

# A whole host is started for each: on a busy machine that takes long, and nothing hangs.
pytestmark = [pytest.mark.needs("bwrap", "flock"), pytest.mark.timeout(600)]


@pytest.fixture
def host() -> Iterator[StandInHost]:
    with stand_in_host(PROJECT) as host:
        host.layout.turn(
            harness=[sys.executable, "-P", "-c", HARNESS],
            harness_env={"HIVE_AGENT_RUN": "/run/hive", "HYPERHIVE_STATE_DIR": "/state"},
        )
        yield host


@pytest.fixture
def hive_environ(host: StandInHost) -> dict[str, str]:
    return host_environ(host)


def keep(hive: Hive, name: str) -> None:
    """Leave a login and notes, as an agent does."""
    home = hive.environment.home
    (home.claude(AgentName(name)) / "credentials").write_text(f"{name}'s login")
    (home.state(AgentName(name)) / "notes.md").write_text(f"{name}'s notes")


def kept(hive: Hive, name: str) -> tuple[str, str]:
    home = hive.environment.home
    return (
        (home.claude(AgentName(name)) / "credentials").read_text(),
        (home.state(AgentName(name)) / "notes.md").read_text(),
    )


async def test_every_verb_works_on_containers(hive: Hive, host: StandInHost) -> None:
    job = await hive.spawn("alice")
    texts = [step.text for step in job.steps]
    assert "container h-alice created" in texts
    assert "its harness has reported" in texts
    row = await hive.row("alice")
    assert (row.runtime, row.sandboxed, row.state) == ("nixos", True, ContainerState.RUNNING)
    assert not row.needs_update
    ask = hive.ask
    await hive.done(await ask(Stop(agent="alice")))
    assert host.state("h-alice") == "inactive"
    await hive.done(await ask(Start(agent="alice")))
    await hive.done(await ask(Restart(agent="alice")))
    job = await hive.done(await ask(Rebuild(agent="alice")))
    changed = {step.text for step in job.steps if step.changed}
    assert {"container h-alice stopped", "container h-alice started"} <= changed
    assert "container h-alice created" not in changed
    assert (await hive.row("alice")).state is ContainerState.RUNNING
    await hive.done(await ask(Destroy(agent="alice")))
    assert host.run("nixos-container", "list").stdout == ""


async def test_s6_after_a_restart_of_lifecycle_a_rebuild_gives_a_working_agent(
    hive: Hive, host: StandInHost
) -> None:
    await hive.spawn("alice")
    before = await hive.row("alice")
    hive.end_lifecycle()
    assert host.state("h-alice") == "active"
    hive.start_lifecycle()
    assert (await hive.row("alice")).pid == before.pid
    root = host.layout.state_dir / "h-alice"
    inode = root.stat().st_ino
    (hive.environment.run.agent(AgentName("alice")) / "bus.nk").unlink()
    await hive.done(await hive.ask(Rebuild(agent="alice")))
    row = await hive.row("alice")
    assert row.state is ContainerState.RUNNING
    assert row.harness.status_text.startswith("reading")
    assert root.stat().st_ino == inode


async def test_destroyed_and_spawned_again_she_has_the_same_login_and_notes(hive: Hive) -> None:
    for name in ("alice", "bob"):
        await hive.spawn(name)
        keep(hive, name)
    await hive.done(await hive.ask(Destroy(agent="alice")))
    assert (await hive.ask(ListAgents())).kept == ["alice"]
    await hive.spawn("alice")
    assert kept(hive, "alice") == ("alice's login", "alice's notes")
    await hive.done(await hive.ask(Destroy(agent="alice", purge=True)))
    assert not hive.environment.home.agent(AgentName("alice")).exists()
    assert kept(hive, "bob") == ("bob's login", "bob's notes")
    assert (await hive.row("bob")).state is ContainerState.RUNNING
    await hive.spawn("alice")
    assert not (hive.environment.home.state(AgentName("alice")) / "notes.md").exists()


@pytest.mark.parametrize("name", ["..", "../x", "a\nb", "h-*", "", "alice/../bob"])
async def test_what_is_no_name_is_refused_and_nothing_is_touched(
    hive: Hive, host: StandInHost, name: str
) -> None:
    with pytest.raises(HiveError) as caught:
        await hive.ask(Destroy(agent=name, purge=True))
    assert caught.value.code == "bad_name"
    assert host.run("nixos-container", "list").stdout == ""


async def test_a_link_planted_at_the_state_directory_is_not_followed(
    hive: Hive, host: StandInHost, tmp_path: Path
) -> None:
    await hive.spawn("alice")
    victim = tmp_path / "victim"
    victim.mkdir(mode=0o755)
    (victim / "precious").write_text("precious")
    home = hive.environment.home
    await hive.done(await hive.ask(Stop(agent="alice")))
    await run(["rm", "-rf", str(home.state(AgentName("alice")))], timeout_s=10)
    home.state(AgentName("alice")).symlink_to(victim)
    job = await hive.ended(await hive.ask(Start(agent="alice")))
    assert job.error.code == "unsafe_dir"
    assert (victim / "precious").read_text() == "precious"
    assert victim.stat().st_mode & 0o777 == 0o755


async def test_nothing_is_destroyed_or_renamed_where_a_link_was_planted(
    hive: Hive, host: StandInHost, tmp_path: Path
) -> None:
    await hive.spawn("alice")
    victim = tmp_path / "victim"
    victim.mkdir(mode=0o755)
    (victim / "precious").write_text("precious")
    home, alice = hive.environment.home, AgentName("alice")
    for place in (home.state(alice), home.claude(alice), home.config(alice), home.applied(alice)):
        aside = place.rename(tmp_path / "aside")
        place.symlink_to(victim)
        for order in (
            Destroy(agent="alice"),
            Destroy(agent="alice", purge=True),
            Rename(agent="alice", to="carol"),
        ):
            with pytest.raises(HiveError) as caught:
                await hive.ask(order)
            assert caught.value.code == "unsafe_dir"
            assert str(place) in caught.value.message
        place.unlink()
        aside.rename(place)
    assert [path.name for path in victim.iterdir()] == ["precious"]
    assert victim.stat().st_mode & 0o777 == 0o755
    assert (await hive.row("alice")).state is ContainerState.RUNNING
    assert host.run("nixos-container", "list").stdout == "h-alice\n"


@contextlib.asynccontextmanager
async def connected(login: Login) -> AsyncIterator[Bus]:
    bus = await Bus.connect(login, patience_s=5)
    try:
        yield bus
    finally:
        await bus.drain()


async def say(hive: Hive, sender: str, to: str, body: str) -> None:
    message = InboxMessage(id=f"{sender}-{to}-{len(body)}", body=body, sent_at=now())
    subject = InboxMessage.subject_for(to=to, sender=sender)
    async with connected(hive.broker.agent_login(sender)) as bus:
        await bus.publish_acked(subject, msgspec.json.encode(message), message_id=message.id)


async def messages(hive: Hive, to: str) -> list[tuple[str, str]]:
    """Give (sender, body) of all that the stream holds for somebody."""
    found = []
    async with connected(hive.broker.service_login("lifecycle")) as bus:
        everything = InboxMessage.filter_for(to)
        consumer = await bus.jetstream.pull_subscribe(everything, stream=INBOX.name)
        for _ in range((await consumer.consumer_info()).num_pending or 0):
            (msg,) = await consumer.fetch(1, timeout=5)
            sender = InboxMessage.route(msg.subject)[1]
            found.append((sender, InboxMessage.decode(msg.data).body))
        await consumer.unsubscribe()
    return found


async def assert_renamed(hive: Hive, host: StandInHost) -> None:
    rows = (await hive.ask(ListAgents())).agents
    assert [row.name for row in rows] == ["bob", "viktor"]
    row = await hive.row("viktor")
    assert row.port == agent_port(AgentName("viktor")) != agent_port(AgentName("victor"))
    assert row.state is ContainerState.RUNNING
    assert host.run("nixos-container", "list").stdout.split() == ["h-bob", "h-viktor"]
    assert kept(hive, "viktor") == ("victor's login", "victor's notes")
    assert (hive.environment.home.config(AgentName("viktor")) / "agent.toml").read_text() == "x = 1"
    assert ("bob", "for victor") in await messages(hive, "viktor")
    assert ("victor", "from victor") in await messages(hive, "bob")
    assert not hive.environment.home.agent(AgentName("victor")).exists()


async def prepare_victor(hive: Hive) -> None:
    for name in ("bob", "victor"):
        await hive.spawn(name)
    keep(hive, "victor")
    (hive.environment.home.config(AgentName("victor")) / "agent.toml").write_text("x = 1")
    await say(hive, "bob", "victor", "for victor")
    await say(hive, "victor", "bob", "from victor")


async def test_a_renamed_agent_keeps_all_that_is_his(hive: Hive, host: StandInHost) -> None:
    await prepare_victor(hive)
    await hive.done(await hive.ask(Rename(agent="victor", to="viktor")))
    await assert_renamed(hive, host)


@pytest.mark.parametrize("gate", ["destroy.h-victor", "create.h-viktor", "boot.h-viktor"])
async def test_a_rename_killed_in_the_middle_goes_on_and_loses_nothing(
    hive: Hive, host: StandInHost, gate: str
) -> None:
    await prepare_victor(hive)
    with host.shut_gate(*gate.split(".")) as reached:
        accepted = await hive.ask(Rename(agent="victor", to="viktor"))
        await until(reached)
        hive.end_lifecycle(signal.SIGKILL)
    hive.start_lifecycle()
    await hive.done(accepted)
    await assert_renamed(hive, host)


async def test_what_is_done_by_hand_is_told_and_shown(hive: Hive, host: StandInHost) -> None:
    await hive.spawn("alice")
    host.run("nixos-container", "stop", "h-alice")
    told = await hive.happenings.wait_for("alice", "stopped")
    assert "by hand" in told.detail
    assert (await hive.row("alice")).state is ContainerState.STOPPED
    await hive.done(await hive.ask(Stop(agent="alice")))
    host.run("nixos-container", "start", "h-alice")
    told = await hive.happenings.wait_for("alice", "started")
    assert "by hand" in told.detail
    assert host.run("nixos-container", "destroy", "h-alice").returncode == 0
    await hive.done(await hive.ask(Start(agent="alice")))
    assert (await hive.row("alice")).state is ContainerState.RUNNING


async def test_a_crash_is_told_and_the_agent_comes_back(hive: Hive, host: StandInHost) -> None:
    await hive.spawn("alice")
    host.layout.turn(linger_s=0.0)
    host.run("systemctl", "kill", "-s", "KILL", "container@h-alice")
    told = await hive.happenings.wait_for("alice", "crashed")
    assert "started it again once" in told.detail

    async def runs() -> bool:
        return (await hive.row("alice")).state is ContainerState.RUNNING

    await eventually(runs)


async def test_a_start_limit_is_told_and_overcome(hive: Hive, host: StandInHost) -> None:
    await hive.spawn("alice")
    host.layout.turn(linger_s=1.0)  # until then every start of systemd's own fails
    host.run("systemctl", "kill", "-s", "KILL", "container@h-alice")

    async def gave_up() -> bool:
        told = [one for one in hive.happenings.all if one.what == "crashed"]
        return any("times and gave up" in one.detail for one in told)

    await eventually(gave_up)
    await hive.happenings.wait_for("alice", "restarted")
    assert (await hive.row("alice")).state is ContainerState.RUNNING


async def test_a_container_of_nobody_is_told_and_listed(hive: Hive, host: StandInHost) -> None:
    await hive.spawn("alice")
    flake = f"{hive.environment.home.meta}#alice"
    assert host.run("nixos-container", "create", "h-ghost", "--flake", flake).returncode == 0
    assert "hive spawn ghost" in (await hive.happenings.wait_for("ghost", "stranger")).detail
    reply = await hive.ask(ListAgents())
    assert ([row.name for row in reply.agents], reply.strangers) == (["alice"], ["ghost"])
    await hive.spawn("ghost")
    assert (await hive.row("ghost")).state is ContainerState.RUNNING
    assert (await hive.ask(ListAgents())).strangers == []


async def test_after_a_reboot_all_agents_that_should_run_are_brought_up(
    hive: Hive, host: StandInHost
) -> None:
    names = ["alice", "bob", "carol"]
    await asyncio.gather(*(hive.spawn(name) for name in names))
    await hive.done(await hive.ask(Stop(agent="carol")))
    hive.end_lifecycle(signal.SIGKILL)
    host.reboot()
    await run(["rm", "-rf", str(hive.environment.run.root)], timeout_s=10)
    told = len(hive.happenings.all)
    hive.start_lifecycle()

    async def up() -> bool:
        return [host.state(f"h-{name}") for name in names] == ["active", "active", "inactive"]

    await eventually(up)
    assert not [one for one in hive.happenings.all[told:] if one.what in {"crashed", "stopped"}]
