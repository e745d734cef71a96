"""What is printed: short lines for a reader, or the forge's JSON. Whatever others wrote is hostile."""

import json
import re
from collections.abc import Iterable
from typing import Any

Json = dict[str, Any]

# Terminal control is not for strangers' texts; C1 codes count, newline and tab may stay.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def clean(text: object) -> str:
    """Return a text with its control characters made visible, line endings unified."""
    plain = str(text if text is not None else "").replace("\r\n", "\n")
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", plain)


def line(text: object) -> str:
    """Return a text as one line."""
    return " ".join(clean(text).split())


def indented(text: object) -> str:
    """Return a text two columns in, so that nothing in it can pass for a heading of ours."""
    return "\n".join(f"  {each}" if each else "" for each in clean(text).split("\n")).rstrip()


def as_json(value: object) -> str:
    """Return a value as JSON that is read easily and stays small."""
    return json.dumps(value, ensure_ascii=False, indent=1)


def login(user: Json | None) -> str:
    """Return an account's name."""
    return line(user.get("login")) if user else "(nobody)"


def logins(users: Iterable[Json] | None) -> list[str]:
    """Return the names of accounts."""
    return [login(user) for user in users or []]


def day(moment: object) -> str:
    """Return a moment to the minute."""
    return line(moment)[:16].replace("T", " ")


def state(issue: Json) -> str:
    """Return the state of an issue or a pull request in a word."""
    pull = issue.get("pull_request") or {}
    if issue.get("merged") or pull.get("merged"):
        return "merged"
    if issue.get("draft") or pull.get("draft"):
        return "draft" if issue.get("state") == "open" else line(issue.get("state"))
    return line(issue.get("state"))


def issue_line(issue: Json, *, with_repo: bool = False) -> str:
    """Return an issue in one line."""
    repo = line((issue.get("repository") or {}).get("full_name")) if with_repo else ""
    parts = [f"{repo}#{issue.get('number')}", state(issue), line(issue.get("title"))]
    if issue.get("pull_request") or "merged" in issue:
        parts.insert(2, "PR")
    if labels := issue.get("labels"):
        parts.append("[" + ", ".join(line(label.get("name")) for label in labels) + "]")
    parts += [f"@{name}" for name in logins(issue.get("assignees"))]
    return "  ".join(parts)


def issue_page(issue: Json, said: Iterable[list[str]], omitted: int) -> str:
    """Return an issue with what was said on it, each as lines."""
    kind = "PR" if issue.get("pull_request") else "issue"
    facts = [f"by {login(issue.get('user'))} {day(issue.get('created_at'))}"]
    if labels := issue.get("labels"):
        facts.append("labels: " + ", ".join(line(label.get("name")) for label in labels))
    if names := logins(issue.get("assignees")):
        facts.append("assigned: " + ", ".join(names))
    if milestone := issue.get("milestone"):
        facts.append(f"milestone: {line(milestone.get('title'))}")
    parts = [
        f"#{issue.get('number')} {line(issue.get('title'))} ({state(issue)} {kind})",
        " · ".join(facts),
        line(issue.get("html_url")),
        *[f"file: {line(each.get('browser_download_url'))}" for each in issue.get("assets") or []],
        "",
        indented(issue.get("body")) or "  (no description)",
    ]
    if omitted:
        parts += ["", f"({omitted} earlier comments: --comments all)"]
    for lines in said:
        parts += ["", *lines]
    return "\n".join(parts)


def comment_lines(comment: Json) -> list[str]:
    """Return a comment with its heading."""
    who, moment = login(comment.get("user")), day(comment.get("created_at"))
    heading = f"comment {comment.get('id')} by {who} {moment}"
    files = [
        f"file: {line(each.get('browser_download_url'))}" for each in comment.get("assets") or []
    ]
    return [heading, indented(comment.get("body")), *files]


def review_lines(review: Json, code: Iterable[Json]) -> list[str]:
    """Return a review with its heading, and what it says on lines of code."""
    who, moment = login(review.get("user")), day(review.get("submitted_at"))
    verdict = line(review.get("state")).lower().replace("_", " ")
    parts = [f"review {review.get('id')} by {who} {moment}: {verdict}"]
    if review.get("body"):
        parts.append(indented(review["body"]))
    for each in code:
        place = f"{line(each.get('path'))}:{each.get('position') or each.get('original_position')}"
        parts += [f"  {place} by {login(each.get('user'))}", indented(indented(each.get("body")))]
    return parts


def pull_facts(pull: Json, reviews: Iterable[Json]) -> Json:
    """Return what matters of a pull request; the API's own answer repeats two repositories whole."""
    base, head = pull.get("base") or {}, pull.get("head") or {}
    return {
        "number": pull.get("number"),
        "title": pull.get("title"),
        "state": state(pull),
        "draft": bool(pull.get("draft")),
        "mergeable": pull.get("mergeable"),
        "merged": pull.get("merged"),
        "author": login(pull.get("user")),
        "head": head.get("label"),
        "head_sha": head.get("sha"),
        "base": base.get("ref"),
        "merge_commit_sha": pull.get("merge_commit_sha"),
        "labels": [label.get("name") for label in pull.get("labels") or []],
        "assignees": logins(pull.get("assignees")),
        "reviewers": logins(pull.get("requested_reviewers")),
        "reviews": [f"{login(each.get('user'))}: {line(each.get('state'))}" for each in reviews],
        "milestone": (pull.get("milestone") or {}).get("title"),
        "additions": pull.get("additions"),
        "deletions": pull.get("deletions"),
        "changed_files": pull.get("changed_files"),
        "comments": pull.get("comments"),
        "created_at": pull.get("created_at"),
        "updated_at": pull.get("updated_at"),
        "url": pull.get("html_url"),
        "body": pull.get("body"),
    }
