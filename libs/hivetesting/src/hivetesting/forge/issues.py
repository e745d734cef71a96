"""Endpoints of issues and their comments; pull requests are issues here too."""

from datetime import datetime
from typing import Any

from starlette.responses import JSONResponse, Response

from hivetesting.forge import render_issue
from hivetesting.forge.call import ApiError, Call, not_found
from hivetesting.forge.rights import Access, access
from hivetesting.forge.routes import Context, Routes
from hivetesting.forge.world import Entry, Issue, Label, Repo, User

routes = Routes()
HERE = "/repos/{owner}/{repo}/issues"
STATES = ("open", "closed")


def named(call: Call, names: object, repo: Repo) -> list[User]:
    """Return the accounts to assign; 422 for one that is none, or that cannot be assigned."""
    users = []
    for name in names if isinstance(names, list) else []:
        user = call.world.user(str(name))
        if user is None:
            raise ApiError(422, f"Assignee does not exist: [name: {name}]")
        if access(call.world, user, repo, "repo.issues") < Access.READ:
            raise ApiError(
                422,
                f"user doesn't have access to repo [user_id: {user.id}, repo_name: {repo.name}]",
            )
        users.append(user)
    return users


def labelled(call: Call, values: object, repo: Repo) -> list[Label]:
    """Return the labels of the given ids or names; the real forge passes over unknown ones."""
    if not isinstance(values, list):
        raise ApiError(400, "labels should be an array of strings or integers")
    wanted = {value if isinstance(value, int) else str(value) for value in values}
    usable = [*repo.labels, *call.world.org_labels.get(repo.owner.id, [])]
    return [label for label in usable if label.id in wanted or label.name in wanted]


def chosen(issues: list[Issue], call: Call) -> list[Issue]:
    """Return the issues that a list's query asks for, the newest first."""
    state = call.query("state") or "open"
    kind, words = call.query("type"), call.query("q").lower()
    creator, assignee = call.query("created_by"), call.query("assigned_by")
    for login in filter(None, (creator, assignee)):
        if call.world.user(login) is None:
            raise not_found(f"user does not exist [uid: 0, name: {login}]")
    # The real forge passes over labels and milestones that it does not know, and so filters less.
    known = {label.name for issue in issues for label in issue.repo.labels}
    names = {name for name in call.query("labels").split(",") if name} & known
    titles = {stone.title for issue in issues for stone in issue.repo.milestones}
    stones = {name for name in call.query("milestones").split(",") if name} & titles
    found = [
        issue for issue in issues
        if state in {"all", issue.state}
        and (not kind or (kind == "pulls") == (issue.pull is not None))
        and (words in issue.title.lower() or words in issue.body.lower())
        and names <= {label.name for label in issue.labels}
        and (not creator or issue.user.login == creator)
        and (not assignee or assignee in [user.login for user in issue.assignees])
        and (not stones or (issue.milestone is not None and issue.milestone.title in stones))
    ]  # fmt: skip
    return sorted(found, key=lambda issue: issue.id, reverse=True)


@routes.on("GET", "/repos/issues/search", "issue")
async def search(context: Context) -> Response:
    """Find issues in all repositories that the doer may see."""
    call = context.call
    seen = [
        issue for repo in call.world.repos
        if access(call.world, call.doer, repo, "repo.issues") >= Access.READ
        and call.query("owner") in {"", repo.owner.login}
        for issue in repo.issues
    ]  # fmt: skip
    if call.query("assigned") == "true":
        seen = [issue for issue in seen if call.me in issue.assignees]
    if call.query("created") == "true":
        seen = [issue for issue in seen if call.me is issue.user]
    if call.query("review_requested") == "true":
        seen = [issue for issue in seen if issue.pull and call.me in issue.pull.requested]
    return call.listed(chosen(seen, call), lambda issue: render_issue.issue(call.world, issue))


@routes.on("GET", HERE, "issue")
async def list_issues(context: Context) -> Response:
    """List a repository's issues."""
    call = context.call
    repo = call.repo("repo.issues")
    return call.listed(
        chosen(repo.issues, call), lambda issue: render_issue.issue(call.world, issue)
    )


