"""What agents have open here, and what they do about it themselves: the verbs on that."""

from typing import Final

from hivecommon.contracts.approvals import ApprovalState
from hivecommon.contracts.open_items import OwnItems, OwnItemsReply
from hivecommon.contracts.questions import CancelQuestion, QuestionReply
from hivecommon.contracts.schedules import (
    CancelReminder,
    Remind,
    ScheduleReply,
    ScheduleState,
)
from hivecommon.errors import HiveError
from hivecommon.service import Call

from hive_approvals.kinds.kind import Endpoints, Parts
from hive_approvals.questions import QuestionStore

_LISTED: Final = 50


class OwnItemsDesk:
    """Answers each agent about its own alone."""

    def __init__(self, parts: Parts, questions: QuestionStore) -> None:
        self._parts = parts
        self._questions = questions
        self._schedules = parts.schedules

    def endpoints(self) -> Endpoints:
        """Return what is answered by what."""
        return {
            OwnItems: self.list,
            CancelQuestion: self.cancel_question,
            Remind: self.remind,
            CancelReminder: self.cancel_reminder,
        }

    async def list(self, call: Call, _request: OwnItems) -> OwnItemsReply:
        """Return what the caller has open."""
        agent = call.caller.name
        reminders = [
            schedule for schedule in await self._schedules.all(agent)
            if schedule.state in {ScheduleState.ACTIVE, ScheduleState.PAUSED}
        ]  # fmt: skip
        return OwnItemsReply(
            questions=await self._questions.open_of(agent, _LISTED),
            reminders=reminders[:_LISTED],
            requests=await self._parts.store.requested_by(
                str(call.caller), ApprovalState.PENDING, _LISTED
            ),
        )

    async def cancel_question(self, call: Call, request: CancelQuestion) -> QuestionReply:
        """Take the caller's own question back."""
        return QuestionReply(question=await self._questions.cancel(request.id, call.caller.name))

    async def remind(self, call: Call, request: Remind) -> ScheduleReply:
        """Make a reminder of the caller for itself."""
        if (request.timing is None) == (request.after_s is None):
            raise HiveError(
                "a reminder needs either a timing or `after_s`", code="bad_schedule",
                hint='for example after_s 3600, or timing {"cron": "0 9 * * 1-5"}',
            )  # fmt: skip
        schedule = await self._schedules.remind(
            call.caller.name, request.prompt, request.timing or request.after_s or 0.0,
            request_id=call.request_id,
        )  # fmt: skip
        return ScheduleReply(schedule=schedule)

    async def cancel_reminder(self, call: Call, request: CancelReminder) -> ScheduleReply:
        """Remove the caller's own reminder."""
        return ScheduleReply(
            schedule=await self._schedules.cancel_own(request.id, call.caller.name)
        )
