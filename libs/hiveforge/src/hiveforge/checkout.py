"""The git checkout that the command was started in, as far as its branch goes."""

from pathlib import Path

_HEAD = "ref: refs/heads/"


def current_branch(start: Path | None = None) -> str | None:
    """Return the branch that is checked out here or above; None without one (gitrepository-layout(5))."""
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        git = folder / ".git"
        if git.is_file():  # a worktree or a submodule
            git = folder / git.read_text().removeprefix("gitdir:").strip()
        try:
            head = (git / "HEAD").read_text().strip()
        except OSError:
            continue
        return head.removeprefix(_HEAD) if head.startswith(_HEAD) else None
    return None
