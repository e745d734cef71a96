import json

import msgspec
import pytest
from hivectl.escaping import block, json_text, one_line


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x9b31mred", r"\x9b31mred"),
        ("a\rb\nc\td", r"a\rb\nc\td"),
        ("safe\u202etxt.exe", r"safe\u202etxt.exe"),
        ("line\u2028break", r"line\u2028break"),
        ("hi\udc80", r"hi\udc80"),
        ("tag\U000e0041", r"tag\U000e0041"),
        ("größer 👩\u200d🚀 日本", "größer 👩\u200d🚀 日本"),
    ],
)
def test_nothing_hostile_stays_raw_in_a_line(hostile: str, shown: str) -> None:
    assert one_line(hostile) == shown


def test_a_block_keeps_line_breaks_and_tabs_alone() -> None:
    assert block("a\r\nb\tc\x1b[2J\rd") == "a\nb\tc\\x1b[2J\\rd"


def test_json_stays_the_same_json_without_a_raw_control_character() -> None:
    hostile = {"text": "\x00\x1b[31m\x7f\x9b\u202e\u2028\U000e0041 größer 👩\u200d🚀"}
    text = json_text(msgspec.json.encode(hostile))
    assert json.loads(text) == hostile
    assert "größer 👩\u200d🚀" in text
    assert all(char.isprintable() or char == "\u200d" for char in text)
