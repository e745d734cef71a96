"""The generated flake with one NixOS system per agent: its text, and the git repo that holds it."""

import asyncio
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hivecommon.command import Run
from hivecommon.errors import HiveError
from hivecommon.files import write_atomically
from hivecommon.home import make_private
from hivecommon.names import AgentName, parse_agent_name

from hive_lifecycle.git import Git
from hive_lifecycle.source_tree import copy_writable, remove_tree

LOCK_TIMEOUT_S = 600.0
"""Writing flake.lock fetches all of nixpkgs at the first time."""
NIX_FEATURES = "extra-experimental-features = nix-command flakes"
"""NIX_CONFIG of a nix that knows flakes."""
_FLAKE_URL = re.compile(r"[A-Za-z0-9_.:/?&=~%+@-]+")


@dataclass(frozen=True)
class FlakeInputs:
    """Where the agents' systems come from, as flake URLs, and for which platform."""

    hyperhive: str
    nixpkgs: str
    nixpkgs_unstable: str
    platform: str = "x86_64-linux"

    def check(self) -> None:
        """Raise `bad_environment` for what cannot be written into a flake."""
        for name, url in vars(self).items():
            if not _FLAKE_URL.fullmatch(url):
                raise HiveError(
                    f"{url!r}, the input {name} of the agents' flake, is no flake URL",
                    code="bad_environment",
                    hint=f"set HIVE_META_{name.upper()} to something like github:owner/name",
                )


def render_flake(inputs: FlakeInputs, agents: Iterable[AgentName]) -> str:
    """Write flake.nix: one `nixosConfigurations.<agent>` each, from `agents/<agent>`."""
    configurations = "".join(f'        "{name}" = agent "{name}";\n' for name in sorted(agents))
    return f"""\
# Written by hyperhive: changes made by hand are lost. Agents' own modules are in agents/*/config.
{{
  inputs = {{
    nixpkgs.url = "{inputs.nixpkgs}";
    nixpkgs-unstable.url = "{inputs.nixpkgs_unstable}";
    hyperhive.url = "{inputs.hyperhive}";
    hyperhive.inputs.nixpkgs.follows = "nixpkgs";
    hyperhive.inputs.nixpkgs-unstable.follows = "nixpkgs-unstable";
  }};

  outputs =
    {{ nixpkgs, hyperhive, ... }}:
    let
      agent =
        name:
        let
          own = ./agents + "/${{name}}/config/agent.nix";
        in
        nixpkgs.lib.nixosSystem {{
          modules = [
            hyperhive.nixosModules.harness-base
            (./agents + "/${{name}}/hive.nix")
          ]
          ++ nixpkgs.lib.optional (builtins.pathExists own) own;
        }};
    in
    {{
      nixosConfigurations = {{
{configurations}      }};
    }};
}}
"""


def render_agent(inputs: FlakeInputs, name: AgentName) -> str:
    """Write an agent's hive.nix: what the hive itself says about its system."""
    return f"""\
# Written by hyperhive: changes made by hand are lost.
{{
  hyperhive.agent = "{name}";
  nixpkgs.hostPlatform = "{inputs.platform}";
}}
"""


