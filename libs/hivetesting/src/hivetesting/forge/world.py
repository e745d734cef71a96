"""What a scripted forge holds: its users, repositories, issues and what hangs on them."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

UNITS = ("repo.code", "repo.issues", "repo.pulls", "repo.releases")


@dataclass(eq=False)
class User:
    """An account; an organisation is one too, as in the real thing."""

    id: int
    login: str
    created: float
    email: str = ""
    full_name: str = ""
    password: str = ""
    admin: bool = False
    organization: bool = False
    visibility: str = "public"
    restricted: bool = False
    must_change_password: bool = False
    prohibit_login: bool = False


@dataclass(eq=False)
class Token:
    """An access token. `value` is shown once, at creation; the real forge keeps a hash."""

    id: int
    owner: User
    name: str
    value: str
    scopes: tuple[str, ...]
    created: float


@dataclass(eq=False)
class Team:
    """Members of an organisation with access to some or all of its repositories."""

    id: int
    org: User
    name: str
    permission: str
    units: dict[str, str]
    includes_all: bool = False
    can_create_org_repo: bool = False
    description: str = ""
    members: list[User] = field(default_factory=list)
    repos: list["Repo"] = field(default_factory=list)


@dataclass(eq=False)
class Label:
    """A label of one repository."""

    id: int
    name: str
    color: str
    description: str = ""


@dataclass(eq=False)
class Milestone:
    """A milestone of one repository."""

    id: int
    title: str
    created: float
    description: str = ""
    state: str = "open"
    due: str | None = None
    closed: float | None = None


@dataclass(eq=False)
class Attachment:
    """A file on an issue, a comment or a release."""

    id: int
    uuid: str
    name: str
    content: bytes
    created: float


@dataclass(eq=False)
class Entry:
    """One line of an issue's timeline; `kind` is the real forge's word for it."""

    id: int
    kind: str
    user: User
    created: float
    updated: float
    body: str = ""
    assignee: User | None = None
    removed_assignee: bool = False
    review_id: int = 0
    path: str = ""
    line: int = 0
    label: Label | None = None
    milestone: Milestone | None = None
    old_title: str = ""
    new_title: str = ""
    assets: list[Attachment] = field(default_factory=list)


@dataclass(eq=False)
class Review:
    """A submitted review of a pull request."""

    id: int
    user: User
    state: str
    body: str
    commit_id: str
    submitted: float


@dataclass(eq=False)
class Pull:
    """The part of an issue that makes it a pull request."""

    head_repo: "Repo"
    head: str
    base: str
    merged: float | None = None
    merged_by: User | None = None
    merge_commit: str | None = None
    base_sha_at_merge: str = ""
    head_sha_at_merge: str = ""
    requested: list[User] = field(default_factory=list)
    reviews: list[Review] = field(default_factory=list)


@dataclass(eq=False)
class Issue:
    """An issue or a pull request."""

    id: int
    number: int
    repo: "Repo"
    title: str
    body: str
    user: User
    created: float
    updated: float
    state: str = "open"
    closed: float | None = None
    labels: list[Label] = field(default_factory=list)
    milestone: Milestone | None = None
    assignees: list[User] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    assets: list[Attachment] = field(default_factory=list)
    subscribers: dict[int, bool] = field(default_factory=dict)
    pull: Pull | None = None

    @property
    def comments(self) -> list[Entry]:
        """What was said, without what was done."""
        return [entry for entry in self.entries if entry.kind == "comment"]

    def code_of(self, review_id: int) -> list[Entry]:
        """Return what was said on lines of code in a review and in answer to it."""
        return [
            entry for entry in self.entries
            if entry.kind == "code" and entry.review_id == review_id
        ]  # fmt: skip


@dataclass(eq=False)
class Release:
    """A release; its tag is a real one in the git repository."""

    id: int
    tag: str
    target: str
    name: str
    body: str
    author: User
    created: float
    draft: bool = False
    prerelease: bool = False
    assets: list[Attachment] = field(default_factory=list)


@dataclass(eq=False)
class CommitStatus:
    """The state that a check gave a commit."""

    id: int
    sha: str
    context: str
    state: str
    description: str
    target_url: str
    creator: User
    created: float


@dataclass(eq=False)
class Hook:
    """A webhook of a repository, an organisation or, with no owner, of the whole forge."""

    id: int
    config: dict[str, str]
    events: list[str]
    active: bool
    created: float
    repo: "Repo | None" = None
    org: User | None = None


@dataclass(eq=False)
class Repo:
    """A repository: its bare git directory and its issues."""

    id: int
    owner: User
    name: str
    path: Path
    created: float
    private: bool = False
    description: str = ""
    default_branch: str = "main"
    archived: bool = False
    parent: "Repo | None" = None
    collaborators: dict[int, str] = field(default_factory=dict)
    watchers: list[User] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    milestones: list[Milestone] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)
    releases: list[Release] = field(default_factory=list)
    statuses: list[CommitStatus] = field(default_factory=list)

    @property
    def full_name(self) -> str:
        """`owner/name`."""
        return f"{self.owner.login}/{self.name}"


@dataclass(eq=False)
class Thread:
    """A user's notification about one issue: there is never a second one, it turns unread again."""

    id: int
    user: User
    issue: Issue
    updated: float
    unread: bool = True


@dataclass(eq=False)
class World:
    """The forge's whole state. Ids grow over all kinds, so that a mix-up of ids shows."""

    root: Path
    now: Callable[[], float] = time.time
    version: str = "15.0.3+gitea-1.22.0"
    max_page: int = 50
    """`[api] MAX_RESPONSE_ITEMS`, as the real forge has it unless it is set."""
    url: str = ""
    users: list[User] = field(default_factory=list)
    tokens: list[Token] = field(default_factory=list)
    teams: list[Team] = field(default_factory=list)
    repos: list[Repo] = field(default_factory=list)
    threads: list[Thread] = field(default_factory=list)
    hooks: list[Hook] = field(default_factory=list)
    org_labels: dict[int, list[Label]] = field(default_factory=dict)
    ids: Iterator[int] = field(default_factory=lambda: count(1))

    def new_id(self) -> int:
        """Return an id that nothing else has."""
        return next(self.ids)

    def user(self, login: str) -> User | None:
        """Find an account by its name, whatever its case."""
        return next((u for u in self.users if u.login.lower() == login.lower()), None)

    def repo(self, owner: str, name: str) -> Repo | None:
        """Find a repository by its name, whatever its case."""
        wanted = f"{owner}/{name}".lower()
        return next((r for r in self.repos if r.full_name.lower() == wanted), None)

    def teams_of(self, org: User) -> list[Team]:
        """Return an organisation's teams, the owners first."""
        return [team for team in self.teams if team.org is org]
