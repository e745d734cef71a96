"""Tools for questions: to the operators, to another agent, and answers to theirs."""

from collections.abc import Sequence
from typing import Annotated

import msgspec
from hivecommon.contracts.questions import AnswerPeer, AskQuestion

from hive_harness.asking import Asking
from hive_harness.toolbox import Tool


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
        Annotated[float, msgspec.Meta(ge=1, le=360)] | None,
        msgspec.Meta(
            description="when to tell you that nobody answered, at most 360; leave out to wait"
        ),
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

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    @property
    def tools(self) -> Sequence[Tool]:
        """The tools, ready to be offered."""
        return (
            Tool(
                "ask",
                "Ask the operator, or another agent, a question. It can always be answered in words,"
                " whatever options you offer. The answer comes to your inbox as a message: end your"
                " turn when you cannot go on without it.",
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
        fields = {
            "text": wanted.question, "to": wanted.to, "options": wanted.options,
            "multiple": wanted.multiple, "deadline_s": None if minutes is None else minutes * 60,
        }  # fmt: skip
        asked = (await self._asking.ask(msgspec.convert(fields, AskQuestion))).question
        until = f" until {asked.deadline:%Y-%m-%d %H:%M} UTC" if asked.deadline else ""
        return f"question {asked.id} waits for {asked.answerer}{until}"

    async def _answer(self, wanted: Answer) -> str:
        fields = {"id": wanted.id, "answer": wanted.answer, "choices": wanted.choices}
        reply = await self._asking.ask(msgspec.convert(fields, AnswerPeer))
        return f"{reply.question.asker} gets your answer to question {reply.question.id}"
