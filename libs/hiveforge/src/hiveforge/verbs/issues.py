"""Verbs that change issues, and pull requests too: comment, create, edit, assign, close."""

import argparse
from typing import Any

from hiveforge import show, texts
from hiveforge.client import Client
from hiveforge.command import Run, Verbs, number, split
from hiveforge.errors import Exit, ForgeError, misuse
from hiveforge.verbs.labels import change_labels, label_ids
from hiveforge.verbs.milestones import milestone_id

Json = dict[str, Any]


def register(verbs: Verbs) -> None:
    """Declare the verbs."""
    comment = verbs.add(
        "comment", run_comment, "comment on an issue or PR",
        'hive-forge comment 42 --body "done in abc123"',
        "hive-forge comment 42 --body-file - <<'EOF'",
    )  # fmt: skip
    comment_options(comment)

    create = verbs.add(
        "create", run_create, "open an issue",
        'hive-forge create --title "build fails" --body-file notes.md --label bug --assignee bob',
    )  # fmt: skip
    create.add_argument("-t", "--title", required=True)
    body_options(create)
    create.add_argument("-l", "--label", action="append", default=[])
    create.add_argument("-a", "--assignee", action="append", default=[], help="a name, or @me")
    create.add_argument("--milestone", help="its title")

    edit = verbs.add(
        "edit", run_edit, "change title, body, labels, assignees or milestone of an issue or PR",
        'hive-forge edit 42 --title "a better title"', "hive-forge edit 42 --add-label bug",
    )  # fmt: skip
    edit_options(edit)

    for name, run, summary in (
        ("assign", run_assign, "assign users to an issue or PR"),
        ("unassign", run_unassign, "take users off an issue or PR"),
    ):
        parser = verbs.add(name, run, summary, f"hive-forge {name} 42 damocles")
        parser.add_argument("number", type=number)
        parser.add_argument("user", nargs="+", help="a name, or @me")

    for name, run, summary in (
        ("close", run_close, "close an issue or PR"),
        ("reopen", run_reopen, "open an issue or PR again"),
    ):
        parser = verbs.add(name, run, summary, f"hive-forge {name} 42")
        parser.add_argument("number", type=number)
        parser.add_argument("-c", "--comment", metavar="TEXT", help="say this first")


def body_options(parser: argparse.ArgumentParser) -> None:
    """Let a verb take a body as an argument, from a file, or from stdin."""
    parser.add_argument("-b", "--body", metavar="TEXT")
    parser.add_argument("-F", "--body-file", metavar="FILE", help="- reads stdin")


def comment_options(parser: argparse.ArgumentParser) -> None:
    """Let a verb comment; tea's users give the text behind the number."""
    parser.add_argument("number", type=number)
    parser.add_argument("text", nargs="?", metavar="TEXT", help="the same as --body TEXT")
    body_options(parser)


def edit_options(parser: argparse.ArgumentParser) -> None:
    """Let a verb change an issue or a pull request."""
    parser.add_argument("number", type=number)
    parser.add_argument("-t", "--title")
    body_options(parser)
    parser.add_argument("--milestone", help="a title, or `none`")
    for what, name in (("label", "LABEL"), ("assignee", "NAME")):
        parser.add_argument(f"--add-{what}", action="append", default=[], metavar=name)
        parser.add_argument(f"--remove-{what}", action="append", default=[], metavar=name)


def say(client: Client, issue: int, body: str) -> Json:
    """Post a comment and make sure that it arrived whole."""
    made: Json = client.post(f"{client.repo}/issues/{issue}/comments", {"body": body})
    texts.verify_kept(body, made.get("body"))
    return made


def run_comment(run: Run) -> Exit | None:
    """Post a comment."""
    args = run.args
    if args.text is not None and args.body is not None:
        raise misuse("the text was given twice", "give it behind the number or with --body")
    body = texts.required_body(args.text if args.body is None else args.body, args.body_file)
    made = say(run.client, run.args.number, body)
    run.out.show(f"commented: {show.line(made.get('html_url'))}", made)
    return None


def run_create(run: Run) -> Exit | None:
    """Open an issue."""
    client, args = run.client, run.args
    body = texts.body_of(args.body, args.body_file) or ""
    fields: Json = {"title": checked_title(args.title), "body": body}
    if args.label:
        fields["labels"] = label_ids(client, split(args.label))
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
    """Change an issue; whatever is named must exist before anything is changed."""
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
    gains, losses = split(args.add_label), split(args.remove_label)
    if not (fields or gains or losses or args.add_assignee or args.remove_assignee):
        raise misuse(
            "what should change?",
            "give --title, --body, --body-file, --milestone, --add-label, --add-assignee, …",
        )
    path = f"{client.repo}/issues/{args.number}"
    issue = client.get(path)
    if args.add_assignee or args.remove_assignee:
        gone = _assigned(client, issue, args.remove_assignee) if args.remove_assignee else []
        there = [*show.logins(issue.get("assignees")), *assignable(client, args.add_assignee)]
        fields["assignees"] = [name for name in dict.fromkeys(there) if name not in gone]
    for action, names in (("add", gains), ("remove", losses)):
        if names:
            change_labels(client, args.number, action, names)
    made = client.patch(path, fields) if fields else client.get(path)
    if body is not None:
        texts.verify_kept(body, made.get("body"))
    run.out.show(show.issue_line(made), made)
    return None


def whoever(client: Client, name: str | None) -> str | None:
    """Return an account's name as the forge has it: without the @, and `@me` is our own."""
    if name == "@me":
        return show.login(client.get("/user"))
    return name.lstrip("@") if name else None


def assignable(client: Client, names: list[str]) -> list[str]:
    """Return the accounts as the forge writes them; raise when one cannot be assigned here.

    The forge itself answers an unknown name with an empty error 500.
    """
    if not names:
        return []
    return known_accounts(client, names, "assignees", "assigned")


def known_accounts(client: Client, names: list[str], where: str, what: str) -> list[str]:
    """Return the accounts as the forge writes them; raise when one is not among those of `where`."""
    able = {
        show.login(user).lower(): show.login(user)
        for user in client.get(f"{client.repo}/{where}") or []
    }
    wanted = [whoever(client, name) or "" for name in split(names)]
    for name in wanted:
        if name.lower() not in able:
            raise ForgeError(
                f"not found: {name!r} cannot be {what} in {client.settings.repo}",
                Exit.NOT_FOUND, hint="can be: " + (", ".join(sorted(able.values())) or "nobody"),
            )  # fmt: skip
    return [able[name.lower()] for name in wanted]


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
    gone = _assigned(run.client, issue, run.args.user)
    left = [name for name in show.logins(issue.get("assignees")) if name not in gone]
    _assign(run, left, issue)
    return None


def _assigned(client: Client, issue: Json, names: list[str]) -> list[str]:
    """Return the accounts as the forge writes them; raise when one is not assigned to the issue."""
    there = {name.lower(): name for name in show.logins(issue.get("assignees"))}
    gone = [str(whoever(client, name)).lower() for name in split(names)]
    if missing := [name for name in gone if name not in there]:
        raise ForgeError(
            f"not found: {', '.join(missing)} is not assigned to #{issue.get('number')}",
            Exit.NOT_FOUND, hint=f"assigned: {', '.join(there.values()) or 'nobody'}",
        )  # fmt: skip
    return [there[name] for name in gone]


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
