"""How verbs are declared: a parser each, with an example, and the options that all of them take."""

import argparse
import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from hiveforge.errors import Exit, misuse
from hiveforge.show import as_json

if TYPE_CHECKING:
    from hiveforge.client import Client

# Options whose value is free text: it may begin with a dash, which argparse alone would not take.
TEXT_OPTIONS = {
    "--body": "--body", "--title": "--title", "--message": "--message",
    "--description": "--description", "-b": "--body", "-t": "--title", "-m": "--message",
}  # fmt: skip
# Of these verbs alone the words of a comment belong to the option; elsewhere it takes none.
COMMENTING = frozenset({"close", "reopen"})
COMMENT_OPTIONS = {"--comment": "--comment", "-c": "--comment"}
REPO_OPTIONS = frozenset({"-r", "--repo"})
# What users of gh and tea type.
ALIASES = {
    "label": "labels", "milestone": "milestones", "release": "releases", "branch": "branches",
    "file": "files", "notification": "notifications", "pull": "pr", "pulls": "pr", "prs": "pr",
    "show": "view", "ls": "list", "new": "create",
}  # fmt: skip
ISSUE_WORDS = frozenset({"issue", "issues"})


class Output(NamedTuple):
    """Where results go: a text for a reader, or JSON with `--json`."""

    json: bool

    def show(self, text: str, value: Any) -> None:
        """Print a result in the form that was asked for."""
        print(as_json(value) if self.json else text)  # noqa: T201 - this is a command's output

    def raw(self, content: bytes) -> None:
        """Print bytes as they are."""
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()

    def note(self, text: str) -> None:
        """Say something beside the result."""
        print(text, file=sys.stderr)  # noqa: T201 - this is a command's output


class Run(NamedTuple):
    """One call of a verb."""

    client: "Client"
    args: argparse.Namespace
    out: Output


Verb = Callable[[Run], Exit | None]


class Parser(argparse.ArgumentParser):
    """A parser that takes no abbreviations and says a mistake in one line."""

    def error(self, message: str) -> Any:  # type: ignore[explicit-override] # typing has no override before 3.12
        """End with status 2 and one line that says what to do."""
        raise misuse(message, _advice(message) or f"see `{self.prog} --help`")


def _advice(message: str) -> str:
    """Return what to do about a mistake that users of gh make."""
    if re.fullmatch(r"unrecognized arguments: \w+(,\w+)+", message):
        return "--json takes no fields and prints all of them: pick with jq"
    return ""


class _Version(argparse.Action):
    """Show the version; looking it up would slow every other run down."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:  # type: ignore[explicit-override] # typing has no override before 3.12
        """Print it and end."""
        from importlib.metadata import version  # noqa: PLC0415 - half of the start's time

        print(f"hive-forge {version('hiveforge')}")  # noqa: T201 - this is a command's output
        parser.exit()


class Verbs:
    """All verbs, in the order of the help."""

    def __init__(self) -> None:
        self.parser = Parser(
            prog="hive-forge",
            description="The forge (issues, pull requests, files) from the command line.",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        _common(self.parser, top=True)
        self.parser.add_argument("--version", action=_Version, nargs=0, help="show the version")
        self._subparsers = self.parser.add_subparsers(
            dest="verb", metavar="VERB", parser_class=Parser, required=True
        )

    def add(self, name: str, run: Verb, summary: str, *examples: str) -> argparse.ArgumentParser:
        """Declare a verb; its help shows the whole signature and the examples."""
        lines = "\n".join(f"  {example}" for example in examples)
        parser = self._subparsers.add_parser(
            name, help=summary, description=summary[0].upper() + summary[1:] + ".",
            epilog=f"example:\n{lines}" if examples else None,
            formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False,
        )  # fmt: skip
        _common(parser, top=False)
        parser.set_defaults(run=run)
        return parser

    @property
    def parsers(self) -> dict[str, argparse.ArgumentParser]:
        """The parser of each verb."""
        return dict(self._subparsers.choices)


def _common(parser: argparse.ArgumentParser, *, top: bool) -> None:
    absent = None if top else argparse.SUPPRESS
    parser.add_argument(
        "-r", "--repo", metavar="OWNER/REPO", default=absent,
        help="the repository (default: $HIVE_FORGE_REPO)",
    )  # fmt: skip
    parser.add_argument(
        "--json", action="store_true", default=False if top else absent,
        help="print the forge's JSON",
    )  # fmt: skip


def bind_texts(argv: list[str]) -> list[str]:
    """Return `argv` with `--body TEXT` as `--body=TEXT`, so that TEXT may begin with a dash."""
    bound: list[str] = []
    options = {**TEXT_OPTIONS, **(COMMENT_OPTIONS if COMMENTING & set(argv[:4]) else {})}
    words = iter(argv)
    for word in words:
        if word == "--":
            return [*bound, word, *words]
        value = next(words, None) if word in options else None
        bound.append(word if value is None else f"{options[word]}={value}")
    return bound


def translate(argv: list[str]) -> list[str]:
    """Return `argv` with gh's and tea's words as ours: `issue view 42`, `pulls`, `label add 42 x`."""
    place = 0
    while place < len(argv) and argv[place].startswith("-"):
        place += 2 if argv[place] in REPO_OPTIONS else 1
    before, words = argv[:place], argv[place:]
    if words and words[0] == "help":
        words = [*words[1:], "--help"]
    if words and words[0] in ISSUE_WORDS:
        words = words[1:]
        if not words or words[0].startswith("-"):
            words = [*(["list"] if "--help" not in words else []), *words]
        elif is_number(words[0]):
            words = ["view", *words]
    if words and is_number(words[0]):
        words = ["view", *words]
    if words:
        words = [ALIASES.get(words[0], words[0]), *words[1:]]
    if words == ["pr"]:
        words = ["pr", "list"]
    return [*before, *words]


def number(text: str) -> int:
    """Return the number in `42`, `#42`, `!42` or a link to an issue or a pull request."""
    digits = text.partition("#issuecomment-")[0].rstrip("/").rpartition("/")[2].lstrip("#!")
    if not (digits.isascii() and digits.isdecimal()) or int(digits) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of an issue or a pull request")
    return int(digits)


def is_number(text: str) -> bool:
    """Whether a word names an issue or a pull request."""
    try:
        number(text)
    except argparse.ArgumentTypeError:
        return False
    return True


def split(words: list[str]) -> list[str]:
    """Return the names in words that may hold several, with commas between them."""
    return [part.strip() for word in words for part in word.split(",") if part.strip()]


def count(text: str) -> int:
    """Return how many: a whole number, 0 for all."""
    if not (text.isascii() and text.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is no number (0 means all)")
    return int(text)
