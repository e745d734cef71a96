"""Exit statuses: 0 done, 1 failed, 2 misused, 3 refused; and which error codes mean which."""

from enum import IntEnum
from typing import Final

from hivecommon.errors import HiveError


class Outcome(IntEnum):
    """What `hive` tells its caller."""

    DONE = 0
    FAILED = 1
    MISUSED = 2
    REFUSED = 3


INTERRUPTED: Final = 130
"""128 + SIGINT, as shells report it."""

# Everything that is not named here is 1: it was tried, or looked for, in vain.
_OUTCOMES: Final = {
    # Typed wrongly: the same command can never succeed.
    "bad_argument": Outcome.MISUSED,
    "bad_body": Outcome.MISUSED,
    "bad_code": Outcome.MISUSED,
    "bad_credential": Outcome.MISUSED,
    "bad_environment": Outcome.MISUSED,
    "bad_name": Outcome.MISUSED,
    "bad_recipient": Outcome.MISUSED,
    "bad_request": Outcome.MISUSED,
    "bad_schedule": Outcome.MISUSED,
    "no_operator": Outcome.MISUSED,
    "not_confirmed": Outcome.MISUSED,
    "reserved_name": Outcome.MISUSED,
    # Understood, and not allowed: by a rule, a decision, or the state things are in.
    "agent_exists": Outcome.REFUSED,
    "already_answered": Outcome.REFUSED,
    "already_decided": Outcome.REFUSED,
    "already_pending": Outcome.REFUSED,
    "already_up": Outcome.REFUSED,
    "base_moved": Outcome.REFUSED,
    "changed": Outcome.REFUSED,
    "denied": Outcome.REFUSED,
    "expired": Outcome.REFUSED,
    "forbidden": Outcome.REFUSED,
    "inbox_full": Outcome.REFUSED,
    "kept_state": Outcome.REFUSED,
    "last_operator": Outcome.REFUSED,
    "login_running": Outcome.REFUSED,
    "no_login": Outcome.REFUSED,
    "port_taken": Outcome.REFUSED,
    "refused": Outcome.REFUSED,
    "request_id_reused": Outcome.REFUSED,
    "too_late": Outcome.REFUSED,
    "too_many_pending": Outcome.REFUSED,
    "unsafe_dir": Outcome.REFUSED,
}


def exit_status(error: HiveError) -> Outcome:
    """Return the exit status that stands for an error's code."""
    return _OUTCOMES.get(error.code, Outcome.FAILED)
