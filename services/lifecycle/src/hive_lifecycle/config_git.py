"""The git commands that the config repos need, one function each; arguments are ours or hashes."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from hivecommon.command import Completed

from hive_lifecycle.git import Git

_REF_TRIES = 20
_REF_PAUSE_S = 0.1
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
"""The hash of a tree without entries; every git knows it (git-scm.com, "Git Internals")."""


async def init(git: Git) -> None:
    """Make an empty repository."""
    await git("init", "--quiet", "--template=", "--initial-branch=main", ".")


async def clone(git: Git, source: Path, target: Path) -> None:
    """Make a repository with a work tree, for others to write in; it remembers no origin."""
    # --template=: no sample hooks. --no-local: no file is shared between the two.
    await git("clone", "--quiet", "--no-local", "--template=", "--", str(source), str(target))
    await git("--git-dir", str(target / ".git"), "remote", "remove", "origin")


async def set_config(git: Git, directory: Path, key: str, value: str) -> None:
    """Set a key of a repository's own configuration."""
    await git("--git-dir", str(directory / ".git"), "config", key, value)


async def hash_object(git: Git, content: bytes) -> str:
    """Store a blob; return its hash."""
    return _line(await git("hash-object", "-w", "--stdin", stdin=content or b"\n"))


async def make_tree(git: Git, blobs: Sequence[tuple[str, str]]) -> str:
    """Store a tree of plain files, given as (name, hash); return its hash."""
    lines = "".join(f"100644 blob {blob}\t{name}\0" for name, blob in sorted(blobs))
    return _line(await git("mktree", "-z", stdin=lines.encode()))


async def commit_tree(git: Git, tree: str, message: str) -> str:
    """Store a commit without a parent; return its hash."""
    return _line(await git("commit-tree", "-m", message, tree))


async def find_objects(git: Git, repository: Path, prefix: str) -> list[str]:
    """Return the objects whose hash begins so. Unlike `rev-parse NAME` it never means a branch."""
    environment = {"GIT_DIR": str(repository)}
    found = await git.attempt("rev-parse", f"--disambiguate={prefix}", env=environment)
    return found.stdout.decode(errors="replace").split() if found.code == 0 else []


async def types_of(git: Git, repository: Path, objects: Sequence[str]) -> list[str]:
    """Return what each object is: `commit`, `tree`, `blob`, `tag` or `missing`."""
    if not objects:
        return []
    done = await git(
        "cat-file",
        "--batch-check=%(objecttype)",
        env={"GIT_DIR": str(repository)},
        stdin="".join(f"{each}\n" for each in objects).encode(),
    )
    return [line.split()[-1] for line in done.stdout.decode(errors="replace").splitlines() if line]


async def fetch(git: Git, source: Path, commit: str, ref: str) -> None:
    """Take one commit, with what it is made of, from another repository and keep it under `ref`.

    Objects are checked on arrival (fsck). Raises `command_failed`, `command_timeout`.
    """
    await git(
        "-c", "fetch.fsckObjects=true",
        # Everything goes into one file, so that one limit bounds all of it.
        "-c", "fetch.unpackLimit=1",
        # Larger blobs are hashed as they stream by, not held in memory.
        "-c", "core.bigFileThreshold=1m",
        "fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head",
        "--no-auto-maintenance", "--end-of-options", str(source), f"{commit}:{ref}",
    )  # fmt: skip


async def is_commit(git: Git, commit: str) -> bool:
    """Whether the repository has this very object, and it is a commit: no tag, tree or file."""
    done = await git.attempt("cat-file", "-t", commit)
    return done.code == 0 and done.stdout.strip() == b"commit"


async def read_ref(git: Git, ref: str) -> str:
    """Return the commit that `ref` names, or nothing."""
    done = await git.attempt("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
    return _line(done) if done.code == 0 else ""


async def set_ref(git: Git, ref: str, commit: str) -> bool:
    """Let `ref` name `commit`; return whether it did not before."""
    if await read_ref(git, ref) == commit:
        return False
    for _ in range(_REF_TRIES):
        if (await git.attempt("update-ref", "--end-of-options", ref, commit)).code == 0:
            return True
        # A git that a killed lifecycle left may hold the lock for a moment.
        await asyncio.sleep(_REF_PAUSE_S)
        if await read_ref(git, ref) == commit:
            return True
    await git("update-ref", "--end-of-options", ref, commit)
    return True


async def delete_ref(git: Git, ref: str) -> None:
    """Let a name go; one that is not there is no error."""
    await git("update-ref", "-d", "--end-of-options", ref)


async def list_refs(git: Git, below: str) -> list[tuple[str, str]]:
    """Return (name, commit) of the refs below a path."""
    done = await git("for-each-ref", "--format=%(refname) %(objectname)", below)
    return [(line.split()[0], line.split()[1]) for line in done.stdout.decode().splitlines()]


async def list_tree(git: Git, commit: str) -> bytes:
    """Return every entry as `<mode> <type> <hash> <size>` TAB `<path>`, each ended by a NUL."""
    return (await git("ls-tree", "-r", "-l", "-z", "--full-tree", f"{commit}^{{tree}}")).stdout


async def read_blob(git: Git, blob: str) -> bytes:
    """Return a file's content; at most 4 MiB."""
    return (await git("cat-file", "blob", blob)).stdout


async def describe_commit(git: Git, commit: str) -> tuple[str, str, int]:
    """Return (author, first line of the message, the author's time in Unix seconds): hostile text."""
    done = await git("log", "-1", "--no-show-signature", "--format=%an%x00%s%x00%at", commit, "--")
    author, subject, at = done.stdout.decode(errors="replace").strip("\n").split("\0")
    return author, subject, int(at)


async def diff_raw(git: Git, base: str, commit: str) -> bytes:
    """Return which files differ, as `:<modes> <hashes> <status>` NUL `<path>` NUL."""
    return (await git("diff-tree", "-r", "-z", "--raw", "--full-index", "--no-renames",
                      base, commit, "--")).stdout  # fmt: skip


async def diff_patch(git: Git, base: str, commit: str, path: str | None = None) -> bytes:
    """Return the difference as a patch, in the order of `diff_raw`.

    `--text`: a `.gitattributes` that calls a file binary hides nothing.
    """
    only = () if path is None else (f":(literal,top){path}",)
    return (await git(
        "diff-tree", "-r", "-p", "--no-renames", "--no-color", "--no-ext-diff", "--no-textconv",
        "--text", "--unified=3", base, commit, "--", *only,
    )).stdout  # fmt: skip


def _line(done: Completed) -> str:
    return done.stdout.decode(errors="replace").strip()
