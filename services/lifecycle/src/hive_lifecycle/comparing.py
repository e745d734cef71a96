"""A commit against a base: which files differ and how, and the digest that stands for it."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import msgspec
from hivecommon.contracts.agent_toml import AgentToml
from hivecommon.contracts.changes import (
    Base,
    ChangedFile,
    ChangesReply,
    CompareCommit,
    DigestCommit,
    Digests,
    Hunk,
    Stage,
)
from hivecommon.errors import HiveError
from hivecommon.names import AgentName

from hive_lifecycle import config_git
from hive_lifecycle.config_repos import ConfigRepos
from hive_lifecycle.risks import find_risks

# A bus message holds 1 MiB; the rest is asked for file by file.
_MAX_ANSWER_BYTES: Final = 512 * 1024
_HUNK: Final = re.compile(rb"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@")
_STATUS: Final = {"A": "added", "D": "removed"}


@dataclass(frozen=True)
class RawChange:
    """One line of `git diff-tree --raw`."""

    path: str
    status: str
    old_mode: str
    new_mode: str


def parse_raw(raw: bytes) -> list[RawChange]:
    """Return what `git diff-tree -r -z --raw` lists."""
    fields = raw.split(b"\0")
    changes = []
    for head, path in zip(fields[:-1:2], fields[1::2], strict=True):
        old_mode, new_mode, _old, _new, status = head.decode().lstrip(":").split(" ")
        changes.append(
            RawChange(path.decode(), _STATUS.get(status[0], "changed"), old_mode, new_mode)
        )
    return changes


def parse_patch(patch: bytes) -> Iterator[list[bytes]]:
    """Yield the lines of each file's part, as `git diff-tree -p` orders them.

    No line of a file's content can look like the beginning of a part: each has a sign before it.
    """
    part: list[bytes] | None = None
    for line in patch.split(b"\n"):
        if line.startswith(b"diff --git "):
            if part is not None:
                yield part
            part = []
        elif part is not None:
            part.append(line)
    if part is not None:
        yield part


def changed_file(change: RawChange, lines: list[bytes]) -> ChangedFile:
    """Return how one file differs; `lines` are its part of the patch."""
    hunks: list[Hunk] = []
    binary = any(b"\0" in line for line in lines)
    added = removed = 0
    for line in lines:
        if begins := _HUNK.match(line):
            hunks.append(Hunk(old_start=int(begins[1]), new_start=int(begins[2]), lines=[]))
        elif hunks and line:
            added += line.startswith(b"+")
            removed += line.startswith(b"-")
            if not binary:
                hunks[-1].lines.append(line.decode(errors="replace"))
    return ChangedFile(
        path=change.path, status=change.status, old_mode=change.old_mode,
        new_mode=change.new_mode, added=added, removed=removed, binary=binary,
        hunks=[] if binary else hunks,
    )  # fmt: skip


def fit(files: list[ChangedFile]) -> list[ChangedFile]:
    """Leave out the hunks of those files that would not fit into one answer, and say so."""
    size, fitting = 0, []
    for file in files:
        size += len(msgspec.json.encode(file))
        if size > _MAX_ANSWER_BYTES:
            size -= len(msgspec.json.encode(file.hunks))
            fitting.append(msgspec.structs.replace(file, hunks=[], omitted=True))
        else:
            fitting.append(file)
    return fitting


class Comparing:
    """Answers what a pinned commit would change."""

    def __init__(self, repos: ConfigRepos) -> None:
        self._repos = repos

    async def compare(self, request: CompareCommit) -> ChangesReply:
        """Return the difference to one base; see `ChangesReply`."""
        name = request.name
        git = self._repos.applied(name)
        base = await self._base(name, request.base, request.approval)
        await self._known(name, request.commit)
        old = base or config_git.EMPTY_TREE
        changes = parse_raw(await config_git.diff_raw(git, old, request.commit))
        patch = await config_git.diff_patch(git, old, request.commit)
        files = [
            changed_file(change, part)
            for change, part in zip(changes, parse_patch(patch), strict=True)
        ]
        marks = find_risks(
            files, await self._settings(name, base), await self._repos.read(name, request.commit)
        )
        if request.path is not None:
            files = [file for file in files if file.path == request.path]
        author, subject, _at = await config_git.describe_commit(git, request.commit)
        return ChangesReply(
            approval=request.approval, agent=name, base=request.base, base_commit=base,
            running=await self._repos.running(name), commit=request.commit,
            subject=subject[:500], author=author[:200], files=fit(files), marks=marks,
            digest=await self._digest(name, request.base, base, request.commit),
        )  # fmt: skip

    async def digests(self, request: DigestCommit) -> Digests:
        """Return the digest for each base, as things are now."""
        name = request.name
        await self._known(name, request.commit)
        found = {
            which: await self._digest(
                name, which, await self._base(name, which, request.approval), request.commit
            )
            for which in Base
        }
        return Digests(running=await self._repos.running(name), digests=found)

    async def _base(self, name: AgentName, base: Base, approval: int) -> str:
        match base:
            case Base.RUNNING:
                return await self._repos.running(name)
            case Base.APPROVED:
                return await self._repos.latest(name, Stage.APPROVED, approval)
            case Base.PREVIOUS:
                return await self._repos.latest(name, Stage.PROPOSAL, approval)

    async def _digest(self, name: AgentName, which: Base, base: str, commit: str) -> str:
        """Return what an approval is bound to: both ends, what runs, and every file's hashes."""
        old = base or config_git.EMPTY_TREE
        raw = await config_git.diff_raw(self._repos.applied(name), old, commit)
        # Whatever it is compared with: what it would replace is part of what is approved.
        running = await self._repos.running(name)
        head = f"{name}\0{which}\0{base}\0{running}\0{commit}\0"
        return hashlib.sha256(head.encode() + raw).hexdigest()

    async def _settings(self, name: AgentName, base: str) -> AgentToml:
        try:
            return await self._repos.read(name, base) if base else AgentToml()
        except HiveError:
            # An older version took what this one would refuse.
            return AgentToml()

    async def _known(self, name: AgentName, commit: str) -> None:
        if not self._repos.exists(name) or not await config_git.is_commit(
            self._repos.applied(name), commit
        ):
            raise HiveError(
                f"the commit {commit} of {name} is gone", code="unknown_commit",
                hint="was the agent purged?",
            )  # fmt: skip
