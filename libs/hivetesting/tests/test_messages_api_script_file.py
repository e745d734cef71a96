import re
from pathlib import Path

import pytest
from hivetesting.messages_api.request import NOBODY, Request, view
from hivetesting.messages_api.script_file import ScriptFileError, load, parse
from hivetesting.messages_api.steps import CutStream, Error, Hang, Text, Thinking, ToolUse
from hivetesting.messages_api.wire import Block, Body, Message

DEMO = r"""
agent_pattern = 'the agent (?P<agent>[a-z]+)'
delay_ms = 20

[[rule]]
agent = "alice"
text = 'ask (?P<peer>\w+) (?P<what>.+)'
answer = [
  { thinking = "One for ${peer}." },
  { tool = "send", input = { to = "${peer}", parts = ["${what}", 1], price = "$$5" } },
]

[[rule]]
after_tool = "send"
answer = [{ text = "${agent}: ${text}: ${result}" }]

[[rule]]
text = "trouble"
times = 1
answer = [{ hang_s = 0.5 }, { error = 429, message = "slow down", retry_after_s = 3 }]

[[rule]]
text = "trouble"
answer = [{ text = "half" }, { cut_after = 4 }]
"""


def asked(said: str, *, result: str | None = None) -> Request:
    messages = [Message("user", said)]
    if result:
        called = Block(type="tool_use", id="t", name="send", input={})
        came = Block(type="tool_result", tool_use_id="t", content=result)
        messages += [Message("assistant", [called]), Message("user", [came])]
    body = Body(model="m", max_tokens=9, messages=messages, system="You are the agent alice.")
    pattern = r"the agent (?P<agent>[a-z]+)"
    return view(body, headers={}, size_bytes=40, agent_pattern=pattern)


def test_groups_of_the_text_are_filled_into_every_string_of_the_answer() -> None:
    script = parse(DEMO).script
    assert script(asked("ask bob the time")) == [
        Thinking("One for bob.", 0.02),
        ToolUse("send", {"to": "bob", "parts": ["the time", 1], "price": "$5"}),
    ]


def test_what_was_filled_in_is_not_filled_in_again() -> None:
    call = parse(DEMO).script(asked("ask bob ${agent} $"))[1]
    assert call == ToolUse("send", {"to": "bob", "parts": ["${agent} $", 1], "price": "$5"})


def test_a_tool_result_is_answered_by_its_rule() -> None:
    said = parse(DEMO).script(asked("ask bob x", result="gone"))
    assert said == [Text("alice: ask bob x: gone", 0.02)]


def test_trouble_can_be_written_down() -> None:
    script = parse(DEMO).script
    limited = Error(429, "slow down", headers={"retry-after": "3"})
    assert script(asked("trouble")) == [Hang(0.5), limited]
    assert script(asked("trouble")) == [Text("half", 0.02), CutStream(4)]


def test_without_a_fitting_rule_the_text_comes_back() -> None:
    assert parse("rule = []").script(asked("hello")) == (Text("You said: hello"),)


def test_without_a_pattern_no_name_is_found() -> None:
    assert re.search(NOBODY, "agent") is None
    assert parse("rule = []").agent_pattern == NOBODY


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("rule = [", "at end of document"),
        ("", "missing required field `rule`"),
        ("rules = []\nrule = []", "unknown field `rules`"),
        ("[[rule]]\nanswer = [{ txt = 'x' }]", "unknown field `txt` - at `$.rule[0].answer[0]`"),
        ("[[rule]]\nanswer = [{ text = 1 }]", "at `$.rule[0].answer[0].text`"),
        ("[[rule]]\nanswer = [{ message = 'x' }]", "rule 1: step 1: needs exactly one of"),
        ("[[rule]]\nanswer = [{ text = 'x', tool = 'y' }]", "it has text and tool"),
        ("[[rule]]\nanswer = [{ text = '${who}' }]", "${who} is unknown; there are agent, result"),
        ("[[rule]]\nanswer = [{ tool = 't', input = { a = ['$'] } }]", "a lone $ in '$'"),
        ("[[rule]]\ntext = '('\nanswer = []", "rule 1: text: '(' is no regular expression"),
        ("[[rule]]\nafter_tool = '('\nanswer = []", "rule 1: after_tool: '('"),
        ("[[rule]]\ntimes = 0\nanswer = []", "times: must be at least 1, not 0"),
        ("agent_pattern = 'x'\nrule = []", "a group named agent"),
    ],
)
def test_a_mistake_is_named_with_its_place(source: str, complaint: str) -> None:
    with pytest.raises(ScriptFileError) as caught:
        parse(source)
    assert complaint in str(caught.value)


def test_a_mistake_in_a_file_names_the_file(tmp_path: Path) -> None:
    script = tmp_path / "demo.toml"
    with pytest.raises(ScriptFileError, match=r"demo\.toml.*No such file"):
        load(script)
    script.write_bytes(b"\xff")
    with pytest.raises(ScriptFileError, match=r"demo\.toml.*utf-8"):
        load(script)
