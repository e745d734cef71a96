"""An agent's directories and files on the host: made, checked, moved, removed; links are never followed."""

import stat
from pathlib import Path
from typing import Final

import msgspec
from hivecommon.broker import agent_key
from hivecommon.command import Run
from hivecommon.contracts.agent_toml import bytes_of
from hivecommon.contracts.harness import HarnessConfig
from hivecommon.environment import HiveEnvironment
from hivecommon.errors import HiveError
from hivecommon.files import write_atomically
from hivecommon.home import HiveHome, make_private
from hivecommon.names import AgentName, agent_port

from hive_lifecycle.agents import Agent

_REMOVAL_S: Final = 300.0
MANAGED_CONFIGS: Final = "/agents"
"""Where a sandboxed manager finds the proposed repos: `/agents/<name>/config`."""
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_ANY = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, not bound


def make_directories(hive: HiveEnvironment, name: AgentName) -> bool:
    """Make what is missing of an agent's directories; return whether anything was.

    Raises `unsafe_dir` when a link or a file stands in the place of one.
    """
    wanted = [
        hive.home.agents, hive.home.agent(name), hive.home.state(name), hive.home.claude(name),
        hive.home.config(name), hive.run.root, hive.run.root / "agents", hive.run.agent(name),
    ]  # fmt: skip
    missing = [directory for directory in wanted if not directory.exists()]
    for directory in wanted:
        make_private(directory)
    return bool(missing)


def has_state(home: HiveHome, name: AgentName) -> bool:
    """Whether the agent's state directory is there, as a directory and not as a link to one."""
    return all(_is_directory(path) for path in (home.agents, home.agent(name), home.state(name)))


def write_bus_key(hive: HiveEnvironment, name: AgentName) -> bool:
    """Copy the agent's seed to where its harness reads it; return whether that changed anything."""
    seed = agent_key(hive.home, name).read_bytes()
    return write_atomically(hive.run.agent(name) / "bus.nk", seed, mode=0o600)


def write_harness_config(
    hive: HiveEnvironment, agent: Agent, *, runtime: str, sandboxed: bool
) -> bool:
    """Write `harness.json`; return whether that changed anything."""
    host = hive.dashboard_host
    configs = MANAGED_CONFIGS if sandboxed else str(hive.home.agents)
    config = HarnessConfig(
        agent=agent.name,
        manager=agent.manager,
        bus_url=hive.bus.url,
        port=agent_port(agent.name),
        host=host,
        runtime=runtime,
        sandboxed=sandboxed,
        paused=agent.paused,
        persona=agent.settings.persona,
        model=agent.settings.model or "",
        recipients=agent.settings.recipients,
        tools_allowed=agent.config.tools.allow,
        tools_denied=agent.config.tools.deny,
        mcp_servers=agent.config.mcp_servers,
        spend_cap_usd=agent.spend_cap_usd,
        silence_s=agent.config.turn.silence_s,
        effort=agent.config.effort,
        batch=agent.config.inbox.batch,
        compact_at=agent.config.context.compact_at,
        cli_memory_bytes=bytes_of(agent.config.context.cli_memory),
        configs=configs if agent.manager else "",
        dashboard_port=hive.dashboard_port,
        operator_hosts=[] if host in _LOOPBACK | _ANY else [host],
    )
    file = hive.run.agent(agent.name) / "harness.json"
    return write_atomically(file, msgspec.json.encode(config), mode=0o600)


def check_places(home: HiveHome, name: AgentName) -> None:
    """Refuse to move or remove an agent's directories while a link or a file stands in one's place.

    What lies behind it is not ours, and to say that it was wiped would be untrue. Raises `unsafe_dir`.
    """
    own = (home.agent(name), home.state(name), home.claude(name), home.config(name))
    for place in (home.agents, *own, home.applied(name)):
        if _exists(place) and not _is_directory(place):
            raise _unsafe(place)


async def remove_run_directory(hive: HiveEnvironment, name: AgentName, run: Run) -> bool:
    """Remove the agent's runtime directory, its copy of the key with it."""
    return await _remove_tree(hive.run.agent(name), run)


async def purge(home: HiveHome, name: AgentName, run: Run) -> bool:
    """Remove login, notes, history and config of an agent; return whether there was anything."""
    removed = [await _remove_tree(tree, run) for tree in (home.agent(name), home.applied(name))]
    return any(removed)


def move(home: HiveHome, old: AgentName, new: AgentName) -> bool:
    """Give the directories of `old` to `new`; return whether anything moved.

    May be repeated. Raises `unsafe_dir`, and `kept_state` when `new` has directories of its own already.
    """
    check_places(home, old)
    moved = False
    for source, target in (
        (home.agent(old), home.agent(new)),
        (home.applied(old), home.applied(new)),
    ):
        if not _exists(source):
            continue
        if _exists(target):
            raise HiveError(
                f"{target} is there already",
                code="kept_state",
                hint=f"it is what a destroyed agent left: `hive destroy --purge {new}` removes it",
            )
        source.rename(target)
        moved = True
    return moved


async def _remove_tree(directory: Path, run: Run) -> bool:
    if not _exists(directory):
        return False
    if not _is_directory(directory):
        raise _unsafe(directory)
    # An agent's Go modules, say, are read-only directories. Neither program follows links, and
    # both go deeper than Python's recursion does.
    await run(["chmod", "-R", "u+rwX", "--", str(directory)], timeout_s=_REMOVAL_S)
    removal = ["rm", "-rf", "--one-file-system", "--", str(directory)]
    (await run(removal, timeout_s=_REMOVAL_S)).check()
    return True


def _unsafe(path: Path) -> HiveError:
    return HiveError(
        f"{path} is a link or a file where a directory of ours should be",
        code="unsafe_dir",
        hint="look at what it is, remove it by hand, and try again",
    )


def _exists(path: Path) -> bool:
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    return True


def _is_directory(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False
