"""Two scripted agents who pass a ball to and fro, and what must hold of that whatever was killed."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from hivecommon.bus import Bus
from hivecommon.contracts.events import AgentEvent, TurnEnded, TurnStarted
from hivecommon.contracts.inbox import InboxMessage
from hivecommon.contracts.streams import INBOX

from hivetesting.harness import stored_events
from hivetesting.messages_api.request import Request
from hivetesting.messages_api.rules import Rule, Rules
from hivetesting.messages_api.steps import Step, Text, Thinking, ToolUse
from hivetesting.stream_reader import read_stream

BALL = r"ball (?P<game>\d+) (?P<number>\d+)\b"
SEND = "mcp__hive__send"
# A process that outlives its command, as a careless agent leaves it behind.
LITTER = "setsid tail -f /dev/null >/dev/null 2>&1 & echo on it"
REDELIVERED = "given this message"


@dataclass(frozen=True)
class Game:
    """One conversation: balls 1 to `last`, the odd ones to the first player."""

    players: tuple[str, str]
    number: int
    last: int = 20

    def ball(self, number: int) -> str:
        """Return the body of a message."""
        return f"ball {self.number} {number}"

    def receiver(self, number: int) -> str:
        """Return who gets a ball."""
        return self.players[(number - 1) % 2]


def script(players: tuple[str, str], last: int) -> Rules:
    """Return what the model does: some work in a shell, then the next ball, then a word.

    It looks, as the prompt of a redelivered message asks it to, whether it has sent it already.
    """

    def next_ball(request: Request, found: re.Match[str]) -> ToolUse | None:
        number = int(found["number"]) + 1
        body = f"ball {found['game']} {number}"
        if number > last or body in _sent(request):
            return None
        return ToolUse(SEND, {"to": players[(number - 1) % 2], "body": body})

    def work(request: Request, found: re.Match[str]) -> Sequence[Step]:
        if next_ball(request, found) is None:
            return (Text("That was the last one, or it is done already."),)
        return (Thinking("whose turn is it?"), ToolUse("Bash", {"command": LITTER}))

    def send(request: Request, found: re.Match[str]) -> Sequence[Step]:
        # After a refusal (the bus may be away) it is sent again, as the tool says.
        following = next_ball(request, found)
        return (following,) if following else (Text("done"),)

    return Rules(
        Rule(text=BALL, answer=work),
        Rule(text=BALL, after_tool=f"Bash|{SEND}", answer=send),
        otherwise=lambda _request: (Text("noted"),),
    )


def _sent(request: Request) -> set[str]:
    """Return the bodies whose sending the conversation so far shows as done."""
    calls = {
        block.id: str((block.input or {}).get("body"))
        for message in request.messages
        for block in message.blocks
        if block.type == "tool_use" and block.name == SEND
    }
    return {
        calls[block.tool_use_id]
        for message in request.messages
        for block in message.blocks
        if block.type == "tool_result" and block.tool_use_id in calls and not block.is_error
    }


@dataclass
class Record:
    """All that the bus holds of the players' conversations."""

    inboxes: dict[str, list[InboxMessage]] = field(default_factory=dict)
    events: dict[str, Sequence[AgentEvent]] = field(default_factory=dict)

    @classmethod
    async def read(cls, bus: Bus, players: Sequence[str]) -> "Record":
        """Read the streams, as an operator may."""
        record = cls()
        for player in players:
            subject = InboxMessage.filter_for(player)
            record.inboxes[player] = [
                InboxMessage.decode(data) async for _, data in read_stream(bus, INBOX.name, subject)
            ]
            record.events[player] = await stored_events(bus, player)
        return record

    def answered(self, player: str) -> list[str]:
        """Return the ids of the messages whose turns came to their end, in that order."""
        return [
            event.body.message_id
            for event in self.events[player]
            if isinstance(event.body, TurnEnded) and event.body.outcome != "postponed"
        ]

    def over(self, game: Game) -> bool:
        """Return whether the last ball was caught and nothing is left to be handled."""
        caught = self.inboxes[game.receiver(game.last)]
        return any(message.body == game.ball(game.last) for message in caught) and all(
            {message.id for message in self.inboxes[player]} <= set(self.answered(player))
            for player in game.players
        )

    def violations(self, game: Game) -> list[str]:
        """Return what does not hold: each message answered once, in order, told when it came again."""
        found: list[str] = []
        for player in game.players:
            found += [f"{player}: {what}" for what in self._of_player(player)]
        found += self._of_balls(game)
        return found

    def _of_player(self, player: str) -> list[str]:
        events, inbox = self.events[player], [message.id for message in self.inboxes[player]]
        found: list[str] = []
        numbers = [event.seq for event in events]
        if numbers != list(range(1, len(numbers) + 1)):
            found.append(f"events are doubled or missing: {_breaks(numbers)}")
        ends = [e.body for e in events if isinstance(e.body, TurnEnded)]
        found += [
            f"{end.message_id} ended as {end.outcome}: {end.error}"
            for end in ends
            if end.outcome not in {"answered", "postponed"}
        ]
        if self.answered(player) != inbox:
            found.append(f"answered {self.answered(player)}, the inbox was {inbox}")
        starts = [e.body for e in events if isinstance(e.body, TurnStarted)]
        seen: set[str] = set()
        for start in starts:
            if start.message_id in seen and not start.redelivered:
                found.append(f"{start.message_id} was begun again without a word")
            seen.add(start.message_id)
        begun = list(dict.fromkeys(start.message_id for start in starts))
        if begun != inbox:
            found.append(f"begun {begun}, the inbox was {inbox}")
        return found

    def _of_balls(self, game: Game) -> list[str]:
        """Return the balls that came twice although the turn that threw them was not given again."""
        found: list[str] = []
        for number in range(1, game.last + 1):
            bodies = [message.body for message in self.inboxes[game.receiver(number)]]
            times = bodies.count(game.ball(number))
            more = self._redeliveries(game, number - 1) if number > 1 else 0
            if not 1 <= times <= 1 + more:
                found.append(
                    f"{game.ball(number)!r} came {times} times, {more} turns were repeated"
                )
        return found

    def _redeliveries(self, game: Game, number: int) -> int:
        return sum(
            isinstance(event.body, TurnStarted)
            and event.body.body == game.ball(number)
            and event.body.redelivered
            for event in self.events[game.receiver(number)]
        )


def unmarked_prompts(requests: Sequence[Request]) -> list[str]:
    """Return the ids of messages that the model was given again without being told so."""
    given: Counter[str] = Counter()
    unmarked: list[str] = []
    for request in requests:
        found = re.search(r"^Message id: (\S+)$", request.last_user_text, re.MULTILINE)
        if found is None or not request.is_prompt:
            continue
        given[found[1]] += 1
        if given[found[1]] > 1 and REDELIVERED not in request.last_user_text:
            unmarked.append(found[1])
    return unmarked


def _breaks(numbers: Sequence[int]) -> list[tuple[int, int]]:
    return [
        (before, after)
        for before, after in zip([0, *numbers], numbers, strict=False)
        if after != before + 1
    ]
