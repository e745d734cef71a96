"""What a notification says and whether it concerns an agent: decided from the issue's timeline alone."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec

MAX_QUOTE: Final = 4000
"""Characters of a comment that are quoted; the link leads to the rest."""
MARGIN_S: Final = 600.0
"""A forge writes times in whole seconds, and a notification some time after what it is about."""
FIRST_LOOK_S: Final = 3600.0
"""How far back a thread is read of which nothing was ever delivered."""

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_STATES: Final = {"close": "closed", "reopen": "reopened", "merge_pull": "merged"}
_TO_ME: Final = {
    ("assignees", False): "assigned you to",
    ("assignees", True): "took you off",
    ("review_request", False): "asks for your review of",
    ("review_request", True): "needs no review from you of",
}
_VERDICTS: Final = {
    "APPROVED": "approved",
    "REQUEST_CHANGES": "asks for changes in",
    "COMMENT": "reviewed",
}


class Who(msgspec.Struct, frozen=True):
    """An account."""

    login: str = ""


class Repo(msgspec.Struct, frozen=True):
    """A repository by name."""

    full_name: str = ""


class PullMark(msgspec.Struct, frozen=True):
    """What makes an issue a pull request."""

    merged: bool = False


class Issue(msgspec.Struct, frozen=True):
    """An issue or a pull request."""

    id: int
    number: int
    title: str
    created_at: datetime
    updated_at: datetime
    html_url: str = ""
    body: str = ""
    state: str = ""
    user: Who | None = None
    assignees: list[Who] | None = None
    pull_request: PullMark | None = None
    repository: Repo | None = None


class Entry(msgspec.Struct, frozen=True):
    """A line of an issue's timeline."""

    id: int
    type: str
    created_at: datetime
    updated_at: datetime
    html_url: str = ""
    user: Who | None = None
    body: str = ""
    assignee: Who | None = None
    removed_assignee: bool = False
    review_id: int = 0


class Review(msgspec.Struct, frozen=True):
    """A review's verdict."""

    id: int
    state: str = ""
    comments_count: int = 0


class CodeComment(msgspec.Struct, frozen=True):
    """A comment on a line of code; timelines leave these out."""

    id: int
    created_at: datetime
    updated_at: datetime
    review_id: int = msgspec.field(name="pull_request_review_id", default=0)
    body: str = ""
    path: str = ""
    html_url: str = ""
    user: Who | None = None


@dataclass(frozen=True)
class Story:
    """An issue with all that happened to it; reviews and comments on code are a pull request's."""

    issue: Issue
    timeline: Sequence[Entry] = ()
    reviews: Sequence[Review] = ()
    code: Sequence[CodeComment] = ()

    def verdict(self, entry: Entry) -> str:
        """Return what a review came to."""
        states = (each.state for each in self.reviews if each.id == entry.review_id)
        return _VERDICTS.get(next(states, ""), "reviewed")

    def of_review(self, entry: Entry) -> list[CodeComment]:
        """Return the comments on code that came with a review; what follows are answers."""
        return [
            each for each in self.code
            if entry.type == "review"
            and (each.review_id, _login(each.user)) == (entry.review_id, _login(entry.user))
            and each.created_at <= entry.created_at
        ]  # fmt: skip

    def happenings(self) -> list["Happening"]:
        """Return everything in its order, comments on code with their review."""
        told = {each.id for entry in self.timeline for each in self.of_review(entry)}
        alone = [_answer(each) for each in self.code if each.id not in told]
        entries = [
            Happening(entry, _said(entry, self.of_review(entry)))
            for entry in self.timeline if entry.type != "code"
        ]  # fmt: skip
        return sorted([*entries, *alone], key=lambda each: each.entry.created_at)


@dataclass(frozen=True)
class Happening:
    """A line of the timeline and all that was said with it."""

    entry: Entry
    said: str


def _said(entry: Entry, code: Sequence[CodeComment]) -> str:
    if entry.type not in {"comment", "review"}:
        return ""
    parts = [entry.body, *(f"{each.path}:\n{each.body}" for each in code)]
    return "\n\n".join(part for part in parts if part.strip())


def _answer(comment: CodeComment) -> Happening:
    entry = Entry(
        comment.id, "code", comment.created_at, comment.updated_at, comment.html_url, comment.user,
        review_id=comment.review_id,
    )  # fmt: skip
    return Happening(entry, f"{comment.path}:\n{comment.body}")


