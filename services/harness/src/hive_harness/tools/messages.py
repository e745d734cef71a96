"""Tools for writing messages."""

from collections.abc import Callable, Sequence
from typing import Annotated

import msgspec
from hivecommon.contracts.events import MessageSent
from hivecommon.contracts.inbox import SERVICE_SENDERS, MessageId
from hivecommon.errors import HiveError

from hive_harness.post import Post
from hive_harness.reception import Reception
from hive_harness.session import Letter
from hive_harness.toolbox import Tool
from hive_harness.transcript import MAX_TEXT, shortened
from hive_harness.turn import Turn


class Send(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of `send`."""

    to: Annotated[str, msgspec.Meta(description="an agent's name, or `operator`")]
    body: Annotated[str, msgspec.Meta(description="the message, plain text or Markdown")]
    thread: Annotated[
        MessageId | None,
        msgspec.Meta(description="the thread it belongs to; leave out for a new one"),
    ] = None


class ReplyTo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of `reply`."""

    body: Annotated[str, msgspec.Meta(description="the answer, plain text or Markdown")]
    message_id: Annotated[
        MessageId | None,
        msgspec.Meta(description="which of this turn's messages; leave out when there is one"),
    ] = None


class Receive(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of `recv`."""

    wait_seconds: Annotated[
        float, msgspec.Meta(description="how long to wait for one, at most 600", ge=0, le=600)
    ] = 0
    most: Annotated[int, msgspec.Meta(description="at most so many messages", ge=1, le=20)] = 1


class MessageTools:
    """Writing to others, answering the messages of the turn, and taking more into it."""

    def __init__(
        self, post: Post, reception: Reception, turn: Callable[[], Turn | None],
        record: Callable[[MessageSent], object],
    ) -> None:  # fmt: skip
        self._post = post
        self._reception = reception
        self._turn = turn
        self._record = record

    @property
    def tools(self) -> Sequence[Tool]:
        """The tools, ready to be offered."""
        return (
            Tool(
                "send",
                "Send a message to another agent or to `operator`. It is stored, and read in a turn"
                " of theirs; an answer comes to your inbox as a message of its own.",
                Send,
                self._send,
            ),
            Tool(
                "reply",
                "Answer a message of this turn: goes to its sender, in its thread.",
                ReplyTo,
                self._reply,
            ),
            Tool(
                "recv",
                "Take the next waiting messages into this turn, or wait for one. Only to get an answer"
                " that you need to go on: messages that wait have turns of their own anyway.",
                Receive,
                self._recv,
            ),
        )

    async def _send(self, wanted: Send) -> str:
        return await self._deliver(wanted.to, wanted.body, wanted.thread, None)

    async def _reply(self, wanted: ReplyTo) -> str:
        letter = self._meant(wanted.message_id)
        if letter.sender in SERVICE_SENDERS:
            raise HiveError(
                f"{letter.sender} is a service and reads no messages", code="bad_recipient",
                hint="write to `operator` or to an agent with send",
            )  # fmt: skip
        return await self._deliver(
            letter.sender, wanted.body, letter.thread or letter.id, letter.id
        )

    async def _recv(self, wanted: Receive) -> str:
        return await self._reception.receive(most=wanted.most, wait_s=wanted.wait_seconds)

    def _meant(self, message_id: str | None) -> Letter:
        turn = self._turn()
        if turn is None or not turn.of_messages:
            raise HiveError("no message is being handled", code="no_message", hint="use send")
        letters = turn.letters
        if message_id is not None:
            letters = [letter for letter in letters if letter.id == message_id]
            if not letters:
                raise HiveError(
                    f"message {message_id} is not one of this turn's", code="no_message",
                    hint=f"they are: {', '.join(letter.id for letter in turn.letters)}",
                )  # fmt: skip
        if len({letter.sender for letter in letters}) > 1:
            raise HiveError(
                "this turn has messages of several senders", code="which_message",
                hint="say which one you answer, with message_id",
            )  # fmt: skip
        return letters[-1]

    async def _deliver(self, to: str, body: str, thread: str | None, reply_to: str | None) -> str:
        message = await self._post.send(to, body, thread=thread, reply_to=reply_to)
        self._record(
            MessageSent(
                to=to,
                message_id=message.id,
                body=shortened(body, MAX_TEXT),
                thread=thread,
                reply_to=reply_to,
            )
        )
        return f"stored for {to}; thread {message.thread or message.id}"
