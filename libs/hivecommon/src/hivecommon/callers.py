"""Who is asking: told by the bus, never by the payload."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec
from typing_extensions import override

from hivecommon.contracts.base import OPERATOR_HEADER
from hivecommon.errors import HiveError

# Set by the server on a service import with `share` (nats-server, `ClientInfoHdr`); it overwrites
# whatever the client put there. Only requests from other accounts have it: their reply is `_R_.…`.
REQUEST_INFO_HEADER = "Nats-Request-Info"
_CROSSED = "_R_."
_OWN = "_INBOX."

OperatorNames = Callable[[str], str | None]
"""Returns an operator's name for a public nkey, None for a key that is nobody's."""


class CallerKind(StrEnum):
    """The three kinds of principals that ask for something."""

    OPERATOR = "operator"
    AGENT = "agent"
    SERVICE = "service"


@dataclass(frozen=True)
class Caller:
    """A principal; `str()` gives `operator:anna`, as approvals and the audit record it."""

    kind: CallerKind
    name: str

    @override
    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


class _RequestInfo(msgspec.Struct):
    acc: str = ""
    user: str = ""


def identify(
    subject: str, reply: str, headers: Mapping[str, Any], operators: OperatorNames
) -> Caller:
    """Return who sent a request; raise `refused` when that cannot be told.

    `req.<agent>.…` and `svc.<service>.…` carry the sender, and the server lets nobody else publish
    there. `hive.…` comes either from an operator's account or from the dashboard.
    """
    if not reply.startswith((_CROSSED, _OWN)):
        raise HiveError(
            f"the reply subject {reply!r} is none of a requester's own",
            code="refused",
            hint="send a request, with a reply inbox below _INBOX",
        )
    match subject.split("."):
        case ["req", agent, *_]:
            return Caller(CallerKind.AGENT, agent)
        case ["svc", service, *_]:
            return Caller(CallerKind.SERVICE, service)
        case ["hive", *_] if reply.startswith(_CROSSED):
            return Caller(CallerKind.OPERATOR, _operator(headers, operators))
        case ["hive", *_]:
            return Caller(CallerKind.OPERATOR, headers.get(OPERATOR_HEADER) or "dashboard")
        case _:
            raise HiveError(f"nobody is known to ask on {subject!r}", code="refused")


def _operator(headers: Mapping[str, Any], operators: OperatorNames) -> str:
    try:
        info = msgspec.json.decode(headers.get(REQUEST_INFO_HEADER, ""), type=_RequestInfo)
    except msgspec.MsgspecError as error:
        raise HiveError("the request does not tell whose it is", code="refused") from error
    name = operators(info.user) if info.acc == "OPERATORS" else None
    if name is None:
        raise HiveError(
            f"the key {info.user or '(none)'} is no operator's", code="refused",
            hint="add it with `hive operator add NAME`",
        )  # fmt: skip
    return name


class OperatorDirectory:
    """Operators' names by their public keys, read again whenever an unknown key turns up."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._names: dict[str, str] = {}

    def __call__(self, public_key: str) -> str | None:
        """Return the operator's name, or None."""
        if public_key not in self._names:
            try:
                self._names = json.loads(self._file.read_text())
            except (OSError, ValueError):
                return None
        return self._names.get(public_key)
