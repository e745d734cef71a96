"""Which operator is asking: a key below `$HIVE_HOME/keys/operators`, and how it connects."""

import os
import pwd
import re
from collections.abc import Mapping
from pathlib import Path

from hivecommon.broker import operator_key
from hivecommon.errors import HiveError
from hivecommon.home import HiveHome

# What no operator's name may hold (hivecommon.contracts.operators).
_UNFIT = re.compile(r"[^a-z0-9._-]")


def login_name(environ: Mapping[str, str]) -> str:
    """Return the name of the user at the keyboard, as an operator may be called.

    Behind sudo that is whoever called it; where nobody can be told it is `operator`.
    """
    said = [environ.get(variable, "") for variable in ("SUDO_USER", "LOGNAME", "USER")]
    for found in (*said, _account()):
        if name := _UNFIT.sub("-", found.lower())[:32].strip("._-"):
            return name
    return "operator"


def _account() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return ""  # a container may run as a user that nobody has named


def operator_name(home: HiveHome, environ: Mapping[str, str]) -> str:
    """Return whose key to use: $HIVE_OPERATOR's, the login's, or the only one there is.

    Raises `no_operator` listing those there are, `no_key` when there is none.
    """
    directory = operator_key(home, "x").parent
    try:
        known = sorted(file.stem for file in directory.glob("*.nk"))
    except OSError:
        known = []
    if not known:
        raise HiveError(
            f"no operator's key can be read in {directory}",
            code="no_key",
            hint="keys are made by `hive up`; HIVE_HOME says which hive is meant",
        )
    if wanted := environ.get("HIVE_OPERATOR", ""):
        if wanted in known:
            return wanted
        raise HiveError(
            f"HIVE_OPERATOR={wanted!r} is no operator here; there are: {', '.join(known)}",
            code="no_operator",
            hint="set HIVE_OPERATOR to one of them, or let one of them run `hive operator add`",
        )
    login = login_name(environ)
    if login in known:
        return login
    if len(known) == 1:
        return known[0]
    raise HiveError(
        f"{login!r} is no operator here, and there are several: {', '.join(known)}",
        code="no_operator",
        hint="set HIVE_OPERATOR to the one you are",
    )


def key_file(home: HiveHome, environ: Mapping[str, str]) -> Path:
    """Return the file of the asking operator's seed."""
    return operator_key(home, operator_name(home, environ))
