"""Newer inputs for the agents' flake: tried in a copy, taken over once every agent is built."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hivecommon.command import Completed, Run
from hivecommon.contracts.approvals import FlakeInput
from hivecommon.names import AgentName

from hive_lifecycle.errors import BuildFailed
from hive_lifecycle.flake_lock import FILE, parse_lock, pick, without
from hive_lifecycle.git import Git
from hive_lifecycle.meta_flake import MetaFlake
from hive_lifecycle.nixos_config import NixosConfig
from hive_lifecycle.runtime import Report
from hive_lifecycle.source_tree import remove_tree

_TOPLEVEL: Final = "config.system.build.toplevel"


@dataclass(frozen=True)
class NewerInputs:
    """Moves flake.lock on, all agents at once or not at all."""

    meta: MetaFlake
    config: NixosConfig
    run: Run

    def locked(self) -> list[FlakeInput]:
        """Return what is locked now; raise `bad_lock`."""
        return parse_lock(self.meta.lock(), self.meta.sources())

    async def take(
        self, wanted: Sequence[str], agents: Collection[AgentName], mark: str, report: Report
    ) -> None:
        """Lock newer inputs, once per `mark`, when every agent's system can be built with them.

        What is locked, built and running stays as it is when one cannot: raises `build_failed`
        with the log, `unknown_input`, and `base_moved` when the lock was moved meanwhile.
        """
        before = self.locked()
        names = [one.name for one in pick(before, wanted)]
        if await self.meta.has_mark(mark):
            await report("the newer inputs are locked already", changed=False)
            return
        async with self._copy() as copy:
            old = self.meta.lock()
            new = await self._lock(copy, old, names)
            moved = _moves(before, parse_lock(new, self.meta.sources()))
            for line in moved:
                await report(line)
            if not moved:
                await report("there is nothing newer", changed=False)
                return
            await copy("add", "--force", FILE)
            await copy("commit", "--quiet", "--no-verify", "-m", mark)
            head = (await copy("rev-parse", "HEAD")).stdout.decode().strip()
            for name in sorted(agents):
                if (copy.repository / "agents" / name).is_dir():
                    await self._build(copy.repository, head, name)
                    await report(f"{name} can be built with them", changed=False)
        await self.meta.move_lock(old, new, mark)
        await report("the newer inputs are locked")

    @asynccontextmanager
    async def _copy(self) -> AsyncIterator[Git]:
        """Yield git on a copy of the flake as it was last committed."""
        path = self.meta.root.with_name(f"{self.meta.root.name}.update")
        remove_tree(path)
        try:
            yield await self.meta.copy_to(path)
        finally:
            remove_tree(path)

    async def _lock(self, copy: Git, old: bytes, names: Collection[str]) -> bytes:
        file = copy.repository / FILE
        if old.strip():
            file.write_bytes(without(old, names))
            await copy("add", "--force", FILE)
        await self.meta.write_lock(copy.repository)
        return file.read_bytes()

    async def _build(self, root: Path, head: str, name: AgentName) -> None:
        reference = f'git+file://{root}?rev={head}#nixosConfigurations."{name}".{_TOPLEVEL}'
        done = await self.run(
            [self.config.tools.nix, "build", "--no-link", "--print-build-logs", reference],
            timeout_s=self.config.build_timeout.total_seconds(), env={"NIX_CONFIG": self.config.nix_config},
        )  # fmt: skip
        if done.code:
            raise _not_built(name, done)


def _moves(before: list[FlakeInput], after: list[FlakeInput]) -> list[str]:
    return [
        f"{new.name}: {_short(old)} -> {_short(new)}"
        for old, new in zip(before, after, strict=True)
        if old.revision != new.revision
    ]


def _short(one: FlakeInput) -> str:
    day = f" of {one.at:%Y-%m-%d}" if one.at else ""
    return f"{one.revision.removeprefix('sha256-')[:10] or 'nothing'}{day}"


def _not_built(name: AgentName, done: Completed) -> BuildFailed:
    said = done.stderr.decode(errors="replace")
    words = [line for line in said.splitlines() if line.strip()]
    return BuildFailed(
        f"{name} cannot be built with the newer inputs: {' '.join(words[-6:])[-800:]}",
        log=said,
        hint=f"correct agent.nix of {name}, or wait for newer ones; all agents stay as they are",
    )
