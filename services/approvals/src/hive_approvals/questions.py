"""Questions in sqlite: asked, answered once, or told to be unanswered."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from hivecommon.contracts.events import HiveEvent, QuestionChanged
from hivecommon.contracts.inbox import OPERATOR, InboxMessage
from hivecommon.contracts.questions import AskQuestion, Question, QuestionId, QuestionState
from hivecommon.errors import HiveError
from sqlalchemy import Connection, Row, func, insert, or_, select, update

from hive_approvals import audit, outbox
from hive_approvals.ledger import Ledger
from hive_approvals.tables import questions

MAX_OPEN: Final = 50
"""Of one asker: more than anybody answers, and a bound to an agent that runs wild."""


@dataclass(frozen=True)
class Said:
    """An answer: in words, or by what was offered, or both."""

    text: str
    choices: tuple[str, ...] = ()

    def check_against(self, question: Question) -> None:
        """Raise `bad_answer` when `question` cannot be answered so."""
        if not self.text and not self.choices:
            raise _bad("an answer needs words or a choice", "say something, or choose an option")
        offered = "; ".join(question.options) or "none"
        if strange := [one for one in self.choices if one not in question.options]:
            raise _bad(
                f"question {question.id} does not offer {strange[0]!r}",
                f"it offers: {offered}; anything else is said in words",
            )
        if len(self.choices) > 1 and not question.multiple:
            raise _bad(f"question {question.id} takes one choice", f"choose one of: {offered}")
        if len(set(self.choices)) < len(self.choices):
            raise _bad("something is chosen twice", "name each option once")


class QuestionStore:
    """All questions there ever were."""

    def __init__(self, ledger: Ledger, clock: Callable[[], datetime]) -> None:
        self._ledger = ledger
        self._clock = clock

    async def ask(self, asker: str, request: AskQuestion, request_id: str) -> Question:
        """Record a question; the same request id returns the first. Raises `too_many_pending`."""
        return await self._ledger.change(
            lambda connection: self._ask(connection, asker, request, request_id)
        )

    async def answer(
        self, number: QuestionId, said: Said, *, by: str, answerer: str, answer_id: str
    ) -> Question:
        """Record an answer; the same answer id again returns the first.

        Raises `unknown_question`, `refused` for a question to somebody else, `already_answered`,
        `bad_answer` for choices that the question does not offer.
        """

        def work(connection: Connection) -> Question | HiveError:
            try:
                return self._answer(connection, number, said, by, answerer, answer_id)
            except HiveError as error:
                self._audit(connection, by, "answer", number, error.code)
                return error

        outcome = await self._ledger.change(work)
        if isinstance(outcome, HiveError):
            raise outcome
        return outcome

    async def cancel(self, number: QuestionId, asker: str) -> Question:
        """Take a question back; one that is taken back already is returned as it is.

        Raises `unknown_question` for one that is not the asker's, `already_answered`.
        """

        def work(connection: Connection) -> Question:
            mine = (questions.c.id == number, questions.c.asker == asker)
            row = connection.execute(select(questions).where(*mine)).one_or_none()
            if row is None:
                raise _unknown(number, "the tool `open_items` lists yours")
            question = _question(row)
            if question.state is QuestionState.CANCELLED:
                return question
            if question.state is not QuestionState.OPEN:
                raise _answered(question)
            moved = self._move(connection, question, state=QuestionState.CANCELLED)
            self._audit(connection, f"agent:{asker}", "cancel", number, moved.state)
            if moved.answerer != OPERATOR:
                said = f"Agent {asker} has taken question {number} back: it needs no answer."
                self._tell(connection, moved.answerer, f"question-{number}-cancelled", said)
            return moved

        return await self._ledger.change(work)

    async def open_of(self, agent: str, limit: int) -> list[Question]:
        """Return what the agent asked or was asked and nobody has answered, the newest first."""
        query = (
            select(questions)
            .where(
                questions.c.state == QuestionState.OPEN,
                or_(questions.c.asker == agent, questions.c.answerer == agent),
            )
            .order_by(questions.c.id.desc())
            .limit(limit)
        )
        return await self._ledger.read(
            lambda connection: [_question(row) for row in connection.execute(query)]
        )

    async def page(
        self, state: QuestionState | None, limit: int, before: QuestionId | None
    ) -> tuple[list[Question], int, bool]:
        """Return (questions, how many wait for operators, whether there are more)."""

        def work(connection: Connection) -> tuple[list[Question], int, bool]:
            query = select(questions)
            if state is not None:
                query = query.where(questions.c.state == state)
            if before is not None:
                query = query.where(questions.c.id < before)
            is_open = questions.c.state == QuestionState.OPEN
            order = (is_open.desc(), questions.c.id.desc())
            found = connection.execute(query.order_by(*order).limit(limit + 1)).all()
            waiting = connection.execute(
                select(func.count()).select_from(questions)
                .where(is_open, questions.c.answerer == OPERATOR)
            ).scalar_one()  # fmt: skip
            return [_question(row) for row in found[:limit]], waiting, len(found) > limit

        return await self._ledger.read(work)

    async def expire(self, now: datetime) -> datetime | None:
        """Tell who asked in vain; return when the next deadline is."""
        is_open = questions.c.state == QuestionState.OPEN

        def work(connection: Connection) -> None:
            due = select(questions).where(is_open, questions.c.deadline <= now)
            for row in connection.execute(due).all():
                self._expire(connection, _question(row))

        return await self._ledger.change_if_due(questions.c.deadline, is_open, now, work)

    def follow_agent(
        self, connection: Connection, agent: str, *, renamed_to: str | None = None
    ) -> None:
        """Let open questions of and to an agent go with it to its new name."""
        if renamed_to is None:
            return
        is_open = questions.c.state == QuestionState.OPEN
        for column in (questions.c.asker, questions.c.answerer):
            moved = (
                update(questions).where(is_open, column == agent)
                .values({column: renamed_to, questions.c.version: questions.c.version + 1})
                .returning(questions)
            )  # fmt: skip
            for row in connection.execute(moved).all():
                self._announce(connection, row)

    def _ask(
        self, connection: Connection, asker: str, request: AskQuestion, request_id: str
    ) -> Question:
        known = select(questions).where(
            questions.c.asker == asker, questions.c.request_id == request_id
        )
        if (row := connection.execute(known).one_or_none()) is not None:
            return _question(row)
        own = (questions.c.asker == asker, questions.c.state == QuestionState.OPEN)
        count = select(func.count()).select_from(questions).where(*own)
        if connection.execute(count).scalar_one() >= MAX_OPEN:
            raise HiveError(
                f"{MAX_OPEN} of your questions are open already", code="too_many_pending",
                hint="wait for answers",
            )  # fmt: skip
        now = self._clock()
        deadline = (
            None if request.deadline_s is None else now + timedelta(seconds=request.deadline_s)
        )
        values = {
            "asker": asker, "answerer": request.to, "state": QuestionState.OPEN,
            "text": request.text, "options": msgspec.json.encode(request.options),
            "multiple": request.multiple, "choices": b"[]",
            "asked_at": now, "request_id": request_id, "deadline": deadline, "answer": "",
            "version": 1,
        }  # fmt: skip
        row = connection.execute(insert(questions).values(**values).returning(questions)).one()
        question = _question(row)
        self._announce(connection, row)
        self._audit(connection, f"agent:{asker}", "ask", question.id, question.state)
        if question.answerer != OPERATOR:
            self._tell(connection, question.answerer, f"question-{question.id}", _asked(question))
        return question

    def _answer(
        self, connection: Connection, number: QuestionId, said: Said, by: str, answerer: str,
        answer_id: str,
    ) -> Question:  # fmt: skip
        row = connection.execute(select(questions).where(questions.c.id == number)).one_or_none()
        if row is None:
            raise _unknown(number, "`hive questions` lists them")
        question = _question(row)
        if question.answerer != answerer:
            whom = "the operators" if question.answerer == OPERATOR else question.answerer
            raise HiveError(
                f"question {number} is to {whom}, not to you", code="refused",
                hint="nobody answers for another",
            )  # fmt: skip
        if (question.answered_by, row.answer_id) == (by, answer_id):
            return question
        if question.state is not QuestionState.OPEN:
            raise _answered(question)
        said.check_against(question)
        moved = self._move(
            connection, question,
            state=QuestionState.ANSWERED, answer=said.text,
            choices=msgspec.json.encode(said.choices), answered_by=by, answer_id=answer_id,
            answered_at=self._clock(),
        )  # fmt: skip
        self._audit(connection, by, "answer", number, moved.state)
        self._tell(connection, moved.asker, f"question-{number}-answered", _told(moved))
        return moved

    def _expire(self, connection: Connection, question: Question) -> None:
        moved = self._move(connection, question, state=QuestionState.EXPIRED)
        self._audit(connection, "service:approvals", "expire", question.id, moved.state)
        self._tell(connection, moved.asker, f"question-{question.id}-expired", _told(moved))

    def _move(self, connection: Connection, question: Question, **values: Any) -> Question:
        query = (
            update(questions)
            .where(questions.c.id == question.id, questions.c.state == QuestionState.OPEN)
            .values(**values, version=questions.c.version + 1)
            .returning(questions)
        )
        row = connection.execute(query).one()
        self._announce(connection, row)
        return _question(row)

    def _announce(self, connection: Connection, row: Row[Any]) -> None:
        event = HiveEvent(
            id=f"question-{row.id}-v{row.version}", at=self._clock(),
            body=QuestionChanged(question=_question(row)),
        )  # fmt: skip
        outbox.publish(connection, event)

    def _tell(self, connection: Connection, to: str, message_id: str, body: str) -> None:
        message = InboxMessage(id=message_id, body=body, sent_at=self._clock())
        outbox.tell_agent(connection, to=to, sender=outbox.SENDER, message=message)

    def _audit(self, connection: Connection, who: str, what: str, number: int, result: str) -> None:
        entry = audit.Entry(self._clock(), who, what, f"question:{number}", result)
        audit.record(connection, entry)


def _asked(question: Question) -> str:
    lines = [
        f"Agent {question.asker} asks you question {question.id}; its text is between the lines.",
        f"Answer it with the tool `answer` (id {question.id}).",
        "---", question.text, "---",
    ]  # fmt: skip
    if question.options:
        which = "any of them as `choices`" if question.multiple else "one of them as `choices`"
        lines.append(f"It offers answers, give {which}, or answer in your own words:")
        lines += [f"- {option}" for option in question.options]
    return "\n".join(lines)


def _told(question: Question) -> str:
    about = f"your question {question.id} ({question.text[:200]})"
    if question.state is QuestionState.EXPIRED:
        return f"Nobody answered {about} in time. Go on as well as you can, or ask again."
    by = (question.answered_by or "").replace(":", " ")
    return f"The answer of {by} to {about}:\n{_answer_of(question)}"


def _answer_of(question: Question) -> str:
    chosen = [f"- {choice}" for choice in question.choices]
    return "\n".join([*(["Chosen:", *chosen] if chosen else []), *filter(None, [question.answer])])


def _unknown(number: int, hint: str) -> HiveError:
    return HiveError(f"there is no question {number}", code="unknown_question", hint=hint)


def _answered(question: Question) -> HiveError:
    if question.state is QuestionState.EXPIRED:
        what = f"expired at {question.deadline:%Y-%m-%d %H:%M} UTC: its asker was told so"
    elif question.state is QuestionState.CANCELLED:
        what = "was taken back by its asker"
    else:
        what = f"was already answered by {question.answered_by}: {_answer_of(question)[:200]}"
    return HiveError(
        f"question {question.id} {what}", code="already_answered", hint="nothing was changed"
    )


def _bad(what: str, hint: str) -> HiveError:
    return HiveError(what, code="bad_answer", hint=hint)


def _question(row: Row[Any]) -> Question:
    fields = {str(name): value for name, value in row._mapping.items()}  # noqa: SLF001 - documented
    for private in ("request_id", "answer_id", "version"):
        del fields[private]
    for column in ("options", "choices"):
        fields[column] = msgspec.json.decode(fields[column])
    return msgspec.convert(fields, Question)
