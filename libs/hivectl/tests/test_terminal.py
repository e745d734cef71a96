import io

from hivecommon.errors import HiveError
from hivectl.terminal import Terminal
from typing_extensions import override


def streams() -> tuple[Terminal, io.StringIO, io.StringIO]:
    out, err = io.StringIO(), io.StringIO()
    return Terminal(out, err), out, err


def test_a_table_for_programs_has_plain_columns() -> None:
    terminal, out, _ = streams()
    terminal.table(("agent", "says"), [("alice", "hi"), ("bob", "\x1b[31m\nspoof  running")])
    assert out.getvalue() == ("AGENT  SAYS\nalice  hi\nbob    \\x1b[31m\\nspoof  running\n")


def test_an_error_is_two_lines_on_stderr() -> None:
    terminal, out, err = streams()
    terminal.error(HiveError("no \x1bsuch thing", hint="look elsewhere"))
    assert err.getvalue() == "error: no \\x1bsuch thing\nhint: look elsewhere\n"
    assert out.getvalue() == ""


def test_with_json_an_error_is_told_as_the_bus_would() -> None:
    terminal, out, err = streams()
    terminal.as_json = True
    terminal.error(HiveError("no", code="refused"))
    assert out.getvalue() == ('{"ok":false,"error":{"code":"refused","message":"no","hint":""}}\n')
    assert err.getvalue() == "error: no\n"


def test_with_json_an_answer_is_not_followed_by_a_second_one() -> None:
    terminal, out, _ = streams()
    terminal.as_json = True
    terminal.json({"ok": False})
    terminal.error(HiveError("no"))
    assert out.getvalue() == '{"ok":false}\n'


class Screen(io.StringIO):
    @override
    def isatty(self) -> bool:
        return True


def test_a_table_on_a_screen_is_as_harmless() -> None:
    screen = Screen()
    Terminal(screen, screen).table(("agent",), [("[red]x[/red]\x1b[2J\u202e",)])
    assert r"[red]x[/red]\x1b[2J\u202e" in screen.getvalue()
    assert "\x1b[2J" not in screen.getvalue()


def test_a_block_cannot_pass_for_a_line_of_ours() -> None:
    terminal, out, _ = streams()
    terminal.block("fine\nerror: not fine")
    assert out.getvalue() == "  fine\n  error: not fine\n"
