"""Pushing the applied config repos and the meta flake to the forge; what is there is overwritten."""

import base64
import hashlib
from pathlib import Path
from typing import Final

import structlog
from hivecommon.command import Run
from hivecommon.errors import HiveError
from hivecommon.names import AgentName

from hive_forge_gw.config import Config
from hive_forge_gw.forge import Forge
from hive_forge_gw.places import Places
from hive_forge_gw.store import Store

META: Final = "meta"
TIMEOUT_S: Final = 120.0
# Branches that agents push there for their pull requests stay.
_REFS: Final = ("refs/heads/main:refs/heads/main", "refs/tags/*:refs/tags/*")

_log = structlog.get_logger()


def mirror_name(agent: AgentName) -> str:
    """Return the mirror of an agent's config; the prefix keeps it apart from all other repositories."""
    return f"config-{agent}"


class Mirrors:
    """Keeps the forge's copies of our own git repositories."""

    def __init__(self, config: Config, places: Places, store: Store, run: Run) -> None:
        self._config = config
        self._places = places
        self._store = store
        self._run = run

    async def agent(self, forge: Forge, agent: AgentName, admin_token: str) -> str:
        """Mirror an agent's applied config; return the mirror's name, empty if there is no config."""
        source = self._config.home.applied(agent)
        name = mirror_name(agent)
        if not await self._mirror(forge, source, name, admin_token):
            return ""
        await self._places.let_read(forge, agent, name)
        return f"{self._config.organization}/{name}"

    async def meta(self, forge: Forge, admin_token: str) -> bool:
        """Mirror the meta flake; return whether there is one."""
        return await self._mirror(forge, self._config.home.meta, META, admin_token)

    async def _mirror(self, forge: Forge, source: Path, name: str, admin_token: str) -> bool:
        refs = await self._refs(source)
        if not refs:
            return False
        made = await self._places.ensure_repo(forge, name)
        digest = hashlib.sha256(refs).hexdigest()
        if made or self._store.mirrored(name) != digest:
            await self._push(source, name, admin_token, has_main=b"refs/heads/main\n" in refs)
            self._store.set_mirrored(name, digest)
            _log.info("mirrored", repo=name)
        return True

    async def _refs(self, source: Path) -> bytes:
        if not source.is_dir():  # noqa: ASYNC240 - one stat on the local disk
            return b""
        done = await self._git(
            source,
            "for-each-ref",
            "--format=%(objectname) %(refname)",
            "refs/heads/main",
            "refs/tags",
        )
        return done if done.strip() else b""

    async def _push(self, source: Path, name: str, token: str, *, has_main: bool) -> None:
        url = f"{self._config.url}/{self._config.organization}/{name}.git"
        refs = _REFS if has_main else _REFS[1:]
        login = base64.b64encode(f"hyperhive:{token}".encode()).decode()
        # A login in the URL or in `-c` would stand in the list of processes.
        secret = {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"http.{self._config.url}/.extraHeader",
            "GIT_CONFIG_VALUE_0": f"Authorization: Basic {login}",
        }
        await self._git(source, "push", "--quiet", "--force", "--prune", url, *refs, **secret)

    async def _git(self, source: Path, *words: str, **secret: str) -> bytes:
        quiet = {
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
        }
        argv = [self._config.git, "-C", str(source), *words]
        done = await self._run(argv, timeout_s=TIMEOUT_S, env={**quiet, **secret})
        if done.code != 0 and words[0] == "for-each-ref":
            raise HiveError(f"{source} is no git repository", code="bad_repository")
        return done.check().stdout

    async def remove(self, forge: Forge, agent: AgentName) -> None:
        """Delete an agent's mirror."""
        await self._places.remove_repo(forge, mirror_name(agent))
        self._store.set_mirrored(mirror_name(agent), "")
