"""What an agent has open at approvals: questions, reminders, requests."""

from typing import ClassVar

from hivecommon.contracts.approvals import Approval
from hivecommon.contracts.base import Reply, Request
from hivecommon.contracts.questions import Question
from hivecommon.contracts.schedules import Schedule


class OwnItemsReply(Reply, frozen=True, kw_only=True):
    """At most 50 of each, the newest questions and requests, the next reminders."""

    questions: list[Question]
    """Unanswered ones, that the agent asked or was asked."""
    reminders: list[Schedule]
    """What will be sent to it, whoever planned that."""
    requests: list[Approval]
    """What it asked for and no operator has decided."""


class OwnItems(Request[OwnItemsReply], frozen=True, kw_only=True):
    """An agent asks what of its own is open."""

    subject: ClassVar[str] = "req.{caller}.open_items"