def open_issue(context: Context, repo: Repo) -> Issue:
    """Put a new issue into a repository from the request's body."""
    call = context.call
    title = call.text("title")
    if not title.strip():
        raise ApiError(422, "[Title]: Required")
    now = call.world.now()
    number = 1 + max((issue.number for issue in repo.issues), default=0)
    issue = Issue(call.world.new_id(), number, repo, title, call.text("body"), call.me, now, now)
    assignees = named(call, call.body.get("assignees") or [], repo)
    if call.may(repo, "repo.issues", Access.WRITE):
        issue.labels = labelled(call, call.body.get("labels") or [], repo)
        issue.milestone = _stone(call, repo, call.body.get("milestone"))
        for user in assignees:
            _assign(context, issue, user)
    return issue


def _stone(call: Call, repo: Repo, number: object) -> Any:
    if not number:
        return None
    stone = next((each for each in repo.milestones if each.id == number), None)
    if stone is None:
        raise not_found(f"milestone does not exist [id: {number}, repo_id: {repo.id}]")
    _ = call
    return stone


def _assign(context: Context, issue: Issue, user: User) -> None:
    doer = context.call.me
    issue.assignees.append(user)
    context.happenings.add(issue, "assignees", doer, assignee=user)
    if user is not doer:
        context.happenings.notify(user, issue)


@routes.on("POST", HERE, "issue")
async def create(context: Context) -> Response:
    """Open an issue; whoever may read the issues may do so."""
    call = context.call
    _ = call.me
    repo = call.repo("repo.issues")
    if repo.archived:
        raise ApiError(423, f"{repo.full_name} is archived")
    issue = open_issue(context, repo)
    repo.issues.append(issue)
    context.happenings.tell(issue, call.me, issue.body)
    context.happenings.hook_issue(issue, "issues", "opened", call.me)
    if call.body.get("closed") is True:
        set_state(context, issue, "closed")
    return JSONResponse(render_issue.issue(call.world, issue), 201)


@routes.on("GET", HERE + "/{index}", "issue")
async def show(context: Context) -> Response:
    """Show an issue or a pull request."""
    return JSONResponse(render_issue.issue(context.call.world, context.call.issue()))


def change(context: Context, issue: Issue) -> None:
    """Apply an edit to an issue or a pull request: the author or a writer may, as in the real one."""
    call = context.call
    unit = "repo.pulls" if issue.pull else "repo.issues"
    writer = call.may(issue.repo, unit, Access.WRITE)
    if not writer and call.me is not issue.user:
        raise ApiError(403, "user should have a permission to write issues")
    if "title" in call.body and call.text("title") != issue.title:
        context.happenings.add(
            issue, "change_title", call.me, old_title=issue.title, new_title=call.text("title")
        )
        issue.title = call.text("title")
    if "body" in call.body:
        issue.body = call.text("body")
        context.happenings.tell(issue, call.me, issue.body)
    if "assignees" in call.body and writer:
        _reassign(context, issue, named(call, call.body["assignees"], issue.repo))
    if "milestone" in call.body and writer:
        issue.milestone = _stone(call, issue.repo, call.body["milestone"])
        context.happenings.add(issue, "milestone", call.me, milestone=issue.milestone)
    if call.body.get("state"):
        set_state(context, issue, call.text("state"))


def _reassign(context: Context, issue: Issue, wanted: list[User]) -> None:
    for user in [each for each in issue.assignees if each not in wanted]:
        issue.assignees.remove(user)
        context.happenings.add(
            issue, "assignees", context.call.me, assignee=user, removed_assignee=True
        )
    for user in [each for each in wanted if each not in issue.assignees]:
        _assign(context, issue, user)
    context.happenings.hook_issue(issue, "issue_assign", "assigned", context.call.me)


