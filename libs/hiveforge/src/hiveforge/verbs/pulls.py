"""The verb `pr`: pull requests as JSON, and what is done with them."""

import argparse
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

from hiveforge import show, texts
from hiveforge.checkout import current_branch
from hiveforge.client import MAX_PAGES, PAGE, Client
from hiveforge.command import Parser, Run, Verbs, is_number, number, split
from hiveforge.errors import Exit, ForgeError, misuse
from hiveforge.verbs import issues, lists
from hiveforge.verbs.labels import label_ids
from hiveforge.verbs.milestones import milestone_id

Json = dict[str, Any]
BAD = {"failure", "error"}
STYLES = {"merge": "merge", "squash": "squash", "rebase": "rebase", "ff_only": "fast-forward-only"}
# The forge looks for conflicts in the background after a push, and says «Please try again later».
MERGE_TRIES = 6
MERGE_WAIT_S = 1.0
RESOLVE = "bring the base branch into it, resolve the conflicts, push, try again"


def register(verbs: Verbs) -> None:
    """Declare the verb with its own verbs."""
    pr = verbs.add(
        "pr", run_view, "show a PR as JSON; create, list, diff, checks, review, merge, edit, close",
        "hive-forge pr 42", 'hive-forge pr create --title "fix" --head my-branch --body-file -',
        "hive-forge pr diff 42", "hive-forge pr review 42 --approve", "hive-forge pr merge 42 --squash",
        "hive-forge pr create --help",
    )  # fmt: skip
    pr.usage = (
        "hive-forge [-r OWNER/REPO] pr NUMBER\n"
        "       hive-forge pr create|list|view|diff|checks|review|merge|edit|comment|close|reopen …"
    )
    pr.add_argument("words", nargs=argparse.REMAINDER, metavar="NUMBER | ACTION …")
    pr.set_defaults(resolve=resolve)


def _actions() -> dict[str, tuple[Callable[[Run], Exit | None], Parser]]:
    made: dict[str, tuple[Callable[[Run], Exit | None], Parser]] = {}

    def add(name: str, run: Callable[[Run], Exit | None], summary: str, example: str) -> Parser:
        parser = Parser(
            prog=f"hive-forge pr {name}", description=summary, epilog=f"example:\n  {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False,
        )  # fmt: skip
        parser.add_argument("-r", "--repo", metavar="OWNER/REPO", default=argparse.SUPPRESS)
        parser.add_argument("--json", action="store_true", default=argparse.SUPPRESS)
        made[name] = (run, parser)
        return parser

    numbered = {
        "view": (run_view, "Show a pull request as JSON.", "hive-forge pr view 42"),
        "diff": (run_diff, "Print the diff.", "hive-forge pr diff 42"),
        "checks": (
            run_checks,
            "Show the checks of the head commit. Ends with 1 if one failed, 7 if one has not ended.",
            "hive-forge pr checks 42",
        ),
        "review": (run_review, "Review a pull request.", "hive-forge pr review 42 --approve"),
        "merge": (run_merge, "Merge a pull request.", "hive-forge pr merge 42 --squash"),
        "close": (issues.run_close, "Close without merging.", "hive-forge pr close 42"),
        "reopen": (issues.run_reopen, "Open again.", "hive-forge pr reopen 42"),
    }
    for name, (run, summary, example) in numbered.items():
        add(name, run, summary, example).add_argument("number", type=number)
    _review_options(made["review"][1])
    _merge_options(made["merge"][1])
    comment = add("comment", issues.run_comment, "Comment.", 'hive-forge pr comment 42 --body "…"')
    issues.comment_options(comment)
    for name in ("close", "reopen"):
        made[name][1].add_argument("-c", "--comment", metavar="TEXT", help="say this first")
    listing = add("list", run_list, "List pull requests.", "hive-forge pr list --author @me")
    lists.filters(listing, kind="pulls")
    listing.add_argument("-H", "--head", metavar="BRANCH")
    listing.add_argument("-B", "--base", metavar="BRANCH")
    edit = add(
        "edit", issues.run_edit, "Change title, body, labels, assignees or milestone.",
        "hive-forge pr edit 42 --add-label bug",
    )  # fmt: skip
    issues.edit_options(edit)
    _create_options(
        add(
            "create",
            run_create,
            "Open a pull request.",
            'hive-forge pr create --title "fix" --head b',
        )
    )
    return made