@dataclass(frozen=True)
class Item:
    """One thing to tell an agent. `key` holds the forge's own id of it."""

    key: str
    at: float
    text: str


def items(agent: str, story: Story) -> list[Item]:
    """Return everything that concerns `agent` in an issue, the oldest first; its own acts do not."""
    issue = story.issue
    taking_part = _takes_part_from_the_start(agent, issue, story.timeline)
    found: list[Item] = []
    if _login(issue.user) != agent and mentions(issue.body, agent):
        opening = _message(
            f"{_login(issue.user)} mentioned you in", issue, issue.html_url, issue.body
        )
        found.append(Item(f"i{issue.id}", issue.created_at.timestamp(), opening))
    for happening in story.happenings():
        entry = happening.entry
        taking_part = taking_part or _takes_part_by(agent, happening)
        if _login(entry.user) == agent:
            continue
        head = _headline(agent, happening, story, taking_part=taking_part)
        if head:
            text = _message(head, issue, entry.html_url or issue.html_url, happening.said)
            found.append(Item(f"c{entry.id}", _moment(entry.created_at, entry.updated_at), text))
    return found


def _moment(created: datetime, updated: datetime) -> float:
    return max(created, updated).timestamp()


def news_since(found: Iterable[Item], since: float, delivered: set[str]) -> list[Item]:
    """Return the items that are not older than `since` and were not delivered."""
    return [item for item in found if item.at >= since and item.key not in delivered]


def _takes_part_from_the_start(agent: str, issue: Issue, timeline: Sequence[Entry]) -> bool:
    """Whether an agent took part before anything happened: watching a repository does not count."""
    if _login(issue.user) == agent or mentions(issue.body, agent):
        return True
    later = any(entry.type == "assignees" and _login(entry.assignee) == agent for entry in timeline)
    return not later and agent in map(_login, issue.assignees or [])


def _takes_part_by(agent: str, happening: Happening) -> bool:
    entry = happening.entry
    match entry.type:
        case "comment" | "review" | "code":
            return _login(entry.user) == agent or mentions(happening.said, agent)
        case "assignees" | "review_request":
            return _login(entry.assignee) == agent
        case _:
            return False


def _headline(agent: str, happening: Happening, story: Story, *, taking_part: bool) -> str | None:
    """Return what an entry says to the agent, without its object; None if it says nothing to it."""
    entry = happening.entry
    to_me, by_name = _login(entry.assignee) == agent, mentions(happening.said, agent)
    said: str | None = None
    match entry.type:
        case "comment" if by_name:
            said = "mentioned you in a comment on"
        case "comment" if taking_part:
            said = "commented on"
        case "code" if by_name:
            said = "mentioned you in a comment on the code of"
        case "code" if taking_part:
            said = "commented on the code of"
        case "review" if taking_part:
            said = story.verdict(entry)
        case "assignees" | "review_request" if to_me:
            said = _TO_ME[entry.type, entry.removed_assignee]
        case "close" | "reopen" | "merge_pull" if taking_part:
            said = _STATES[entry.type]
        case _:
            return None
    return f"{_login(entry.user)} {said}"


def mentions(text: str, agent: str) -> bool:
    """Whether a text has `@agent` in it, as forges understand it."""
    return re.search(rf"(?<![\w/@.-])@{re.escape(agent)}(?![\w-])", text, re.IGNORECASE) is not None


def _login(user: Who | None) -> str:
    return user.login if user else ""


def _message(head: str, issue: Issue, link: str, said: str) -> str:
    """Return a message; what others wrote is quoted line by line, so that it stays a quotation."""
    repo = issue.repository.full_name if issue.repository else ""
    kind = "pull request" if issue.pull_request else "issue"
    state = "merged" if issue.pull_request and issue.pull_request.merged else issue.state
    lines = [
        f"{_line(head)} {_line(repo)}#{issue.number} “{_line(issue.title)}” ({kind}, {_line(state)})",
        _line(link),
    ]
    if said.strip():
        cut = _CONTROL.sub("\ufffd", said[:MAX_QUOTE].replace("\r\n", "\n"))
        lines += ["", *(f"> {line}" for line in cut.split("\n"))]
        if len(said) > MAX_QUOTE:
            lines.append(f"(…{len(said) - MAX_QUOTE} more characters behind the link)")
    return "\n".join(lines)


def _line(text: str) -> str:
    return " ".join(_CONTROL.sub("\ufffd", text).split())
