"""Messages between agents, operators and services: one subject per pair, the sender in the subject."""

import re
from datetime import datetime
from typing import Annotated, ClassVar, Final, Self

import msgspec

from hivecommon.contracts.base import fill, tokens_of, wildcard
from hivecommon.errors import HiveError

MAX_BODY_BYTES: Final = 256 * 1024
"""A message is read by a model: 256 KiB are about 60,000 tokens. Larger things are files."""
OPERATOR: Final = "operator"
SERVICE_SENDERS: Final = frozenset({"hive", "forge", "schedule"})

MessageId = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9._:-]{1,80}\Z")]
ThreadId = MessageId

# JSON cannot carry a lone surrogate and no reader wants a NUL.
_UNSENDABLE = re.compile("[\x00\ud800-\udfff]")


class InboxMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One message. Who sent it and to whom stands in its subject, never in here."""

    subject: ClassVar[str] = "inbox.{to}.{sender}"

    id: MessageId
    """Random, chosen by the sender; the stream drops a second message with the same id."""
    body: str
    thread: ThreadId | None = None
    """Id of the message that began the conversation."""
    reply_to: MessageId | None = None
    sent_at: datetime
    by: str = ""
    """Name of the human behind the sender `operator`: shown, never trusted."""

    @classmethod
    def subject_for(cls, *, to: str, sender: str) -> str:
        """Return the subject for a message to `to` from `sender`."""
        return fill(cls.subject, to=to, sender=sender)

    @classmethod
    def filter_for(cls, to: str) -> str:
        """Return the subjects of all messages to `to`, from whomever."""
        return wildcard(fill(cls.subject, to=to, sender="{sender}"))

    @classmethod
    def route(cls, subject: str) -> tuple[str, str]:
        """Return (to, sender) of a message's subject."""
        tokens = tokens_of(cls.subject, subject)
        return tokens["to"], tokens["sender"]

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Return the message in `payload`; raise `bad_message` when it is none."""
        try:
            message = msgspec.json.decode(payload, type=cls)
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            raise HiveError(f"no inbox message: {error}", code="bad_message") from error
        check_body(message.body)
        return message


def check_body(body: str) -> str:
    """Return `body` when it can be sent; raise `bad_body` with the reason when not."""
    if not body.strip():
        raise HiveError("the message is empty", code="bad_body", hint="write something")
    if found := _UNSENDABLE.search(body):
        raise HiveError(
            f"the message has an unsendable character {found[0]!r} at position {found.start()}",
            code="bad_body",
            hint="remove NUL bytes and lone surrogates; put binary data into a file",
        )
    size = len(body.encode())
    if size > MAX_BODY_BYTES:
        raise HiveError(
            f"the message has {size} bytes; at most {MAX_BODY_BYTES} are carried",
            code="bad_body",
            hint="put it into a file and send its path",
        )
    return body


def delivery_subject(agent: str) -> str:
    """Return where the agent's consumer of INBOX pushes its messages."""
    return fill("deliver.{agent}", agent=agent)


def inbox_consumers(agent: str) -> tuple[str, str]:
    """Return the agent's consumers of INBOX: of everything, and of operators' messages once more.

    The second one lets an operator's message overtake a crowd. No agent's name has a `_` in it.
    """
    return agent, f"{agent}_operator"
