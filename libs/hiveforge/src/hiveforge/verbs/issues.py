"""Verbs on issues, which work on pull requests too: view, comment, create, edit, assign, close, list."""

import argparse
from itertools import islice
from typing import Any

from hiveforge import show, texts
from hiveforge.client import Client
from hiveforge.command import Run, Verbs, count, number
from hiveforge.errors import Exit, ForgeError, misuse
from hiveforge.verbs.labels import label_ids
from hiveforge.verbs.milestones import milestone_id

Json = dict[str, Any]
SHOWN_COMMENTS = 30
SHOWN_ISSUES = 30


def register(verbs: Verbs) -> None:
    """Declare the verbs."""
    view = verbs.add(
        "view", run_view, "show an issue or PR: title, body and comments", "hive-forge view 42"
    )
    view.add_argument("number", type=number)
    view.add_argument(
        "--comments", metavar="HOW_MANY", default=str(SHOWN_COMMENTS),
        help=f"the last HOW_MANY comments, or `all` (default: {SHOWN_COMMENTS})",
    )  # fmt: skip

    comment = verbs.add(
        "comment", run_comment, "comment on an issue or PR",
        'hive-forge comment 42 --body "done in abc123"',
        "hive-forge comment 42 --body-file - <<EOF",
    )  # fmt: skip
    comment.add_argument("number", type=number)
    body_options(comment)

    create = verbs.add(
        "create", run_create, "open an issue",
        'hive-forge create --title "build fails" --body-file notes.md --label bug --assignee bob',
    )  # fmt: skip
    create.add_argument("-t", "--title", required=True)
    body_options(create)
    create.add_argument("-l", "--label", action="append", default=[])
    create.add_argument("-a", "--assignee", action="append", default=[])
    create.add_argument("--milestone")

    edit = verbs.add(
        "edit", run_edit, "change title, body or milestone of an issue or PR",
        'hive-forge edit 42 --title "a better title"',
    )  # fmt: skip
    edit.add_argument("number", type=number)
    edit.add_argument("-t", "--title")
    body_options(edit)
    edit.add_argument("--milestone", help="a title, or `none`")

    for name, run, summary in (
        ("assign", run_assign, "assign users to an issue or PR"),
        ("unassign", run_unassign, "take users off an issue or PR"),
    ):
        parser = verbs.add(name, run, summary, f"hive-forge {name} 42 damocles")
        parser.add_argument("number", type=number)
        parser.add_argument("user", nargs="+")

    for name, run, summary in (
        ("close", run_close, "close an issue or PR"),
        ("reopen", run_reopen, "open an issue or PR again"),
    ):
        parser = verbs.add(name, run, summary, f"hive-forge {name} 42")
        parser.add_argument("number", type=number)
        parser.add_argument("--comment", metavar="TEXT", help="say this first")

    listing = verbs.add(
        "list", run_list, "list issues", "hive-forge list --label bug --assignee alice"
    )
    filters(listing)
    search = verbs.add(
        "search", run_search, "find issues and PRs by words",
        'hive-forge search "build fails" --state all',
        "hive-forge search flake --everywhere",
    )  # fmt: skip
    search.add_argument("words", nargs="+")
    search.add_argument("--everywhere", action="store_true", help="in all repositories")
    filters(search, kind="all")


def body_options(parser: argparse.ArgumentParser) -> None:
    """Let a verb take a body as an argument, from a file, or from stdin."""
    parser.add_argument("-b", "--body", metavar="TEXT")
    parser.add_argument("-F", "--body-file", metavar="FILE", help="- reads stdin")


def filters(parser: argparse.ArgumentParser, kind: str = "issues") -> None:
    """Let a list be narrowed."""
    parser.add_argument("--state", choices=["open", "closed", "all"], default="open")
    parser.add_argument("-l", "--label", action="append", default=[])
    parser.add_argument("-a", "--assignee")
    parser.add_argument("--author")
    parser.add_argument("--milestone")
    parser.add_argument("--type", choices=["issues", "pulls", "all"], default=kind)
    parser.add_argument(
        "-L", "--limit", type=count, default=SHOWN_ISSUES,
        help=f"0 for all (default: {SHOWN_ISSUES})",
    )  # fmt: skip


def run_view(run: Run) -> Exit | None:
    """Show an issue with its last comments."""
    path = f"{run.client.repo}/issues/{run.args.number}"
    issue = run.client.get(path)
    comments = run.client.get(f"{path}/comments") if issue.get("comments") else []
    wanted = len(comments) if run.args.comments == "all" else _count(run.args.comments)
    shown = comments[-wanted:] if wanted else []
    text = show.issue_page(issue, shown, len(comments) - len(shown))
    run.out.show(text, {"issue": issue, "comments": shown})
    return None


def _count(text: str) -> int:
    try:
        return count(text)
    except argparse.ArgumentTypeError as error:
        raise misuse(f"--comments: {error}") from None


def say(client: Client, issue: int, body: str) -> Json:
    """Post a comment and make sure that it arrived whole."""
    made: Json = client.post(f"{client.repo}/issues/{issue}/comments", {"body": body})
    texts.verify_kept(body, made.get("body"))
    return made


def run_comment(run: Run) -> Exit | None:
    """Post a comment."""
    body = texts.required_body(run.args.body, run.args.body_file)
    made = say(run.client, run.args.number, body)
    run.out.show(f"commented: {show.line(made.get('html_url'))}", made)
    return None


