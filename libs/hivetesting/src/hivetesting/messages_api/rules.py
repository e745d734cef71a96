"""Scripts made of ordered rules: the first rule that fits a request gives the answer."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hivetesting.messages_api.request import Request
from hivetesting.messages_api.steps import Step, Text

Script = Callable[[Request], Sequence[Step]]
"""Decides an answer. It runs in the server's thread and must not block."""
Reply = Callable[[Request, re.Match[str]], Sequence[Step]]
ECHO_LIMIT = 2_000


@dataclass(frozen=True, slots=True)
class Rule:
    """An answer and when it is given; what is left out fits everything, except `after_tool`.

    `text` is searched in the last user text. `agent` must be the request's agent.
    `after_tool` is matched in full against the names of the tools whose results are just
    delivered; without it the rule answers prompts only, so that a rule that calls a tool
    does not call it for ever. `times` counts per agent; a spent rule is passed over.
    `answer` is the steps, or a function from the request and the match of `text` to them.
    """

    answer: Sequence[Step] | Reply
    text: str = ""
    agent: str | None = None
    after_tool: str | None = None
    when: Callable[[Request], bool] | None = None
    times: int | None = None

    def match(self, request: Request) -> re.Match[str] | None:
        """Match `text` if the rule fits the request, `times` aside."""
        if self.agent is not None and self.agent != request.agent:
            return None
        if not self._fits_tools(request):
            return None
        if self.when is not None and not self.when(request):
            return None
        return re.search(self.text, request.last_user_text)

    def _fits_tools(self, request: Request) -> bool:
        if self.after_tool is None or request.is_prompt:
            return self.after_tool is None and request.is_prompt
        names = (result.name for result in request.tool_results)
        return any(re.fullmatch(self.after_tool, name) for name in names)

    def steps(self, request: Request, found: re.Match[str]) -> Sequence[Step]:
        """Give the answer to this request."""
        return self.answer(request, found) if callable(self.answer) else self.answer


class Rules:
    """A script of ordered rules, with an echo after the last."""

    def __init__(self, *rules: Rule, otherwise: Script | None = None) -> None:
        self._rules = rules
        self._otherwise = otherwise or echo
        self._used: Counter[tuple[int, str]] = Counter()

    def __call__(self, request: Request) -> Sequence[Step]:
        """Give the first fitting rule's steps, and use the rule up by one."""
        for index, rule in enumerate(self._rules):
            used = (index, request.agent)
            if rule.times is not None and self._used[used] >= rule.times:
                continue
            if found := rule.match(request):
                self._used[used] += 1
                return rule.steps(request, found)
        return self._otherwise(request)


def in_order(*answers: Sequence[Step], otherwise: Script | None = None) -> Script:
    """Make a script that gives each agent these answers one after the other, whatever is asked."""
    given: Counter[str] = Counter()
    last = otherwise or echo

    def script(request: Request) -> Sequence[Step]:
        given[request.agent] += 1
        number = given[request.agent]
        return answers[number - 1] if number <= len(answers) else last(request)

    return script


def echo(request: Request) -> Sequence[Step]:
    """Give the plain answer: the last user text again, or what the tools returned."""
    if not request.is_prompt:
        said = "\n".join(f"{result.name}: {result.text}" for result in request.tool_results)
        return (Text(said[:ECHO_LIMIT]),)
    return (Text(f"You said: {request.last_user_text[:ECHO_LIMIT]}"),)