def parsers() -> dict[str, Parser]:
    """Return the parser of each action."""
    return {name: parser for name, (_, parser) in _actions().items()}


def _review_options(parser: Parser) -> None:
    verdict = parser.add_mutually_exclusive_group(required=True)
    verdict.add_argument("-a", "--approve", action="store_const", dest="event", const="APPROVED")
    verdict.add_argument(
        "--request-changes", action="store_const", dest="event", const="REQUEST_CHANGES"
    )
    verdict.add_argument("-c", "--comment", action="store_const", dest="event", const="COMMENT")
    issues.body_options(parser)


def _merge_options(parser: Parser) -> None:
    style = parser.add_mutually_exclusive_group()
    for name in STYLES:
        option = "--" + name.replace("_", "-")
        style.add_argument(option, action="store_const", dest="style", const=name)
    parser.add_argument("-m", "--message", metavar="TEXT", help="title of the merge commit")
    parser.add_argument("-d", "--delete-branch", action="store_true")


def _create_options(parser: Parser) -> None:
    parser.add_argument("-t", "--title", required=True)
    issues.body_options(parser)
    parser.add_argument(
        "-H", "--head", metavar="BRANCH", help="default: the branch checked out here"
    )
    parser.add_argument("-B", "--base", metavar="BRANCH", help="default: the default branch")
    parser.add_argument("-d", "--draft", action="store_true")
    parser.add_argument("--reviewer", action="append", default=[])
    parser.add_argument("-a", "--assignee", action="append", default=[])
    parser.add_argument("-l", "--label", action="append", default=[])
    parser.add_argument("--milestone")


def normalise(words: list[str]) -> list[str]:
    """Return the words with the action first: `42` is `view 42`, `42 diff` is `diff 42`."""
    if words and is_number(words[0]):
        if len(words) > 1 and not words[1].startswith("-"):
            return [words[1], words[0], *words[2:]]
        return ["view", *words]
    return words


def resolve(args: argparse.Namespace) -> None:
    """Parse the words behind `pr`, and make the action that they name the verb to run."""
    actions = _actions()
    words = normalise(args.words)
    if not words or words[0] not in actions:
        said = f"{words[0]!r} is nothing that pr can do" if words else "pr what?"
        raise misuse(said, f"a number, or one of: {', '.join(actions)}")
    act, parser = actions[words[0]]
    parser.parse_args(words[1:], args)
    args.run = act


def _get(client: Client, pull: int) -> Json:
    found: Json = client.get(f"{client.repo}/pulls/{pull}")
    return found


def run_view(run: Run) -> Exit | None:
    """Print a pull request as JSON: what matters of it, or all with `--json`."""
    pull = _get(run.client, run.args.number)
    if run.out.json:
        run.out.show("", pull)
        return None
    reviews = run.client.pages(f"{run.client.repo}/pulls/{run.args.number}/reviews")
    run.out.show(show.as_json(show.pull_facts(pull, reviews)), pull)
    return None


def run_diff(run: Run) -> Exit | None:
    """Print the diff as it is."""
    answer = run.client.request("GET", f"{run.client.repo}/pulls/{run.args.number}.diff")
    run.out.raw(answer.body)
    return None


def run_checks(run: Run) -> Exit | None:
    """Show the checks; the status tells how they stand."""
    sha = (_get(run.client, run.args.number).get("head") or {}).get("sha", "")
    checks = list(_checks(run.client, sha))
    lines = [
        "  ".join(
            show.line(check.get(key)) for key in ("status", "context", "description", "target_url")
        ).rstrip()
        for check in checks
    ]
    run.out.show("\n".join(lines) or "(no checks)", {"sha": sha, "statuses": checks})
    states = {check.get("status") for check in checks}
    if states & BAD:
        return Exit.FAILED
    return Exit.PENDING if "pending" in states else None


def _checks(client: Client, sha: str) -> Iterator[Json]:
    """Yield the last state of each check; what the forge says of them all is of one page alone."""
    seen: set[str] = set()
    for page in range(1, MAX_PAGES + 1):
        query = {"limit": PAGE, "page": page}
        found = client.get(f"{client.repo}/commits/{sha}/status", query) or {}
        fresh = [each for each in found.get("statuses") or [] if each.get("context") not in seen]
        yield from fresh
        seen.update(str(each.get("context")) for each in fresh)
        if not fresh:
            return


