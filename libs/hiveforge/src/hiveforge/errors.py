"""The one error of this command, and what its exit statuses mean."""

from enum import IntEnum


class Exit(IntEnum):
    """Exit statuses, for scripts."""

    DONE = 0
    FAILED = 1
    MISUSED = 2
    REFUSED = 3
    NOT_FOUND = 4
    CONFLICT = 5
    AWAY = 6
    PENDING = 7


MEANINGS = {
    Exit.DONE: "done",
    Exit.FAILED: "failed, for a reason that is said",
    Exit.MISUSED: "the command line is wrong, or the forge is not set up",
    Exit.REFUSED: "refused: no permission, or the token is not valid",
    Exit.NOT_FOUND: "not found",
    Exit.CONFLICT: "conflict: it exists already, has changed, or cannot be merged",
    Exit.AWAY: "the forge is away or limits the rate: try again later",
    Exit.PENDING: "`pr checks`: some checks have not ended",
}


class ForgeError(Exception):
    """Something to say in one line before ending with a status; `hint` says what to do next."""

    def __init__(self, message: str, status: Exit = Exit.FAILED, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.hint = hint


def misuse(message: str, hint: str = "") -> ForgeError:
    """Return the error for a wrong command line."""
    return ForgeError(message, Exit.MISUSED, hint=hint)