class MetaFlake:
    """`$HIVE_HOME/meta`: written here alone, one commit per change."""

    def __init__(
        self,
        inputs: FlakeInputs,
        git: Git,
        run: Run,
        *,
        nix: str = "nix",
        nix_config: str = NIX_FEATURES,
    ) -> None:
        inputs.check()
        self._inputs = inputs
        self._git = git
        self._run = run
        self._nix = nix
        self._nix_config = nix_config
        self._root = git.repository
        self._writing = asyncio.Lock()

    async def put(self, name: AgentName, config: Path | None) -> bool:
        """Give an agent's system the tree `config` (None: only the base); say if that changed it.

        The tree may be read-only. Raises `bad_tree`, `build_failed` when an input cannot be had.
        """
        async with self._writing:
            await self._open()
            agent = self._root / "agents" / name
            making = self._root / ".making"
            remove_tree(making)
            making.mkdir()
            (making / "hive.nix").write_text(render_agent(self._inputs, name))
            if config is not None:
                copy_writable(config, making / "config")
            remove_tree(agent)
            agent.parent.mkdir(exist_ok=True)
            making.replace(agent)
            return await self._commit(f"Configure {name}")

    async def drop(self, name: AgentName) -> bool:
        """Take an agent's system out; say if there was one."""
        async with self._writing:
            await self._open()
            remove_tree(self._root / "agents" / name)
            return await self._commit(f"Remove {name}")

    async def reference(self, name: AgentName) -> str:
        """Give the flake reference of an agent's system at the last commit.

        It names the commit, so that a build never sees another agent's half-written change.
        """
        head = (await self._git("rev-parse", "HEAD")).stdout.decode().strip()
        return f"git+file://{self._root}?rev={head}#{name}"

    async def tree(self, name: AgentName) -> str:
        """Give the hash of all that is the agent's own, as last committed."""
        return (await self._git("rev-parse", f"HEAD:agents/{name}")).stdout.decode().strip()

    def base(self) -> str:
        """Give the hash of what all agents share: inputs, their locked versions, the base itself."""
        digest = hashlib.sha256(render_flake(self._inputs, ()).encode())
        digest.update(self.lock())
        return digest.hexdigest()[:32]

    @property
    def root(self) -> Path:
        """Where the flake is."""
        return self._root

    def sources(self) -> dict[str, str]:
        """Give the reference that each input is taken from, by its name in the flake."""
        return {
            "hyperhive": self._inputs.hyperhive,
            "nixpkgs": self._inputs.nixpkgs,
            "nixpkgs-unstable": self._inputs.nixpkgs_unstable,
        }

    def lock(self) -> bytes:
        """Give flake.lock as it is; empty when nothing is locked yet."""
        lock = self._root / "flake.lock"
        return lock.read_bytes() if lock.exists() else b""

    async def copy_to(self, path: Path) -> Git:
        """Copy the flake as last committed, all agents included; give git on the copy."""
        async with self._writing:
            await self._open()
            if not (self._root / "flake.nix").exists():
                await self._commit("Begin")
            # --no-local: no file is shared between the two.
            clone = ("clone", "--quiet", "--no-local", "--template=", "--", str(self._root))
            await self._git(*clone, str(path))
        return self._git.at(path)

    async def has_mark(self, mark: str) -> bool:
        """Whether a commit says `mark`; none does where nothing was committed."""
        found = await self._git.attempt("log", "--format=%s", "--fixed-strings", "--grep", mark)
        return found.code == 0 and mark in found.stdout.decode(errors="replace").splitlines()

    async def move_lock(self, old: bytes, new: bytes, mark: str) -> None:
        """Let flake.lock be `new`, in a commit that says `mark`; raise `base_moved`."""
        async with self._writing:
            await self._open()
            if self.lock() != old:
                raise HiveError(
                    "the inputs were locked anew meanwhile", code="base_moved",
                    hint="ask for the update again",
                )  # fmt: skip
            write_atomically(self._root / "flake.lock", new)
            await self._git("add", "--force", "flake.lock")
            await self._git("commit", "--quiet", "--no-verify", "-m", mark)

    async def _open(self) -> None:
        make_private(self._root)
        # Each time: it changes nothing that is there, and completes one that was cut off.
        await self._git("init", "--quiet", "--template=")
        # Left by a git that was killed: nobody else writes here.
        for place in ("*.lock", "refs/**/*.lock"):
            for lock in (self._root / ".git").glob(place):
                lock.unlink(missing_ok=True)

    async def _commit(self, message: str) -> bool:
        directory = self._root / "agents"
        names = [parse_agent_name(path.name) for path in directory.glob("*")]
        flake = self._root / "flake.nix"
        changed = write_atomically(flake, render_flake(self._inputs, names).encode())
        # An agent's own .gitignore must not hide what its system is made of.
        everything = ("add", "--all", "--force", "flake.nix", "agents")
        await self._git(*everything[: 5 if directory.exists() else 4])
        if changed or not (self._root / "flake.lock").exists():
            await self.write_lock(self._root)
        if (self._root / "flake.lock").exists():
            await self._git("add", "flake.lock")
        if (await self._git.attempt("diff", "--cached", "--quiet")).code == 0:
            return False
        await self._git("commit", "--quiet", "--no-verify", "-m", message)
        return True

    async def write_lock(self, root: Path) -> None:
        """Lock those inputs of the flake in `root` that are not locked; raise `build_failed`."""
        done = await self._run(
            [self._nix, "flake", "lock", str(root)],
            timeout_s=LOCK_TIMEOUT_S,
            env={"NIX_CONFIG": self._nix_config},
        )
        if done.code:
            words = done.stderr.decode(errors="replace").strip()
            raise HiveError(
                f"the inputs of the agents' flake cannot be had: {words[-500:]}",
                code="build_failed",
                hint="see HIVE_META_NIXPKGS, HIVE_META_NIXPKGS_UNSTABLE and HIVE_META_HYPERHIVE",
            )
