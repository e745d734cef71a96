"""The one error that crosses edges: a message for humans, a code for programs, a hint what to do next."""

from typing import Final

INTERNAL: Final = "internal"


class HiveError(Exception):
    """Something a caller or an operator can act on.

    `code` is stable snake_case and may be branched on; `message` says what was wrong and with which
    value; `hint` says what to do next and may be empty.
    """

    def __init__(self, message: str, *, code: str = "failed", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.hint = hint


class Unavailable(HiveError):
    """The other side did not answer in time or is not there; the same call may succeed later."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message, code="unavailable", hint=hint)
