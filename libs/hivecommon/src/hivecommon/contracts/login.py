"""An agent's login at Claude (`agent.<agent>.login.<verb>`): begun, given a code, or spared by a key."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar, Final

import msgspec
from typing_extensions import override

from hivecommon.contracts.base import Reply, Request


class LoginMethod(StrEnum):
    """Which account is logged in to."""

    CLAUDEAI = "claudeai"
    """A subscription."""
    CONSOLE = "console"
    """An account that is billed by tokens."""


class LoginPhase(StrEnum):
    """How far a login is."""

    IDLE = "idle"
    STARTING = "starting"
    WAITING = "waiting"
    """For the code that the page behind `url` shows."""
    CHECKING = "checking"
    DONE = "done"
    FAILED = "failed"

    @property
    def under_way(self) -> bool:
        """Whether a CLI runs for it."""
        return self in {LoginPhase.STARTING, LoginPhase.WAITING, LoginPhase.CHECKING}


class KeyKind(StrEnum):
    """What can be given instead of a login."""

    OAUTH_TOKEN = "oauth_token"  # noqa: S105 - its name
    """Of `claude setup-token`."""
    API_KEY = "api_key"


class Holding(StrEnum):
    """What an agent's turns are paid with; the first of these that there is."""

    GIVEN_TOKEN = "given_token"  # noqa: S105 - as above
    """A token that an operator gave to this agent."""
    GIVEN_KEY = "given_key"
    """An API key that an operator gave to this agent."""
    LOGIN = "login"
    """Its own login."""
    HIVE = "hive"
    """The key or token that the hive was started with."""
    NONE = "none"


class LoginView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a login goes. `url` and `words` are the CLI's, who may be the agent's: hostile text."""

    phase: LoginPhase
    holding: Holding
    account: str = ""
    """Whose login it is, as the CLI says; empty when it is none, or not known yet."""
    method: LoginMethod | None = None
    url: str = ""
    """Where to log in: any https address, to be opened as it is."""
    words: str = ""
    """What the CLI said last: why a code was not taken, or why the login failed."""
    hint: str = ""
    """What to do about a failure."""
    expires_at: datetime | None = None
    """When a login that waits is given up."""


class LoginReply(Reply, frozen=True, kw_only=True):
    """How a login goes."""

    login: LoginView


class StartLogin(Request[LoginReply], frozen=True, kw_only=True):
    """Begin a login; one of the same method that is under way is joined."""

    subject: ClassVar[str] = "agent.{agent}.login.start"
    method: LoginMethod = LoginMethod.CLAUDEAI


class SendLoginCode(Request[LoginReply], frozen=True, kw_only=True):
    """Hand over the code that the login's page showed; whether it is good shows in `login.status`."""

    subject: ClassVar[str] = "agent.{agent}.login.code"
    code: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]

    @override
    def __repr__(self) -> str:
        return "SendLoginCode(code=…)"


class CancelLogin(Request[LoginReply], frozen=True, kw_only=True):
    """Give a login up."""

    subject: ClassVar[str] = "agent.{agent}.login.cancel"


class ReadLogin(Request[LoginReply], frozen=True, kw_only=True):
    """Ask how a login goes, and what the agent's turns are paid with."""

    subject: ClassVar[str] = "agent.{agent}.login.status"


class GiveKey(Request[LoginReply], frozen=True, kw_only=True):
    """Give the agent a token or an API key of its own; without a `key` take it away again.

    It is kept in the agent's claude directory alone and used from the next turn on.
    """

    subject: ClassVar[str] = "agent.{agent}.login.key"
    kind: KeyKind
    key: Annotated[str, msgspec.Meta(max_length=4000)] = ""

    @override
    def __repr__(self) -> str:
        return f"GiveKey(kind={self.kind!r}, key=…)"


LOGIN_VERBS: Final[dict[str, type[Request[LoginReply]]]] = {
    request.subject.rpartition(".")[2]: request
    for request in (StartLogin, SendLoginCode, CancelLogin, ReadLogin, GiveKey)
}
"""The verbs as pages name them."""
