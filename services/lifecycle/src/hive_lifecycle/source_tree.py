"""Copies of source trees that may be written to, whatever they are copied from."""

import os
import shutil
import stat
from pathlib import Path

from hivecommon.errors import HiveError

MAX_TREE_BYTES = 64 << 20
MAX_TREE_FILES = 10_000
_WRITABLE = stat.S_IRUSR | stat.S_IWUSR | stat.S_IRGRP | stat.S_IROTH
_EXECUTABLE = stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH


def copy_writable(source: Path, target: Path) -> None:
    """Copy a tree so that everything in the copy can be changed; `target` must not exist.

    Trees from the Nix store are read-only, and `shutil.copytree` keeps that (as does `cp -r`):
    here contents and the executable bit are all that is taken over. Symbolic links are copied as
    links and never followed; `.git` is left out. Raises `bad_tree` for devices, sockets and the
    like, and for a tree that is too large; then no part of the copy remains.
    """
    try:
        _copy(source, target)
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise


def remove_tree(tree: Path) -> None:
    """Remove a tree, read-only directories included; a missing one is no error."""
    if tree.is_symlink():
        tree.unlink()
        return
    for directory, _, _ in os.walk(tree):
        Path(directory).chmod(0o755)
    shutil.rmtree(tree, ignore_errors=not tree.exists())


def _copy(source: Path, target: Path) -> None:
    target.mkdir(parents=True)
    files, size = 0, 0
    pending = [(source, target)]
    while pending:
        origin, copy = pending.pop()
        for entry in origin.iterdir():
            if entry.name == ".git":
                continue
            files += 1
            path = copy / entry.name
            if entry.is_symlink():
                path.symlink_to(entry.readlink())
            elif entry.is_dir():
                path.mkdir()
                pending.append((entry, path))
            else:
                size += _copy_file(entry, path)
            if files > MAX_TREE_FILES or size > MAX_TREE_BYTES:
                raise HiveError(
                    f"the tree {source} is too large to be an agent's configuration",
                    code="bad_tree",
                    hint=f"keep it below {MAX_TREE_FILES} files and {MAX_TREE_BYTES >> 20} MiB",
                )


def _copy_file(source: Path, target: Path) -> int:
    # O_NONBLOCK: opening a planted pipe must not wait for a writer.
    descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as content:
        found = os.fstat(content.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise HiveError(
                f"{source} is neither a file nor a directory", code="bad_tree", hint="remove it"
            )
        with target.open("xb") as copy:
            shutil.copyfileobj(content, copy)
    target.chmod(_WRITABLE | (_EXECUTABLE if found.st_mode & stat.S_IXUSR else 0))
    return found.st_size
