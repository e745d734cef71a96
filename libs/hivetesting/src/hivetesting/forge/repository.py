"""What the scripted forge knows of git: bare repositories, asked and changed with git's own plumbing."""

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hivecommon.command import Completed, run

TIMEOUT_S = 30.0
ZERO = "0" * 40


class GitRefusal(Exception):
    """Git will not: `code` says why, in the words of the API's status."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Author:
    """Whose name a commit bears."""

    name: str
    email: str

    def environment(self) -> dict[str, str]:
        """Return what git reads its author and committer from."""
        pairs = {"NAME": self.name, "EMAIL": self.email or "nobody@localhost"}
        return {f"GIT_{role}_{k}": v for role in ("AUTHOR", "COMMITTER") for k, v in pairs.items()}


async def git(
    path: Path, *words: str, stdin: bytes = b"", env: Mapping[str, str] | None = None
) -> Completed:
    """Run git in a bare repository, blind to any configuration of the machine."""
    quiet = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    argv = ["git", "-C", str(path), *words]
    return await run(argv, timeout_s=TIMEOUT_S, stdin=stdin, env={**quiet, **(env or {})})


async def text(path: Path, *words: str) -> str:
    """Return what git says, stripped."""
    return (await git(path, *words)).check().stdout.decode().strip()


async def create(path: Path, default_branch: str) -> None:
    """Make an empty bare repository that accepts pushes over HTTP."""
    path.mkdir(parents=True)  # noqa: ASYNC240 - a test's own directory
    (await git(path, "init", "--quiet", "--bare", f"--initial-branch={default_branch}")).check()
    (await git(path, "config", "http.receivepack", "true")).check()


async def clone(source: Path, path: Path) -> None:
    """Make a fork."""
    path.parent.mkdir(parents=True, exist_ok=True)
    (await git(source, "clone", "--quiet", "--bare", str(source), str(path))).check()
    (await git(path, "config", "http.receivepack", "true")).check()


def remove(path: Path) -> None:
    """Delete a repository."""
    shutil.rmtree(path, ignore_errors=True)


async def resolve(path: Path, ref: str) -> str | None:
    """Return the commit of a branch, a tag or a sha; None if there is none."""
    for form in (f"refs/heads/{ref}", f"refs/tags/{ref}", ref):
        done = await git(path, "rev-parse", "--quiet", "--verify", f"{form}^{{commit}}")
        if done.code == 0:
            return done.stdout.decode().strip()
    return None


async def branches(path: Path) -> list[dict[str, str]]:
    """Return name, commit, author and subject of each branch, by name."""
    form = "%(refname:short)%00%(objectname)%00%(authorname)%00%(authoremail:trim)%00%(subject)"
    lines = await text(path, "for-each-ref", f"--format={form}", "refs/heads")
    keys = ("name", "sha", "author", "email", "message")
    return [dict(zip(keys, line.split("\0"), strict=True)) for line in lines.splitlines()]


async def listing(path: Path, commit: str, folder: str) -> list[tuple[str, str, str, int]]:
    """Return (kind, sha, path, size) of what lies in a folder; of the file itself if it is one."""
    where = [folder] if folder else []
    entry = await git(path, "ls-tree", "-z", "--long", commit, "--", *where)
    rows = _rows(entry.check().stdout)
    if folder and rows and rows[0][0] == "tree":
        inside = await git(path, "ls-tree", "-z", "--long", commit, "--", f"{folder}/")
        rows = _rows(inside.check().stdout)
    return rows


def _rows(raw: bytes) -> list[tuple[str, str, str, int]]:
    rows = []
    for line in raw.decode().split("\0"):
        if line:
            meta, name = line.split("\t", 1)
            _, kind, sha, size = meta.split()
            rows.append((kind, sha, name, int(size) if size != "-" else 0))
    return rows


async def blob(path: Path, sha: str) -> bytes:
    """Return a file's content."""
    return (await git(path, "cat-file", "blob", sha)).check().stdout


