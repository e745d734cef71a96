"""What goes wrong with a forge, as far as somebody here acts on the difference."""

from hivecommon.errors import HiveError, Unavailable


class ForgeAway(Unavailable):
    """The forge does not answer, or asks for patience; the same request may succeed later."""

    def __init__(self, message: str, *, retry_after_s: float = 0.0) -> None:
        super().__init__(message, hint="is it running? `hive.forge.status` tells when it is back")
        self.retry_after_s = retry_after_s


class ForgeRefused(HiveError):
    """The forge does not take the administrator's token, or it lacks a scope."""

    def __init__(self, message: str) -> None:
        super().__init__(
            message,
            code="forge_refused",
            hint="make a token of an administrator with all scopes, and put it into HIVE_FORGE_TOKEN_FILE",
        )


class ForgeSaid(HiveError):
    """The forge answered with an error; its status and its words."""

    def __init__(self, status: int, words: str, what: str) -> None:
        super().__init__(f"the forge answers {what} with {status}: {words}", code="forge_error")
        self.status = status
        self.words = words


def not_ready(detail: str) -> HiveError:
    """Return the error for work that needs the forge while it is not there."""
    return HiveError(
        f"the forge is not ready: {detail}", code="forge_not_ready", hint="see hive.forge.status"
    )
