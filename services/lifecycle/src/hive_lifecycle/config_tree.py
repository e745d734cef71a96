"""An agent's applied configuration at one revision, as a tree of files for the length of a build."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from hive_lifecycle.git import Git
from hive_lifecycle.source_tree import remove_tree


@asynccontextmanager
async def config_tree(git: Git, revision: str) -> AsyncIterator[Path | None]:
    """Write the tree of `revision` into a private directory; None when there is no revision yet.

    Nothing of the repository's own is run: no hooks, no filters. Raises `command_failed` for a
    revision that is not there.
    """
    if not revision:
        yield None
        return
    private = Path(tempfile.mkdtemp(prefix="hive-config-"))
    try:
        tree = private / "tree"
        tree.mkdir()
        index = {"GIT_INDEX_FILE": str(private / "index")}
        await git("read-tree", "--end-of-options", f"{revision}^{{tree}}", env=index)
        await git("checkout-index", "--all", f"--prefix={tree}/", env=index)
        yield tree
    finally:
        remove_tree(private)
