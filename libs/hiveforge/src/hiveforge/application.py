"""One run of `hive-forge`: parse, ask, print, and end with a status that scripts can use."""

import sys
from collections.abc import Mapping
from contextlib import closing

from hiveforge.client import Client
from hiveforge.command import Output, Run, Verb, Verbs, bind_texts, translate
from hiveforge.errors import MEANINGS, Exit, ForgeError
from hiveforge.settings import read_settings
from hiveforge.show import line
from hiveforge.verbs import (
    basics,
    code,
    issues,
    labels,
    lists,
    milestones,
    notifications,
    pulls,
    releases,
    view,
)

SUBJECTS = (view, issues, lists, labels, milestones, pulls, code, releases, notifications, basics)


def make_verbs() -> Verbs:
    """Return the whole command line."""
    verbs = Verbs()
    for subject in SUBJECTS:
        subject.register(verbs)
    statuses = "\n".join(f"  {status.value}  {meaning}" for status, meaning in MEANINGS.items())
    verbs.parser.epilog = (
        f"`hive-forge VERB --help` shows a verb's whole signature.\n\nexit status:\n{statuses}"
    )
    return verbs


def run(argv: list[str], environ: Mapping[str, str]) -> int:
    """Run the command and return its exit status; errors are one line each on stderr."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]
    try:
        return int(_run(argv, environ) or Exit.DONE)
    except ForgeError as error:
        said = "; ".join(filter(None, (line(error.message), line(error.hint))))
        print(f"hive-forge: {said}", file=sys.stderr)  # noqa: T201 - the last word
        return int(error.status)
    except BrokenPipeError:
        return int(Exit.FAILED)


def _run(argv: list[str], environ: Mapping[str, str]) -> Exit | None:
    verbs = make_verbs()
    args = verbs.parser.parse_args(translate(bind_texts(argv)))
    if "offline" in args:
        args.offline(args)
        return None
    if "resolve" in args:
        args.resolve(args)
    verb: Verb = args.run
    with closing(Client(read_settings(environ, args.repo))) as client:
        return verb(Run(client, args, Output(args.json)))
