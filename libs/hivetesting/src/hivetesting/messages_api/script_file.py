r"""Scripts as TOML files, for demos: rules from matches to steps.

    agent_pattern = 'You are the agent (?P<agent>[a-z0-9-]+)'   # searched in the system text
    delay_ms = 20                                  # before each piece of a text; default 0

    [[rule]]                                       # the first rule that fits answers
    agent = "alice"                                # default: any agent
    text = '(?i)ask (?P<peer>\w+) (?P<what>.+)'    # searched in the last user text; default: any
    times = 1                                      # per agent; default: without end
    answer = [
      { thinking = "That is one for ${peer}." },
      { tool = "mcp__hive__send", input = { to = "${peer}", body = "${what}" } },
    ]

    [[rule]]
    agent = "alice"
    after_tool = "mcp__hive__send"                 # answers that tool's result, not a prompt
    answer = [{ text = "Asked: ${result}" }]

Other steps: `{ error = 429, message = "…", retry_after_s = 5 }`, `{ hang_s = 5.0 }`,
`{ cut_after = 3 }`. In every string of a step `${…}` names a group of the rule's `text`, or `text`
(the last user text), `agent`, `result` (what the tools returned); `$$` is a dollar sign.
Without a fitting rule the text is echoed.
"""

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

import msgspec

from hivetesting.messages_api.request import NOBODY, Request
from hivetesting.messages_api.rules import Rule, Rules
from hivetesting.messages_api.steps import CutStream, Error, Hang, Step, Text, Thinking, ToolUse

BUILT_IN_NAMES = frozenset({"text", "agent", "result"})


class ScriptFileError(Exception):
    """The file is no script; the message says where and why."""


class StepRow(msgspec.Struct, forbid_unknown_fields=True):
    """One step: exactly one of the first six, with what belongs to it."""

    text: str | None = None
    thinking: str | None = None
    tool: str | None = None
    error: int | None = None
    hang_s: float | None = None
    cut_after: int | None = None
    input: dict[str, object] = {}
    message: str = "scripted error"
    retry_after_s: int | None = None


class RuleRow(msgspec.Struct, forbid_unknown_fields=True):
    """One rule."""

    answer: list[StepRow]
    text: str = ""
    agent: str | None = None
    after_tool: str | None = None
    times: int | None = None


class ScriptRow(msgspec.Struct, forbid_unknown_fields=True):
    """The whole file."""

    rule: list[RuleRow]
    agent_pattern: str = NOBODY
    delay_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class ScriptFile:
    """What a file holds: the script and where agents' names are found."""

    script: Rules
    agent_pattern: str


def load(path: Path) -> ScriptFile:
    """Read a script; `ScriptFileError` names the file, the place and the mistake."""
    try:
        return parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ScriptFileError) as error:
        raise ScriptFileError(f"{path}: {error}") from error


def parse(source: str) -> ScriptFile:
    """Turn a script's text into rules; `ScriptFileError` says where and why it is none."""
    try:
        row = msgspec.convert(tomllib.loads(source), ScriptRow)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ScriptFileError(str(error)) from error
    if "agent" not in _pattern("agent_pattern", row.agent_pattern).groupindex:
        raise ScriptFileError("agent_pattern: needs a group named agent, as in (?P<agent>[a-z]+)")
    rules = [
        _rule(f"rule {number}", rule, row.delay_ms / 1_000)
        for number, rule in enumerate(row.rule, start=1)
    ]
    return ScriptFile(Rules(*rules), row.agent_pattern)


def _rule(where: str, row: RuleRow, delay_s: float) -> Rule:
    pattern = _pattern(f"{where}: text", row.text)
    if row.after_tool is not None:
        _pattern(f"{where}: after_tool", row.after_tool)
    if row.times is not None and row.times < 1:
        raise ScriptFileError(f"{where}: times: must be at least 1, not {row.times}")
    names = BUILT_IN_NAMES | pattern.groupindex.keys()
    for position, step in enumerate(row.answer, start=1):
        _check(f"{where}: step {position}", step, names)

    def answer(request: Request, found: re.Match[str]) -> Sequence[Step]:
        values = {name: value or "" for name, value in found.groupdict().items()}
        values |= {
            "text": request.last_user_text,
            "agent": request.agent,
            "result": "\n".join(result.text for result in request.tool_results),
        }
        return [_step(step, values, delay_s) for step in row.answer]

    return Rule(answer, text=row.text, agent=row.agent, after_tool=row.after_tool, times=row.times)


def _pattern(where: str, pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ScriptFileError(f"{where}: {pattern!r} is no regular expression: {error}") from error


def _check(where: str, row: StepRow, names: frozenset[str]) -> None:
    kinds = ("text", "thinking", "tool", "error", "hang_s", "cut_after")
    given = [kind for kind in kinds if getattr(row, kind) is not None]
    if len(given) != 1:
        found = " and ".join(given) or "none"
        raise ScriptFileError(f"{where}: needs exactly one of {', '.join(kinds)}; it has {found}")
    for template in _strings((row.text, row.thinking, row.message, row.input)):
        if not Template(template).is_valid():
            raise ScriptFileError(f"{where}: a lone $ in {template!r}: write $$ for a dollar sign")
        if unknown := set(Template(template).get_identifiers()) - names:
            raise ScriptFileError(
                f"{where}: ${{{min(unknown)}}} is unknown; there are {', '.join(sorted(names))}"
            )


def _strings(value: object) -> list[str]:
    match value:
        case str():
            return [value]
        case Mapping():
            return _strings(list(value.values()))
        case list() | tuple():
            return [text for item in value for text in _strings(item)]
        case _:
            return []


def _step(row: StepRow, values: Mapping[str, str], delay_s: float) -> Step:
    def fill(template: str) -> str:
        return Template(template).substitute(values)

    if row.text is not None:
        return Text(fill(row.text), delay_s)
    if row.thinking is not None:
        return Thinking(fill(row.thinking), delay_s)
    if row.tool is not None:
        return ToolUse(row.tool, {key: _filled(item, fill) for key, item in row.input.items()})
    if row.error is not None:
        retry_after_s = row.retry_after_s
        headers = {} if retry_after_s is None else {"retry-after": str(retry_after_s)}
        return Error(row.error, fill(row.message), headers=headers)
    if row.hang_s is not None:
        return Hang(row.hang_s)
    return CutStream(row.cut_after)


def _filled(value: object, fill: Callable[[str], str]) -> object:
    match value:
        case str():
            return fill(value)
        case Mapping():
            return {key: _filled(item, fill) for key, item in value.items()}
        case list():
            return [_filled(item, fill) for item in value]
        case _:
            return value
