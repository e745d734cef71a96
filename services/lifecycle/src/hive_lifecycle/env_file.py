"""Files that systemd reads as EnvironmentFile= (systemd.exec(5)), cut without losing a byte."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

# The grammar of src/basic/env-file.c: quotes count only where a value begins or right after
# another quoted piece; a carriage return ends a line; a comment ends at its line's end (since 254).
_QUOTED = r"""'[^']*'|"(?:\\.|[^"\\])*\""""
_STATEMENT = re.compile(
    rf"""
      (?P<blank>[ \t\r\n]+)
    | (?P<comment>[\#;][^\r\n]*)[\r\n]?
    | (?P<key>[^=\r\n]+)=(?P<quoted>(?:[ \t]*(?:{_QUOTED}))*)[ \t]*(?P<bare>(?:\\.|[^\r\n\\])*\\?)
      (?:[\r\n]|\Z)
    | [^\r\n]+[\r\n]?
    """,
    re.VERBOSE | re.DOTALL,
)
_DOUBLE_QUOTED_ESCAPE = re.compile(r'\\(["\\`$])|\\\n')
_BARE_ESCAPE = re.compile(r"\\(.?)", re.DOTALL)
_WITHOUT_TRAILING_BLANKS = re.compile(r"(?:.*(?:\\.|[^ \t\\]))?", re.DOTALL)
_PIECE = re.compile(_QUOTED, re.DOTALL)
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class UnterminatedQuote(ValueError):
    """A value opens a quote that the file never closes: systemd would read on to the end."""

    def __init__(self, line: int) -> None:
        super().__init__(f"the quote in line {line} never ends")
        self.line = line


@dataclass(frozen=True, slots=True)
class Statement:
    """A stretch of the file: an assignment, or (with `key` None) anything that assigns nothing."""

    raw: str
    key: str | None = None
    value: str = ""


def statements(text: str) -> Iterator[Statement]:
    """Cut the text; the stretches' `raw` joined give it back. Raises `UnterminatedQuote`."""
    for match in _STATEMENT.finditer(text):
        key = (match["key"] or "").rstrip(" \t")
        if not _KEY.fullmatch(key):
            yield Statement(match[0])
            continue
        if match["bare"].startswith(("'", '"')):
            raise UnterminatedQuote(text.count("\n", 0, match.start("bare")) + 1)
        quoted = "".join(_unquote(piece) for piece in _PIECE.findall(match["quoted"]))
        yield Statement(match[0], key, quoted + _unescape(match["bare"]))


def environment(cut: Iterable[Statement]) -> dict[str, str]:
    """Give what the started program finds in its environment: the last assignment wins."""
    return {each.key: each.value for each in cut if each.key is not None}


def _unquote(piece: str) -> str:
    inside = piece[1:-1]
    return inside if piece[0] == "'" else _DOUBLE_QUOTED_ESCAPE.sub(r"\1", inside)


def _unescape(bare: str) -> str:
    kept = _WITHOUT_TRAILING_BLANKS.match(bare)
    return _BARE_ESCAPE.sub(lambda match: match[1].strip("\r\n"), kept[0] if kept else "")
