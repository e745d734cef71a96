"""The verb `view`: an issue or a pull request with all that was said."""

import argparse
from typing import Any

from hiveforge import show
from hiveforge.client import Client
from hiveforge.command import Run, Verbs, count, number
from hiveforge.errors import Exit, misuse

Json = dict[str, Any]
SHOWN_COMMENTS = 30


def register(verbs: Verbs) -> None:
    """Declare the verb."""
    view = verbs.add(
        "view", run_view, "show an issue or PR: title, body, comments and reviews",
        "hive-forge view 42", "hive-forge view 42 --comments all",
    )  # fmt: skip
    view_options(view)


def view_options(parser: argparse.ArgumentParser) -> None:
    """Let a verb show an issue."""
    parser.add_argument("number", type=number)
    parser.add_argument(
        "--comments", metavar="HOW_MANY", nargs="?", const="all", default=str(SHOWN_COMMENTS),
        help=f"the last HOW_MANY comments, or `all` (default: {SHOWN_COMMENTS})",
    )  # fmt: skip


def run_view(run: Run) -> Exit | None:
    """Show an issue with what was said last."""
    path = f"{run.client.repo}/issues/{run.args.number}"
    wanted = None if run.args.comments == "all" else _count(run.args.comments)
    issue = run.client.get(path)
    comments = list(run.client.get(f"{path}/comments") or []) if issue.get("comments") else []
    said = [
        *((str(each.get("created_at")), show.comment_lines(each)) for each in comments),
        *_reviews(run.client, run.args.number, issue),
    ]
    said.sort(key=lambda each: each[0])
    shown = said if wanted is None else said[len(said) - min(wanted, len(said)) :]
    text = show.issue_page(issue, [lines for _, lines in shown], len(said) - len(shown))
    last = comments if wanted is None else comments[len(comments) - min(wanted, len(comments)) :]
    run.out.show(text, {"issue": issue, "comments": last})
    return None


def _reviews(client: Client, number: int, issue: Json) -> list[tuple[str, list[str]]]:
    """Return the reviews of a pull request with their moments; what they say of code comes with them."""
    if not issue.get("pull_request"):
        return []
    path = f"{client.repo}/pulls/{number}/reviews"
    found = []
    for review in client.pages(path):
        code: list[Json] = []
        if review.get("comments_count"):
            code = client.get(f"{path}/{review['id']}/comments") or []
        if review.get("body") or code or review.get("state") not in {"COMMENT", "PENDING"}:
            found.append((str(review.get("submitted_at")), show.review_lines(review, code)))
    return found


def _count(text: str) -> int:
    try:
        return count(text)
    except argparse.ArgumentTypeError as error:
        raise misuse(f"--comments: {error}") from None
