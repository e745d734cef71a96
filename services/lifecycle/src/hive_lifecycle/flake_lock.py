"""flake.lock as nix writes it (`nix flake lock`, format version 7): read, and shortened."""

import json
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from hivecommon.contracts.approvals import FlakeInput
from hivecommon.errors import HiveError

FILE: Final = "flake.lock"


class _Locked(msgspec.Struct):
    rev: str = ""
    nar_hash: str = msgspec.field(default="", name="narHash")
    modified: int = msgspec.field(default=0, name="lastModified")


class _Node(msgspec.Struct):
    inputs: dict[str, str | list[str]] = msgspec.field(default_factory=dict)
    locked: _Locked = msgspec.field(default_factory=_Locked)


class _Lock(msgspec.Struct):
    nodes: dict[str, _Node]
    root: str = "root"

    def of_root(self) -> dict[str, _Node]:
        """Return the flake's own inputs; those that follow others are not locked by themselves."""
        root = self.nodes.get(self.root, _Node())
        return {
            name: self.nodes[node]
            for name, node in root.inputs.items()
            if isinstance(node, str) and node in self.nodes
        }


def parse_lock(lock: bytes, sources: dict[str, str]) -> list[FlakeInput]:
    """Return each of `sources` (references by input) as `lock` has it; raise `bad_lock`."""
    found = _parse(lock).of_root() if lock.strip() else {}
    return [
        FlakeInput(
            name=name, source=sources[name], revision=_revision(found.get(name)),
            at=_moment(found.get(name)),
        )
        for name in sorted(sources)
    ]  # fmt: skip


def without(lock: bytes, inputs: Collection[str]) -> bytes:
    """Return `lock` with `inputs` not locked: `nix flake lock` then takes them anew, and them alone.

    This works with every nix; the option for it changed its name and place in version 2.19.
    """
    document: dict[str, Any] = json.loads(lock)
    own = document["nodes"][document.get("root", "root")].get("inputs", {})
    for name in inputs:
        own.pop(name, None)
    return json.dumps(document, indent=2).encode()


def pick(found: list[FlakeInput], wanted: Collection[str]) -> list[FlakeInput]:
    """Return those of `found` that are `wanted`, all when none is named; raise `unknown_input`."""
    if unknown := sorted(set(wanted) - {one.name for one in found}):
        raise HiveError(
            f"the agents' flake has no input {unknown[0]!r}", code="unknown_input",
            hint=f"there are: {', '.join(one.name for one in found)}",
        )  # fmt: skip
    return [one for one in found if not wanted or one.name in wanted]


def _parse(lock: bytes) -> _Lock:
    try:
        return msgspec.json.decode(lock, type=_Lock)
    except msgspec.MsgspecError as error:
        raise HiveError(
            f"{FILE} of the agents' flake cannot be read: {error}", code="bad_lock",
            hint="restore it from the git history of $HIVE_HOME/meta",
        ) from error  # fmt: skip


def _revision(node: _Node | None) -> str:
    return "" if node is None else node.locked.rev or node.locked.nar_hash


def _moment(node: _Node | None) -> datetime | None:
    if node is None or not node.locked.modified:
        return None
    return datetime.fromtimestamp(node.locked.modified, UTC)
