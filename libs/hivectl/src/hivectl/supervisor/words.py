"""The last words of our own programs: `error: …` and `hint: …`, read back."""

from collections.abc import Iterable

from hivecommon.command import Completed
from hivecommon.errors import HiveError


def read_error(lines: Iterable[str]) -> HiveError | None:
    """Return the last error that was printed among `lines`, None when there is none."""
    found: HiveError | None = None
    for line in lines:
        kind, colon, text = line.partition(": ")
        if colon and kind == "error":
            found = HiveError(text)
        elif colon and kind == "hint" and found is not None:
            found.hint = text
    return found


def check(completed: Completed) -> Completed:
    """Return `completed` when it succeeded; raise the error it printed, else `command_failed`."""
    if completed.code != 0:
        said = read_error(completed.stderr.decode(errors="replace").splitlines())
        if said is not None:
            raise said
    return completed.check()
