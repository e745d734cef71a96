"""Questions of agents: to the operators, who answer when they can, or to another agent."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar, Final

import msgspec

from hivecommon.contracts.base import Reply, Request
from hivecommon.contracts.inbox import OPERATOR

QuestionId = Annotated[int, msgspec.Meta(ge=1, le=2**53)]
QuestionText = Annotated[str, msgspec.Meta(min_length=1, max_length=8000)]
AnswerText = Annotated[str, msgspec.Meta(max_length=8000)]
Option = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
MAX_OPTIONS: Final = 10
Choices = Annotated[list[Option], msgspec.Meta(max_length=MAX_OPTIONS)]


class QuestionState(StrEnum):
    """open → answered | expired | cancelled."""

    OPEN = "open"
    ANSWERED = "answered"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    """Its asker took it back."""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """One question. Text, options and a peer's answer are hostile. Kept for ever."""

    id: QuestionId
    asker: str
    answerer: str
    """`operator`, or an agent's name."""
    state: QuestionState
    text: str
    options: list[str] = msgspec.field(default_factory=list)
    """Answers that the asker suggests; any other may be given."""
    multiple: bool = False
    """Whether several of them may be chosen."""
    asked_at: datetime
    deadline: datetime | None = None
    choices: list[str] = msgspec.field(default_factory=list)
    """Which of `options` were chosen."""
    answer: str = ""
    """What was said in words: besides the choices, or instead of them."""
    answered_by: str | None = None
    answered_at: datetime | None = None


class QuestionReply(Reply, frozen=True, kw_only=True):
    """One question."""

    question: Question


class QuestionsReply(Reply, frozen=True, kw_only=True):
    """Questions, open ones first, then the newest."""

    questions: list[Question]
    open: int
    """How many wait for an operator in all."""
    more: bool = False


class AskQuestion(Request[QuestionReply], frozen=True, kw_only=True):
    """An agent asks the operators, or another agent; the answer comes to its inbox."""

    subject: ClassVar[str] = "req.{caller}.ask"
    text: QuestionText
    to: str = OPERATOR
    options: Choices = msgspec.field(default_factory=list)
    multiple: bool = False
    """Whether several options may be chosen; words of one's own are always an answer."""
    deadline_s: Annotated[float, msgspec.Meta(ge=1, le=90 * 86400)] | None = None
    """Afterwards the asker is told that nobody answered; None: it waits for ever."""


class AnswerPeer(Request[QuestionReply], frozen=True, kw_only=True):
    """An agent answers a question that another agent asked it; never one to the operators."""

    subject: ClassVar[str] = "req.{caller}.answer"
    id: QuestionId
    answer: AnswerText = ""
    choices: Choices = msgspec.field(default_factory=list)
    """Of the question's options, word for word; more than one only where it allows several."""


class CancelQuestion(Request[QuestionReply], frozen=True, kw_only=True):
    """An agent takes a question of its own back that nobody has answered."""

    subject: ClassVar[str] = "req.{caller}.cancel_question"
    id: QuestionId


class ListQuestions(Request[QuestionsReply], frozen=True, kw_only=True):
    """List questions; without a state, all of them."""

    subject: ClassVar[str] = "hive.questions.list"
    bare: ClassVar[str | None] = "state"
    state: QuestionState | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50
    before: QuestionId | None = None
    """Only older ones than this."""


class AnswerQuestion(Request[QuestionReply], frozen=True, kw_only=True):
    """Answer a question to the operators; the first answer stands."""

    subject: ClassVar[str] = "hive.questions.answer"
    id: QuestionId
    answer: AnswerText = ""
    choices: Choices = msgspec.field(default_factory=list)
    """As for `AnswerPeer`; either these or `answer`, or both."""
