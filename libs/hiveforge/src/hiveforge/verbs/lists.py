"""The verbs `list` and `search`, which narrow what the forge has."""

import argparse
from collections.abc import Iterator
from itertools import islice
from typing import Any

from hiveforge import show
from hiveforge.client import Client, Query
from hiveforge.command import Run, Verbs, count, split
from hiveforge.errors import Exit, misuse
from hiveforge.verbs.issues import whoever
from hiveforge.verbs.labels import label_names
from hiveforge.verbs.milestones import find_milestone

Json = dict[str, Any]
SHOWN_ISSUES = 30


def register(verbs: Verbs) -> None:
    """Declare the verbs."""
    listing = verbs.add(
        "list", run_list, "list issues", "hive-forge list --label bug --assignee @me",
        "hive-forge list --type all --state closed --limit 0",
    )  # fmt: skip
    filters(listing)
    search = verbs.add(
        "search", run_search, "find issues and PRs by words",
        'hive-forge search "build fails" --state all',
        "hive-forge search flake --everywhere",
    )  # fmt: skip
    search.add_argument("words", nargs="+")
    search.add_argument("--everywhere", action="store_true", help="in all repositories")
    filters(search, kind="all")


def filters(parser: argparse.ArgumentParser, kind: str = "issues") -> None:
    """Let a list be narrowed."""
    parser.add_argument(
        "-s", "--state", choices=["open", "closed", "all"], default="open", help="default: open"
    )
    parser.add_argument(
        "-l", "--label", action="append", default=[], help="all of them, if several"
    )
    parser.add_argument("-a", "--assignee", help="a name, or @me")
    parser.add_argument("-A", "--author", help="a name, or @me")
    parser.add_argument("--milestone", help="its title")
    if kind != "pulls":
        parser.add_argument("--type", choices=["issues", "pulls", "all"], default=kind)
    else:
        parser.set_defaults(type=kind)
    parser.add_argument(
        "-L", "--limit", type=count, default=SHOWN_ISSUES,
        help=f"0 for all (default: {SHOWN_ISSUES})",
    )  # fmt: skip


def _query(client: Client, args: argparse.Namespace, *, known: bool) -> dict[str, str | None]:
    """Return what is asked; a label or milestone that is not `known` would widen the forge's answer."""
    labels, milestone = split(args.label), args.milestone
    if known:
        labels = label_names(client, labels) if labels else []
        milestone = find_milestone(client, milestone)["title"] if milestone else None
        args.label, args.milestone = labels, milestone
    return {
        "state": args.state,
        "type": None if args.type == "all" else args.type,
        "labels": ",".join(labels),
        "assigned_by": whoever(client, args.assignee),
        "created_by": whoever(client, args.author),
        "milestones": milestone,
    }


def narrowed(issues: Iterator[Json], args: argparse.Namespace) -> Iterator[Json]:
    """Yield the issues with all the labels and the milestone that were asked for.

    The forge passes over a label that is the organisation's, and cuts a title at its commas.
    """
    wanted = {name.lower() for name in split(args.label)}
    for issue in issues:
        labels = {str(label.get("name")).lower() for label in issue.get("labels") or []}
        title = (issue.get("milestone") or {}).get("title")
        if wanted <= labels and args.milestone in {None, title}:
            yield issue


def show_list(run: Run, found: Iterator[Json], *, with_repo: bool = False) -> None:
    """Print the first of what was found, and say whether there is more."""
    limit = run.args.limit
    shown = list(islice(found, limit) if limit else found)
    rest = next(found, None) is not None if limit else False
    lines = [show.issue_line(issue, with_repo=with_repo) for issue in shown]
    run.out.show("\n".join(lines) or "(none)", shown)
    if rest:
        run.out.note(f"(the first {limit}; --limit 0 shows all)")


def _list(run: Run, path: str, query: Query, *, with_repo: bool = False) -> None:
    show_list(run, narrowed(run.client.pages(path, query), run.args), with_repo=with_repo)


def run_list(run: Run) -> Exit | None:
    """List issues of the repository."""
    _list(run, f"{run.client.repo}/issues", _query(run.client, run.args, known=True))
    return None


def run_search(run: Run) -> Exit | None:
    """Find issues by words."""
    words, here = " ".join(run.args.words), not run.args.everywhere
    if not here and (run.args.assignee or run.args.author):
        raise misuse("--assignee and --author narrow a search of one repository only")
    query = {**_query(run.client, run.args, known=here), "q": words}
    if here:
        _list(run, f"{run.client.repo}/issues", query)
    else:
        _list(run, "/repos/issues/search", query, with_repo=True)
    return None
