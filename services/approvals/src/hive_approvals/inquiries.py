"""What agents ask and operators answer, what is scheduled, and who did what: the verbs on them."""

from hivecommon.callers import CallerKind
from hivecommon.contracts.audit import AuditReply, ListAudit
from hivecommon.contracts.inbox import OPERATOR, check_body
from hivecommon.contracts.questions import (
    AnswerPeer,
    AnswerQuestion,
    AskQuestion,
    ListQuestions,
    QuestionReply,
    QuestionsReply,
)
from hivecommon.contracts.schedules import (
    CreateSchedule,
    DeleteSchedule,
    EditSchedule,
    FireSchedule,
    ListSchedules,
    PauseSchedule,
    ResumeSchedule,
    ScheduleReply,
    SchedulesReply,
)
from hivecommon.errors import HiveError
from hivecommon.names import parse_agent_name
from hivecommon.service import Call

from hive_approvals import audit, errors
from hive_approvals.kinds.kind import Endpoints, Parts
from hive_approvals.questions import QuestionStore, Said


class Inquiries:
    """Answers `hive.questions`, `hive.schedules`, `hive.audit`, and agents' `ask` and `answer`."""

    def __init__(self, parts: Parts, questions: QuestionStore) -> None:
        self._parts = parts
        self._questions = questions
        self._schedules = parts.schedules

    def endpoints(self) -> Endpoints:
        """Return what is answered by what."""
        return {
            AskQuestion: self.ask,
            AnswerPeer: self.answer_peer,
            ListQuestions: self.list_questions,
            AnswerQuestion: self.answer,
            ListSchedules: self.list_schedules,
            CreateSchedule: self.create,
            EditSchedule: self.edit,
            PauseSchedule: self.pause,
            ResumeSchedule: self.resume,
            FireSchedule: self.fire,
            DeleteSchedule: self.delete,
            ListAudit: self.list_audit,
        }

    async def ask(self, call: Call, request: AskQuestion) -> QuestionReply:
        """Put a question; to another agent only where the asker may write to it."""
        check_body(request.text)
        asker = call.caller.name
        if request.to != OPERATOR:
            to = parse_agent_name(request.to)
            if to == asker:
                raise HiveError(
                    "that is yourself", code="bad_recipient", hint="ask another, or the operator"
                )
            await self._parts.lifecycle.may_write(asker, to)
        question = await self._questions.ask(asker, request, call.request_id)
        return QuestionReply(question=question)

    async def answer_peer(self, call: Call, request: AnswerPeer) -> QuestionReply:
        """Answer what another agent asked the caller."""
        return await self._answer(call, request, call.caller.name)

    async def answer(self, call: Call, request: AnswerQuestion) -> QuestionReply:
        """Answer what an agent asked the operators."""
        _operator(call)
        return await self._answer(call, request, OPERATOR)

    async def _answer(
        self, call: Call, request: AnswerPeer | AnswerQuestion, answerer: str
    ) -> QuestionReply:
        # With choices there need be no words.
        text = check_body(request.answer) if request.answer.strip() else ""
        question = await self._questions.answer(
            request.id, Said(text, tuple(request.choices)),
            by=str(call.caller), answerer=answerer, answer_id=call.request_id,
        )  # fmt: skip
        return QuestionReply(question=question)

    async def list_questions(self, _call: Call, request: ListQuestions) -> QuestionsReply:
        """List questions."""
        found, waiting, more = await self._questions.page(
            request.state, request.limit, request.before
        )
        return QuestionsReply(questions=found, open=waiting, more=more)

    async def list_schedules(self, _call: Call, request: ListSchedules) -> SchedulesReply:
        """List schedules."""
        return SchedulesReply(schedules=await self._schedules.all(request.agent))

    async def create(self, call: Call, request: CreateSchedule) -> ScheduleReply:
        """Make a schedule for an agent that is there."""
        if request.name not in await self._parts.lifecycle.state_dirs([request.name]):
            raise HiveError(
                f"there is no agent {request.agent!r}", code="unknown_agent",
                hint="`hive ls` shows all agents",
            )  # fmt: skip
        schedule = await self._schedules.create(
            request.name, request.prompt, request.timing,
            by=_operator(call), request_id=call.request_id,
        )  # fmt: skip
        return ScheduleReply(schedule=schedule)

    async def edit(self, call: Call, request: EditSchedule) -> ScheduleReply:
        """Change it."""
        changed = await self._schedules.edit(
            request.id, request.prompt, request.timing, by=_operator(call)
        )
        return ScheduleReply(schedule=changed)

    async def pause(self, call: Call, request: PauseSchedule) -> ScheduleReply:
        """Let it rest."""
        return ScheduleReply(schedule=await self._schedules.pause(request.id, by=_operator(call)))

    async def resume(self, call: Call, request: ResumeSchedule) -> ScheduleReply:
        """Let it go on."""
        return ScheduleReply(schedule=await self._schedules.resume(request.id, by=_operator(call)))

    async def fire(self, call: Call, request: FireSchedule) -> ScheduleReply:
        """Send it now."""
        fired = await self._schedules.fire(
            request.id, by=_operator(call), request_id=call.request_id
        )
        return ScheduleReply(schedule=fired)

    async def delete(self, call: Call, request: DeleteSchedule) -> ScheduleReply:
        """Remove it."""
        return ScheduleReply(schedule=await self._schedules.delete(request.id, by=_operator(call)))

    async def list_audit(self, _call: Call, request: ListAudit) -> AuditReply:
        """Search the audit."""
        entries, more = await self._parts.store.ledger.read(
            lambda connection: audit.search(connection, request)
        )
        return AuditReply(entries=entries, more=more)


def _operator(call: Call) -> str:
    if call.caller.kind is not CallerKind.OPERATOR:
        raise errors.operators_only(str(call.caller))
    return str(call.caller)