def run_create(run: Run) -> Exit | None:
    """Open an issue."""
    client, args = run.client, run.args
    body = texts.body_of(args.body, args.body_file) or ""
    fields: Json = {"title": checked_title(args.title), "body": body}
    if args.label:
        fields["labels"] = label_ids(client, args.label)
    if args.assignee:
        fields["assignees"] = assignable(client, args.assignee)
    if args.milestone:
        fields["milestone"] = milestone_id(client, args.milestone)
    made = client.post(f"{client.repo}/issues", fields)
    texts.verify_kept(body, made.get("body"))
    run.out.show(f"#{made['number']} {show.line(made.get('html_url'))}", made)
    return None


def checked_title(title: str) -> str:
    """Return a title that can be sent: one line with something in it."""
    if not texts.check(title, "title").strip():
        raise misuse("the title is empty")
    if "\n" in title or "\r" in title:
        raise misuse("a title is one line", "put the rest into --body")
    return title


def run_edit(run: Run) -> Exit | None:
    """Change an issue."""
    client, args = run.client, run.args
    fields: Json = {}
    if args.title is not None:
        fields["title"] = checked_title(args.title)
    body = texts.body_of(args.body, args.body_file)
    if body is not None:
        fields["body"] = body
    if args.milestone:
        none = args.milestone == "none"
        fields["milestone"] = 0 if none else milestone_id(client, args.milestone)
    if not fields:
        raise misuse("what should change?", "give --title, --body, --body-file or --milestone")
    made = client.patch(f"{client.repo}/issues/{args.number}", fields)
    if body is not None:
        texts.verify_kept(body, made.get("body"))
    run.out.show(show.issue_line(made), made)
    return None


def assignable(client: Client, names: list[str]) -> list[str]:
    """Return the accounts as the forge writes them; raise when one cannot be assigned here.

    The forge itself answers an unknown name with an empty error 500.
    """
    able = {
        show.login(user).lower(): show.login(user)
        for user in client.get(f"{client.repo}/assignees")
    }
    for name in names:
        if name.lstrip("@").lower() not in able:
            raise ForgeError(
                f"not found: {name!r} cannot be assigned in {client.settings.repo}",
                Exit.NOT_FOUND, hint="assignable: " + ", ".join(sorted(able.values())),
            )  # fmt: skip
    return [able[name.lstrip("@").lower()] for name in names]


def _assign(run: Run, wanted: list[str], issue: Json) -> None:
    made = run.client.patch(f"{run.client.repo}/issues/{run.args.number}", {"assignees": wanted})
    if (
        set(show.logins(made.get("assignees")))
        == set(show.logins(issue.get("assignees")))
        != set(wanted)
    ):
        raise ForgeError(
            "no permission: the forge left the assignees as they were", Exit.REFUSED,
            hint="assigning takes write access to the repository",
        )  # fmt: skip
    run.out.show(show.issue_line(made), made)


def run_assign(run: Run) -> Exit | None:
    """Add assignees."""
    issue = run.client.get(f"{run.client.repo}/issues/{run.args.number}")
    names = assignable(run.client, run.args.user)
    _assign(run, list(dict.fromkeys([*show.logins(issue.get("assignees")), *names])), issue)
    return None


def run_unassign(run: Run) -> Exit | None:
    """Remove assignees."""
    issue = run.client.get(f"{run.client.repo}/issues/{run.args.number}")
    gone = {name.lstrip("@").lower() for name in run.args.user}
    there = show.logins(issue.get("assignees"))
    if missing := gone - {name.lower() for name in there}:
        raise ForgeError(
            f"not found: {', '.join(sorted(missing))} is not assigned to #{run.args.number}",
            Exit.NOT_FOUND, hint=f"assigned: {', '.join(there) or 'nobody'}",
        )  # fmt: skip
    _assign(run, [name for name in there if name.lower() not in gone], issue)
    return None


def _set_state(run: Run, state: str) -> Exit | None:
    body = run.args.comment
    if body is not None:
        say(run.client, run.args.number, texts.required_body(body, None))
    path = f"{run.client.repo}/issues/{run.args.number}"
    made = run.client.patch(path, {"state": state})
    run.out.show(show.issue_line(made), made)
    return None


def run_close(run: Run) -> Exit | None:
    """Close."""
    return _set_state(run, "closed")


def run_reopen(run: Run) -> Exit | None:
    """Reopen."""
    return _set_state(run, "open")


def _query(args: argparse.Namespace) -> dict[str, str | int | None]:
    return {
        "state": args.state,
        "type": None if args.type == "all" else args.type,
        "labels": ",".join(args.label),
        "assigned_by": args.assignee,
        "created_by": args.author,
        "milestones": args.milestone,
    }


def _list(run: Run, path: str, query: dict[str, str | int | None], *, with_repo: bool) -> None:
    limit = run.args.limit
    issues = run.client.pages(path, query)
    shown = list(islice(issues, limit)) if limit else list(issues)
    rest = next(issues, None) is not None if limit else False
    lines = [show.issue_line(issue, with_repo=with_repo) for issue in shown]
    run.out.show("\n".join(lines) or "(none)", shown)
    if rest:
        run.out.note(f"(the first {limit}; --limit 0 shows all)")


def run_list(run: Run) -> Exit | None:
    """List issues of the repository."""
    _list(run, f"{run.client.repo}/issues", _query(run.args), with_repo=False)
    return None


def run_search(run: Run) -> Exit | None:
    """Find issues by words."""
    query = {**_query(run.args), "q": " ".join(run.args.words)}
    if not run.args.everywhere:
        _list(run, f"{run.client.repo}/issues", query, with_repo=False)
        return None
    if run.args.assignee or run.args.author:
        raise misuse("--assignee and --author narrow a search of one repository only")
    _list(run, "/repos/issues/search", query, with_repo=True)
    return None