def run_review(run: Run) -> Exit | None:
    """Give a verdict."""
    body = texts.body_of(run.args.body, run.args.body_file) or ""
    if not body.strip() and run.args.event != "APPROVED":
        raise misuse("say why", "give --body TEXT, or --body-file FILE (- is stdin)")
    path = f"{run.client.repo}/pulls/{run.args.number}/reviews"
    made = run.client.post(path, {"event": run.args.event, "body": body})
    texts.verify_kept(body, made.get("body"))
    run.out.show(f"{show.line(made.get('state'))}: {show.line(made.get('html_url'))}", made)
    return None


def run_merge(run: Run) -> Exit | None:
    """Merge, waiting a few seconds for the forge to know whether it can."""
    client, args = run.client, run.args
    fields: Json = {
        "Do": STYLES[args.style or "merge"],
        "delete_branch_after_merge": args.delete_branch,
    }
    if args.message:
        title = texts.check(args.message, "message")
        fields |= {
            "merge_title_field": title,
            "MergeTitleField": title,
        }  # Gitea's and Forgejo's word
    path = f"{client.repo}/pulls/{args.number}/merge"
    for last in [*[False] * (MERGE_TRIES - 1), True]:
        try:
            client.post(path, fields)
            break
        except ForgeError as error:
            if error.message.lower().startswith("conflict ("):
                error.hint = RESOLVE
            if "try again later" not in error.message.lower():
                raise
            if last:
                raise ForgeError(
                    f"conflict: #{args.number} cannot be merged as it is", Exit.CONFLICT,
                    hint=RESOLVE,
                ) from None  # fmt: skip
            time.sleep(MERGE_WAIT_S)
    pull = _get(client, args.number)
    run.out.show(f"merged: #{args.number} as {show.line(pull.get('merge_commit_sha'))}", pull)
    return None


def run_list(run: Run) -> Exit | None:
    """List pull requests; the forge itself narrows them by their state alone."""
    client, args = run.client, run.args
    author = issues.whoever(client, args.author)
    assignee = issues.whoever(client, args.assignee)
    found = client.pages(f"{client.repo}/pulls", {"state": args.state})
    chosen = (
        pull for pull in lists.narrowed(found, args)
        if author in {None, show.login(pull.get("user"))}
        and (assignee is None or assignee in show.logins(pull.get("assignees")))
        and args.head in {None, (pull.get("head") or {}).get("ref")}
        and args.base in {None, (pull.get("base") or {}).get("ref")}
    )  # fmt: skip
    lists.show_list(run, chosen)
    return None


def _need_branch(client: Client, branch: str) -> None:
    """Raise when the forge has no such branch; one of a fork is not looked for."""
    if ":" in branch:
        return
    try:
        client.get(f"{client.repo}/branches/{quote(branch)}")
    except ForgeError as error:
        if error.status is Exit.NOT_FOUND:
            raise ForgeError(
                f"not found: {branch!r} is no branch on the forge",
                Exit.NOT_FOUND,
                hint="push first",
            ) from None


def run_create(run: Run) -> Exit | None:
    """Open a pull request."""
    client, args = run.client, run.args
    body = texts.body_of(args.body, args.body_file) or ""
    title = issues.checked_title(args.title)
    head = args.head or current_branch()
    if not head:
        raise misuse("which branch?", "give --head BRANCH; here is no checkout on a branch")
    fields: Json = {"title": f"WIP: {title}" if args.draft else title, "body": body, "head": head}
    fields["base"] = args.base or client.get(client.repo)["default_branch"]
    if args.label:
        fields["labels"] = label_ids(client, split(args.label))
    if args.assignee:
        fields["assignees"] = issues.assignable(client, args.assignee)
    if args.milestone:
        fields["milestone"] = milestone_id(client, args.milestone)
    reviewers = (
        issues.known_accounts(client, args.reviewer, "reviewers", "asked for a review")
        if args.reviewer else []
    )  # fmt: skip
    try:
        made = client.post(f"{client.repo}/pulls", fields)
    except ForgeError as error:
        # One forge answers a branch that it does not have with 404, another with an error inside.
        if error.status in {Exit.NOT_FOUND, Exit.FAILED}:
            for branch in (fields["base"], head):
                _need_branch(client, branch)
        raise
    run.out.show(f"#{made['number']} {show.line(made.get('html_url'))}", made)
    texts.verify_kept(body, made.get("body"))
    if reviewers:
        asked = f"{client.repo}/pulls/{made['number']}/requested_reviewers"
        client.post(asked, {"reviewers": reviewers})
    return None