async def write(
    path: Path, branch: str, onto: str | None, changes: Mapping[str, bytes | None],
    message: str, author: Author,
) -> str:  # fmt: skip
    """Commit changed files (None deletes one) on top of `onto` and move the branch there."""
    with tempfile.TemporaryDirectory() as scratch:
        env = {"GIT_INDEX_FILE": f"{scratch}/index"}
        if onto:
            (await git(path, "read-tree", onto, env=env)).check()
        for name, content in changes.items():
            if content is None:
                gone = f"0 {ZERO}\t{name}\n".encode()
                (await git(path, "update-index", "--index-info", stdin=gone, env=env)).check()
                continue
            stored = await git(path, "hash-object", "-w", "--stdin", stdin=content or b"")
            sha = stored.check().stdout.decode().strip()
            info = f"100644,{sha},{name}"
            (await git(path, "update-index", "--add", "--cacheinfo", info, env=env)).check()
        tree = (await git(path, "write-tree", env=env)).check().stdout.decode().strip()
    commit = await _commit(path, tree, [onto] if onto else [], message, author)
    (await git(path, "update-ref", f"refs/heads/{branch}", commit, onto or ZERO)).check()
    return commit


async def _commit(path: Path, tree: str, parents: list[str], message: str, author: Author) -> str:
    over = [word for parent in parents for word in ("-p", parent)]
    done = await git(
        path, "commit-tree", tree, *over, stdin=message.encode(), env=author.environment()
    )
    return done.check().stdout.decode().strip()


async def bring(path: Path, other: Path, branch: str) -> str | None:
    """Fetch a branch of a fork, so that its commits can be compared; return its commit."""
    sha = await resolve(other, branch)
    if sha and other != path:
        (await git(path, "fetch", "--quiet", str(other), f"refs/heads/{branch}")).check()
    return sha


async def merge_base(path: Path, base: str, head: str) -> str | None:
    """Return the last common commit, or None."""
    done = await git(path, "merge-base", base, head)
    return done.stdout.decode().strip() if done.code == 0 else None


async def compare(path: Path, base: str, head: str) -> dict[str, Any]:
    """Return the API's figures for a pull request from `head` onto `base`."""
    start = await merge_base(path, base, head) or base
    figures = await text(path, "diff", "--numstat", start, head)
    rows = [line.split("\t") for line in figures.splitlines()]
    merged = await git(path, "merge-tree", "--write-tree", base, head)
    return {
        "base": base,
        "head": head,
        "merge_base": start,
        "mergeable": merged.code == 0,
        "additions": sum(int(row[0]) for row in rows if row[0] != "-"),
        "deletions": sum(int(row[1]) for row in rows if row[1] != "-"),
        "changed_files": len(rows),
        "files": [row[2] for row in rows],
    }


async def diff(path: Path, base: str, head: str) -> bytes:
    """Return the diff from the common commit to `head`."""
    start = await merge_base(path, base, head) or base
    return (await git(path, "diff", start, head)).check().stdout


async def commits(path: Path, base: str, head: str) -> list[dict[str, str]]:
    """Return the commits of a pull request, the newest first."""
    log = await text(path, "log", "--format=%H%x00%an%x00%s", f"{base}..{head}")
    keys = ("sha", "author", "message")
    return [dict(zip(keys, line.split("\0"), strict=True)) for line in log.splitlines()]


async def merge(
    path: Path, branch: str, head: str, style: str, message: str, author: Author
) -> str:
    """Merge `head` into a branch and return the branch's new commit.

    Raises GitRefusal `conflict`, or `diverged` where the style needs a fast-forward.
    """
    base = await text(path, "rev-parse", f"refs/heads/{branch}")
    if style in {"fast-forward-only", "rebase", "rebase-merge"}:
        if await merge_base(path, base, head) != base:
            raise GitRefusal("diverged", "the base branch has moved on")
        commit = head
    else:
        done = await git(path, "merge-tree", "--write-tree", base, head)
        if done.code != 0:
            raise GitRefusal("conflict", done.stdout.decode(errors="replace")[:500])
        tree = done.stdout.decode().split()[0]
        parents = [base] if style == "squash" else [base, head]
        commit = await _commit(path, tree, parents, message, author)
    (await git(path, "update-ref", f"refs/heads/{branch}", commit, base)).check()
    return commit
