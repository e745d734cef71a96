"""What `hive` prints: text or JSON on stdout, notes and errors on stderr, nothing of it raw."""

import sys
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

import click
import msgspec
from hivecommon.contracts.base import ErrorDetail, ErrorReply
from hivecommon.errors import HiveError

from hivectl.escaping import block, json_text, one_line

Row = Sequence[str]


class Terminal:
    """Standard output and error. Everything passes the escaping: agents wrote much of it."""

    def __init__(self, out: TextIO = sys.stdout, err: TextIO = sys.stderr) -> None:
        self._out = out
        self._err = err
        self.as_json = False
        self._answered = False

    @property
    def interactive(self) -> bool:
        """Whether a human reads what goes to stdout."""
        return self._out.isatty() and not self.as_json

    def json(self, value: Any) -> None:
        """Print one line of JSON."""
        self._answered = True
        self._print(json_text(msgspec.json.encode(value)))

    def line(self, text: str, *, style: str | None = None) -> None:
        """Print one line, in colour where there is any."""
        shown = one_line(text)
        self._print(click.style(shown, fg=style) if style and self.interactive else shown)

    def block(self, text: str, *, indent: str = "  ") -> None:
        """Print text of several lines, each indented, so that none can pass for one of ours."""
        for part in block(text).split("\n"):
            self._print(indent + part)

    def table(self, columns: Sequence[str], rows: Iterable[Row]) -> None:
        """Print a table: ruled and fitted on a terminal, plain columns for programs."""
        safe = [[one_line(cell) for cell in row] for row in rows]
        if self.interactive:
            self._rich_table(columns, safe)
            return
        widths = [max(map(len, cells)) for cells in zip(columns, *safe, strict=True)]
        for row in [[column.upper() for column in columns], *safe]:
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            self._print("  ".join(cells).rstrip())

    def _rich_table(self, columns: Sequence[str], rows: Iterable[Row]) -> None:
        # Imported where it is used: 0.1 s that a script need not wait for.
        from rich.console import Console  # noqa: PLC0415
        from rich.table import Table  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        table = Table(*columns, box=None, pad_edge=False, header_style="bold")
        for row in rows:
            table.add_row(*(Text(cell, overflow="fold") for cell in row))
        Console(file=self._out).print(table)

    def note(self, text: str) -> None:
        """Say something besides the result: progress, advice."""
        self._print(one_line(text), self._err)

    def error(self, error: HiveError) -> None:
        """Say what went wrong and what to do; with `--json` as the bus would answer it, too."""
        if self.as_json and not self._answered:
            detail = ErrorDetail(code=error.code, message=error.message, hint=error.hint)
            self.json(ErrorReply(error=detail))
        self._print(f"error: {one_line(error.message)}", self._err)
        if error.hint:
            self._print(f"hint: {one_line(error.hint)}", self._err)

    def _print(self, text: str, stream: TextIO | None = None) -> None:
        print(text, file=stream or self._out, flush=True)
