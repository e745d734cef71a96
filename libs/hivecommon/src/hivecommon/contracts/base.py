"""What every message on the bus has in common: a subject it owns, a schema, an answer with `ok`."""

from typing import Annotated, Any, ClassVar, Generic, Self, TypeVar, get_args

import msgspec

from hivecommon.errors import HiveError
from hivecommon.names import MAX_NAME_LENGTH, NAME_PATTERN, AgentName, parse_agent_name

Name = Annotated[str, msgspec.Meta(pattern=NAME_PATTERN, max_length=MAX_NAME_LENGTH)]
"""An agent's name inside a payload; a dot or a `*` in it would be an injection into a subject."""

ShortText = Annotated[str, msgspec.Meta(max_length=2000)]
"""A reason, a status, a note: one screen at the most."""

REQUEST_ID_HEADER = "Hive-Request-Id"
"""The same id means the same command: services answer a repeated one with the first one's outcome."""
DEADLINE_HEADER = "Hive-Deadline"
"""Unix time in seconds after which nobody waits for the answer, so that the command must not run."""
OPERATOR_HEADER = "Hive-Operator"
"""The operator for whom the dashboard asks; the dashboard alone is believed."""

# A subject token that a message may fill in; anything else could widen the subject.
_TOKEN_FORBIDDEN = frozenset(" .*>\t\r\n\0")


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """A good answer: `"ok": true` and what was asked for."""

    ok: bool = True


class ErrorDetail(msgspec.Struct, frozen=True, kw_only=True):
    """Why a request was not carried out."""

    code: str
    message: str
    hint: str = ""


class ErrorReply(msgspec.Struct, frozen=True, kw_only=True):
    """A bad answer: `"ok": false` and the reason."""

    ok: bool = False
    error: ErrorDetail


class _Verdict(msgspec.Struct):
    ok: bool
    error: ErrorDetail | None = None


_GOOD = _Verdict(ok=True)
_BEGINS_GOOD = b'{"ok":true,'
_read_verdict = msgspec.json.Decoder(_Verdict).decode

R = TypeVar("R", bound=Reply)


def fill(template: str, **tokens: str) -> str:
    """Return the subject `template` with its `{tokens}` filled in, each checked to be one token."""
    for name, token in tokens.items():
        if not token or _TOKEN_FORBIDDEN.intersection(token):
            raise HiveError(f"{token!r} cannot stand in a subject as {name}", code="bad_name")
    return template.format(**tokens)


def wildcard(template: str) -> str:
    """Return the subject that matches every filling of `template`."""
    return ".".join("*" if part.startswith("{") else part for part in template.split("."))


def tokens_of(template: str, subject: str) -> dict[str, str]:
    """Return what stands in `subject` where `template` has `{tokens}`."""
    pairs = zip(template.split("."), subject.split("."), strict=True)
    return {part[1:-1]: token for part, token in pairs if part.startswith("{")}


class Request(msgspec.Struct, Generic[R], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A question or command that one service answers with an `R`.

    A subclass names its `subject` and, where operators may type a bare word instead of JSON, the
    field `bare` that the word fills (`nats req hive.rebuild alice`).
    """

    subject: ClassVar[str]
    bare: ClassVar[str | None] = None

    @classmethod
    def reply_type(cls) -> type[R]:
        """Return the class of the answer: the parameter of `Request[…]`."""
        for base in cls.__orig_bases__:  # type: ignore[attr-defined] # set by Generic on each subclass
            if arguments := get_args(base):
                reply: type[R] = arguments[0]
                return reply
        raise TypeError(f"{cls.__name__} does not say what answers it")

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Return the request in `payload`; raise `bad_request` naming the field that is wrong."""
        text = payload.strip()
        try:
            if text[:1] == b"{":
                return msgspec.json.decode(text, type=cls)
            if cls.bare is None and text:
                raise HiveError("the payload is no JSON object", code="bad_request")
            fields: dict[str, str] = {}
            if cls.bare is not None and text:
                fields[cls.bare] = text.decode()
            return msgspec.convert(fields, type=cls, strict=False)
        except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError) as error:
            raise HiveError(
                f"{cls.__name__}: {error}",
                code="bad_request",
                hint=f"send {cls.describe()}",
            ) from error

    @classmethod
    def describe(cls) -> str:
        """Return what the payload may be, in a line for a human."""
        fields = msgspec.structs.fields(cls)
        shape = ", ".join(
            f'"{field.name}"' + ("" if field.required else "?") + ": …" for field in fields
        )
        json_form = "{" + shape + "}"
        return f"{json_form} or just the {cls.bare}" if cls.bare else json_form

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """Return the JSON schema of the payload, for the endpoint's metadata and the docs."""
        return msgspec.json.schema(cls)


class AgentRequest(Request[R], Generic[R], frozen=True, kw_only=True):
    """A request about one agent, whose plain name will do as payload; a bad name is refused here."""

    bare: ClassVar[str | None] = "agent"
    agent: str

    def __post_init__(self) -> None:
        """Refuse whatever is no agent's name before anybody builds a path or a subject from it."""
        parse_agent_name(self.agent)

    @property
    def name(self) -> AgentName:
        """The agent, known to be well named."""
        return AgentName(self.agent)


def decode_reply(payload: bytes, reply_type: type[R]) -> R:
    """Return the good answer in `payload`; raise the `HiveError` of a bad one."""
    try:
        # Our own services begin so, and a large answer need not be read twice.
        verdict = _GOOD if payload.startswith(_BEGINS_GOOD) else _read_verdict(payload)
        if verdict.ok:
            return msgspec.json.decode(payload, type=reply_type)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise HiveError(
            f"the answer is no {reply_type.__name__}: {error}", code="bad_reply"
        ) from error
    detail = verdict.error or ErrorDetail(code="failed", message="refused without a reason")
    raise HiveError(detail.message, code=detail.code, hint=detail.hint)