def set_state(context: Context, issue: Issue, state: str) -> None:
    """Close or reopen an issue; nothing happens if it is so already."""
    if state not in STATES:
        raise ApiError(412, f"unknown state: {state}")
    if issue.pull and issue.pull.merged:
        raise ApiError(412, "cannot change state of this pull request, it was already merged")
    if state == issue.state:
        return
    call = context.call
    issue.state = state
    issue.closed = call.world.now() if state == "closed" else None
    word = "close" if state == "closed" else "reopen"
    context.happenings.add(issue, word, call.me)
    context.happenings.tell(issue, call.me)
    event = "pull_request" if issue.pull else "issues"
    action = "closed" if state == "closed" else "reopened"
    context.happenings.hook_issue(issue, event, action, call.me)


@routes.on("PATCH", HERE + "/{index}", "issue")
async def edit(context: Context) -> Response:
    """Change an issue."""
    issue = context.call.issue()
    change(context, issue)
    return JSONResponse(render_issue.issue(context.call.world, issue), 201)


@routes.on("GET", HERE + "/{index}/comments", "issue")
async def list_comments(context: Context) -> Response:
    """List an issue's comments: all of them, this endpoint has no pages."""
    call = context.call
    issue = call.issue()
    return JSONResponse([render_issue.comment(call.world, each, issue) for each in issue.comments])


@routes.on("POST", HERE + "/{index}/comments", "issue")
async def comment(context: Context) -> Response:
    """Say something on an issue or a pull request."""
    call = context.call
    _ = call.me
    issue = call.issue()
    if issue.repo.archived:
        raise ApiError(423, f"{issue.repo.full_name} is archived")
    body = call.text("body")
    if not body:
        raise ApiError(422, "[Body]: Required")
    entry = context.happenings.add(issue, "comment", call.me, body=body)
    context.happenings.tell(issue, call.me, body)
    shown = render_issue.comment(call.world, entry, issue)
    context.happenings.hook_issue(issue, "issue_comment", "created", call.me, comment=shown)
    return JSONResponse(shown, 201)


def find_comment(call: Call) -> tuple[Issue, Entry]:
    """Return the comment of the path, and its issue."""
    repo, number = call.repo(), call.number("comment")
    for issue in repo.issues:
        for entry in issue.comments:
            if entry.id == number:
                return issue, entry
    raise not_found(f"comment does not exist [id: {number}, issue_id: 0]")


@routes.on("GET", HERE + "/comments/{comment}", "issue")
async def show_comment(context: Context) -> Response:
    """Show one comment."""
    issue, entry = find_comment(context.call)
    return JSONResponse(render_issue.comment(context.call.world, entry, issue))


def _own_comment(call: Call) -> tuple[Issue, Entry]:
    issue, entry = find_comment(call)
    unit = "repo.pulls" if issue.pull else "repo.issues"
    if call.me is not entry.user and not call.may(issue.repo, unit, Access.WRITE):
        raise ApiError(403, "user should be the poster of the comment or a writer of the repo")
    return issue, entry


@routes.on("PATCH", HERE + "/comments/{comment}", "issue")
async def edit_comment(context: Context) -> Response:
    """Change a comment: one's own, or anybody's for writers of the repository."""
    call = context.call
    issue, entry = _own_comment(call)
    entry.body, entry.updated = call.text("body"), call.world.now()
    context.happenings.tell(issue, call.me, entry.body)
    return JSONResponse(render_issue.comment(call.world, entry, issue))


@routes.on("DELETE", HERE + "/comments/{comment}", "issue")
async def delete_comment(context: Context) -> Response:
    """Delete a comment: one's own, or anybody's for writers of the repository."""
    issue, entry = _own_comment(context.call)
    issue.entries.remove(entry)
    return Response(status_code=204)


@routes.on("GET", HERE + "/{index}/timeline", "issue")
async def timeline(context: Context) -> Response:
    """List everything said and done on an issue, from `since` on."""
    call = context.call
    issue = call.issue()
    since = call.query("since")
    start = datetime.fromisoformat(since).timestamp() if since else 0.0
    found = [entry for entry in issue.entries if entry.updated >= start]
    return call.cut_then_filtered(
        found, lambda entry: entry.kind != "code",
        lambda entry: render_issue.entry(call.world, entry, issue),
    )  # fmt: skip
