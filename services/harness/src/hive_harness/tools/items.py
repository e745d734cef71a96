"""Tools for what is open: reminders, and what waits for somebody else."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from hivecommon.contracts.approvals import CancelOwnApproval
from hivecommon.contracts.harness import OpenItemsReply
from hivecommon.contracts.questions import CancelQuestion
from hivecommon.contracts.schedules import CancelReminder, Remind, Schedule
from hivecommon.errors import HiveError

from hive_harness.asking import Asking
from hive_harness.open_items import OpenItems
from hive_harness.prompt import first_line
from hive_harness.toolbox import Tool
from hive_harness.tools.about import Nothing

_TIMINGS: Final = ("at", "after_minutes", "cron")


class Reminder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of `remind`."""

    text: Annotated[str, msgspec.Meta(description="what you want to be told then")]
    after_minutes: Annotated[
        Annotated[float, msgspec.Meta(gt=0)] | None, msgspec.Meta(description="once, from now")
    ] = None
    at: Annotated[
        str | None, msgspec.Meta(description="once, a local time like 2026-12-24T18:00")
    ] = None
    cron: Annotated[
        str | None,
        msgspec.Meta(
            description="again and again: minute hour day month weekday, e.g. 0 9 * * 1-5"
        ),
    ] = None
    zone: Annotated[
        str, msgspec.Meta(description="IANA time zone of at and cron; leave out for the host's")
    ] = ""


class Cancel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of `cancel`."""

    kind: Annotated[
        Literal["question", "reminder", "request"], msgspec.Meta(description="what it is")
    ]
    id: Annotated[int, msgspec.Meta(description="its number", ge=1)]


class ItemTools:
    """What is open of the agent's own."""

    def __init__(self, asking: Asking, items: OpenItems) -> None:
        self._asking = asking
        self._items = items

    @property
    def tools(self) -> Sequence[Tool]:
        """The tools, ready to be offered."""
        return (
            Tool(
                "remind",
                "Have yourself reminded: once after some minutes or at a time, or again and again"
                " (cron). The reminder comes to your inbox, also after restarts.",
                Reminder,
                self._remind,
            ),
            Tool(
                "open_items",
                "List what is open: messages that wait, unanswered questions of yours and to you,"
                " reminders, requests that nobody has decided.",
                Nothing,
                self._open_items,
            ),
            Tool(
                "cancel",
                "Take back a question that nobody has answered, a reminder, or a request that no"
                " operator has decided.",
                Cancel,
                self._cancel,
            ),
        )

    async def _remind(self, wanted: Reminder) -> str:
        given = [name for name in _TIMINGS if getattr(wanted, name) is not None]
        if len(given) != 1:
            raise HiveError(
                f"give one of {', '.join(_TIMINGS)}; you gave {' and '.join(given) or 'none'}",
                code="bad_arguments",
            )
        fields: dict[str, Any] = {"prompt": wanted.text}
        if wanted.after_minutes is not None:
            fields["after_s"] = wanted.after_minutes * 60
        else:
            fields["timing"] = {"once": wanted.at, "cron": wanted.cron, "zone": wanted.zone}
        made = (await self._asking.ask(msgspec.convert(fields, Remind))).schedule
        return f"reminder {made.id} comes {_when(made)}"

    async def _open_items(self, _wanted: Nothing) -> str:
        return "\n".join(_lines(await self._items.read())) or "nothing is open"

    async def _cancel(self, wanted: Cancel) -> str:
        match wanted.kind:
            case "question":
                await self._asking.ask(CancelQuestion(id=wanted.id))
            case "reminder":
                await self._asking.ask(CancelReminder(id=wanted.id))
            case "request":
                await self._asking.ask(CancelOwnApproval(id=wanted.id))
        return f"{wanted.kind} {wanted.id} is taken back"


def _lines(items: OpenItemsReply) -> list[str]:
    lines = [
        f"unread message from {one.sender}, {_utc(one.sent_at)}: {one.first_line}"
        for one in items.waiting
    ]
    if (more := items.unread - len(items.waiting)) > 0:
        lines.append(f"{more} more unread messages")
    lines += [
        f"parked message {one.number} from {one.sender}: {one.first_line} (an operator can send it again)"
        for one in items.parked
    ]
    for question in items.questions:
        until = f", until {_utc(question.deadline)}" if question.deadline else ""
        lines.append(
            f"question {question.id} of {question.asker} to {question.answerer}{until}:"
            f" {first_line(question.text)}"
        )
    lines += [
        f"reminder {one.id} comes {_when(one)}: {first_line(one.prompt)}" for one in items.reminders
    ]
    lines += [
        f"request {one.id} ({one.kind} {one.agent}) waits for an operator" for one in items.requests
    ]
    if items.incomplete:
        lines.append(f"questions, reminders and requests are not known now: {items.incomplete}")
    return lines


def _when(schedule: Schedule) -> str:
    if schedule.next_at is None:
        return f"when an operator lets it go on (it is {schedule.state})"
    again = f", then by cron {schedule.cron} ({schedule.zone})" if schedule.cron else ""
    return f"at {_utc(schedule.next_at)}{again}"


def _utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
