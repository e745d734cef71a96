"""Tools for questions: to the operators, to another agent, and answers to theirs."""

from collections.abc import Sequence
from typing import Annotated
from uuid import uuid4

import msgspec
from hivecommon.bus import Bus
from hivecommon.contracts.questions import AnswerPeer, AskQuestion

from hive_harness.toolbox import Tool

_TIMEOUT_S = 10.0


class Ask(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of `ask`."""

    question: Annotated[str, msgspec.Meta(description="one question that can be answered shortly")]
    to: Annotated[
        str, msgspec.Meta(description="`operator` (a human), or another agent's name")
    ] = "operator"
    options: Annotated[
        list[str], msgspec.Meta(description="answers to choose from, if there are some")
    ] = msgspec.field(default_factory=list)
    multiple: Annotated[
        bool, msgspec.Meta(description="whether several of the options may be chosen")
    ] = False
    deadline_minutes: Annotated[
        Annotated[float, msgspec.Meta(ge=1)] | None,
        msgspec.Meta(description="when to tell you that nobody answered; leave out to wait"),
    ] = None


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of `answer`."""

    id: Annotated[int, msgspec.Meta(description="the question's number")]
    answer: Annotated[str, msgspec.Meta(description="in words; may be left out with choices")] = ""
    choices: Annotated[
        list[str], msgspec.Meta(description="of the options that were offered, word for word")
    ] = msgspec.field(default_factory=list)


class QuestionTools:
    """Asking and answering; who may do what is checked by the service."""

    def __init__(self, bus: Bus, agent: str) -> None:
        self._bus = bus
        self._agent = agent

    @property
    def tools(self) -> Sequence[Tool]:
        """The tools, ready to be offered."""
        return (
            Tool(
                "ask",
                "Ask the operator, or another agent, a question. The answer comes to your inbox as a"
                " message: end your turn when you cannot go on without it.",
                Ask,
                self._ask,
            ),
            Tool(
                "answer",
                "Answer a question that another agent asked you; only the first answer counts.",
                Answer,
                self._answer,
            ),
        )

    async def _ask(self, wanted: Ask) -> str:
        minutes = wanted.deadline_minutes
        request = AskQuestion(
            text=wanted.question, to=wanted.to, options=wanted.options, multiple=wanted.multiple,
            deadline_s=None if minutes is None else minutes * 60,
        )  # fmt: skip
        reply = await self._bus.request(
            request, caller=self._agent, timeout_s=_TIMEOUT_S, request_id=uuid4().hex
        )
        return f"question {reply.question.id} waits for {reply.question.answerer}"

    async def _answer(self, wanted: Answer) -> str:
        request = AnswerPeer(id=wanted.id, answer=wanted.answer, choices=wanted.choices)
        reply = await self._bus.request(
            request, caller=self._agent, timeout_s=_TIMEOUT_S, request_id=uuid4().hex
        )
        return f"{reply.question.asker} gets your answer to question {reply.question.id}"
