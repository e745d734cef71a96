"""Endpoints of labels and milestones."""

import re
from datetime import datetime
from typing import Any

from starlette.responses import JSONResponse, Response

from hivetesting.forge import render
from hivetesting.forge.call import ApiError, Call, not_found
from hivetesting.forge.issues import labelled
from hivetesting.forge.rights import Access
from hivetesting.forge.routes import Context, Routes
from hivetesting.forge.world import Issue, Label, Milestone, Repo

COLOR = re.compile(r"#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})")
routes = Routes()
REPO = "/repos/{owner}/{repo}"
ISSUE = REPO + "/issues/{index}/labels"


@routes.on("GET", REPO + "/labels", "issue")
async def list_labels(context: Context) -> Response:
    """List a repository's labels."""
    call = context.call
    repo = call.repo()
    found = sorted(repo.labels, key=lambda label: label.name)
    return call.listed(found, lambda label: render.label(call.world, label, repo))


@routes.on("POST", REPO + "/labels", "issue")
async def create_label(context: Context) -> Response:
    """Make a label."""
    call = context.call
    repo = call.repo("repo.issues", Access.WRITE)
    label = _made(call)
    repo.labels.append(label)
    return JSONResponse(render.label(call.world, label, repo), 201)


def _made(call: Call) -> Label:
    name, color = call.text("name"), call.text("color")
    if not name or not color:
        raise ApiError(422, f"[{'Color' if name else 'Name'}]: Required")
    if not COLOR.fullmatch(color):
        raise ApiError(422, f"invalid color: {color}")
    return Label(call.world.new_id(), name, color.removeprefix("#"), call.text("description"))


def _org_labels(call: Call) -> list[Label]:
    org = call.world.user(call.path("org"))
    if org is None or not org.organization:
        raise not_found()
    return call.world.org_labels.setdefault(org.id, [])


@routes.on("GET", "/orgs/{org}/labels", "organization")
async def list_org_labels(context: Context) -> Response:
    """List the labels that all repositories of an organisation share."""
    call = context.call
    return call.listed(_org_labels(call), lambda label: render.label(call.world, label, None))


@routes.on("POST", "/orgs/{org}/labels", "organization")
async def create_org_label(context: Context) -> Response:
    """Make a label for all repositories of an organisation."""
    call = context.call
    if not call.me.admin:
        raise ApiError(403, "Must be an organization owner")
    label = _made(call)
    _org_labels(call).append(label)
    return JSONResponse(render.label(call.world, label, None), 201)


def _writable(call: Call) -> Issue:
    issue = call.issue()
    unit = "repo.pulls" if issue.pull else "repo.issues"
    _ = call.me
    if not call.may(issue.repo, unit, Access.WRITE):
        raise ApiError(403, "write permission is required")
    return issue


def _shown(call: Call, issue: Issue) -> list[dict[str, Any]]:
    return [render.label(call.world, label, issue.repo) for label in issue.labels]


@routes.on("GET", ISSUE, "issue")
async def issue_labels(context: Context) -> Response:
    """List an issue's labels."""
    return JSONResponse(_shown(context.call, context.call.issue()))


@routes.on("POST", ISSUE, "issue")
async def add_labels(context: Context) -> Response:
    """Put labels on an issue; an unknown name is passed over without a word."""
    call = context.call
    issue = _writable(call)
    for label in labelled(call, call.body.get("labels"), issue.repo):
        if label not in issue.labels:
            issue.labels.append(label)
            context.happenings.add(issue, "label", call.me, label=label, body="1")
    return JSONResponse(_shown(call, issue))


@routes.on("DELETE", ISSUE + "/{label}", "issue")
async def remove_label(context: Context) -> Response:
    """Take a label off an issue, by its id."""
    call = context.call
    issue = _writable(call)
    for label in issue.repo.labels:
        if str(label.id) == call.path("label"):
            if label in issue.labels:
                issue.labels.remove(label)
                context.happenings.add(issue, "label", call.me, label=label)
            return Response(status_code=204)
    raise ApiError(422, "label does not exist [label_id: 0]")


@routes.on("GET", REPO + "/milestones", "issue")
async def list_milestones(context: Context) -> Response:
    """List a repository's milestones."""
    call = context.call
    repo = call.repo()
    state = call.query("state") or "open"
    found = [stone for stone in repo.milestones if state in {"all", stone.state}]
    return call.listed(found, lambda stone: render.milestone(stone, repo))


@routes.on("POST", REPO + "/milestones", "issue")
async def create_milestone(context: Context) -> Response:
    """Make a milestone."""
    call = context.call
    repo = call.repo("repo.issues", Access.WRITE)
    if not call.text("title"):
        raise ApiError(422, "[Title]: Required")
    _check_moment(call.text("due_on"))
    stone = Milestone(
        call.world.new_id(), call.text("title"), call.world.now(), call.text("description"),
        due=call.text("due_on") or None,
    )  # fmt: skip
    repo.milestones.append(stone)
    return JSONResponse(render.milestone(stone, repo), 201)


def _check_moment(text: str) -> None:
    try:
        _ = datetime.fromisoformat(text) if text else None
    except ValueError:
        raise ApiError(422, f'[]: parsing time "{text}": month out of range') from None


def _milestone(call: Call, repo: Repo) -> Milestone:
    wanted = call.path("milestone")
    for stone in repo.milestones:
        if wanted in {str(stone.id), stone.title}:
            return stone
    raise not_found()


@routes.on("GET", REPO + "/milestones/{milestone}", "issue")
async def show_milestone(context: Context) -> Response:
    """Show a milestone, found by its id or its title."""
    repo = context.call.repo()
    return JSONResponse(render.milestone(_milestone(context.call, repo), repo))


@routes.on("PATCH", REPO + "/milestones/{milestone}", "issue")
async def edit_milestone(context: Context) -> Response:
    """Change a milestone."""
    call = context.call
    repo = call.repo("repo.issues", Access.WRITE)
    stone = _milestone(call, repo)
    stone.title = call.text("title") or stone.title
    stone.description = call.text("description", stone.description)
    if call.text("state"):
        stone.state = call.text("state")
        stone.closed = call.world.now() if stone.state == "closed" else None
    return JSONResponse(render.milestone(stone, repo))


@routes.on("DELETE", REPO + "/milestones/{milestone}", "issue")
async def delete_milestone(context: Context) -> Response:
    """Delete a milestone; issues lose it."""
    repo = context.call.repo("repo.issues", Access.WRITE)
    stone = _milestone(context.call, repo)
    repo.milestones.remove(stone)
    for issue in repo.issues:
        if issue.milestone is stone:
            issue.milestone = None
    return Response(status_code=204)
