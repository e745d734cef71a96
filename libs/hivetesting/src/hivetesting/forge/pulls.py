"""Endpoints of pull requests: opening, diff, commits, files, reviews, merging."""

from typing import Any

from starlette.responses import JSONResponse, Response

from hivetesting.forge import render, render_issue, repository
from hivetesting.forge.call import ApiError, Call, not_found
from hivetesting.forge.issues import change, chosen, open_issue
from hivetesting.forge.rights import Access, access
from hivetesting.forge.routes import Context, Routes
from hivetesting.forge.world import Issue, Pull, Repo, Review

routes = Routes()
HERE = "/repos/{owner}/{repo}/pulls"
ONE = HERE + "/{index}"
STYLES = ("merge", "rebase", "rebase-merge", "squash", "fast-forward-only", "manually-merged")
VERDICTS = {"APPROVED": "APPROVED", "REQUEST_CHANGES": "REQUEST_CHANGES", "COMMENT": "COMMENT"}


async def tips(issue: Issue) -> tuple[str, str]:
    """Return the commits of base and head: frozen once merged."""
    pull = issue.pull
    if pull is None:
        raise not_found()
    if pull.merged:
        return pull.base_sha_at_merge, pull.head_sha_at_merge
    base = await repository.resolve(issue.repo.path, pull.base)
    head = await repository.bring(issue.repo.path, pull.head_repo.path, pull.head)
    return base or repository.ZERO, head or pull.head_sha_at_merge or repository.ZERO


async def shown(call: Call, issue: Issue) -> dict[str, Any]:
    """Return a pull request with what git says of it."""
    base, head = await tips(issue)
    return render_issue.pull(
        call.world, issue, call.doer, await repository.compare(issue.repo.path, base, head)
    )


def _pull(call: Call) -> tuple[Issue, Pull]:
    issue = call.issue("repo.pulls")
    if issue.pull is None:
        raise not_found(f"pull request does not exist [index: {issue.number}]")
    return issue, issue.pull


@routes.on("GET", HERE, "repository")
async def list_pulls(context: Context) -> Response:
    """List a repository's pull requests."""
    call = context.call
    pulls = chosen([issue for issue in call.repo("repo.pulls").issues if issue.pull], call)
    rendered = {issue.id: await shown(call, issue) for issue in pulls}
    return call.listed(pulls, lambda issue: rendered[issue.id])


async def _head(call: Call, repo: Repo) -> tuple[Repo, str]:
    owner, _, branch = call.text("head").rpartition(":")
    source = repo
    if owner:
        login = owner.split("/")[0]
        forks = [each for each in call.world.repos if each.parent is repo]
        source = next((each for each in [repo, *forks] if each.owner.login == login), repo)
    if access(call.world, call.me, source, "repo.code") < Access.READ:
        raise not_found("Can't read headRepo UnitTypeCode")
    for where, ref in ((source, branch), (repo, call.text("base"))):
        if await repository.resolve(where.path, ref) is None:
            raise not_found()
    return source, branch


@routes.on("POST", HERE, "repository")
async def create(context: Context) -> Response:
    """Open a pull request."""
    call = context.call
    _ = call.me
    repo = call.repo("repo.pulls")
    head_repo, head = await _head(call, repo)
    base = call.text("base")
    for issue in repo.issues:
        old = issue.pull
        if old and issue.state == "open" and (old.head_repo, old.head, old.base) == (
            head_repo, head, base,
        ):  # fmt: skip
            raise ApiError(
                409, f"pull request already exists for these targets [id: {issue.id}, "
                f"issue_id: {issue.id}, head_branch: {head}, base_branch: {base}]",
            )  # fmt: skip
    issue = open_issue(context, repo)
    issue.pull = Pull(head_repo, head, base)
    tip, onto = await tips(issue)
    if tip == onto:
        raise ApiError(
            422, "Invalid PullRequest: There are no changes between the head and the base"
        )
    repo.issues.append(issue)
    context.happenings.tell(issue, call.me, issue.body)
    context.happenings.hook_issue(issue, "pull_request", "opened", call.me)
    return JSONResponse(await shown(call, issue), 201)


@routes.on("GET", ONE, "repository")
async def show(context: Context) -> Response:
    """Show a pull request; `.diff` and `.patch` are paths of their own in the real one too."""
    call = context.call
    number, _, form = call.path("index").partition(".")
    call.request.path_params["index"] = number
    issue, _pull_of = _pull(call)
    if form in {"diff", "patch"}:
        base, head = await tips(issue)
        return Response(await repository.diff(issue.repo.path, base, head), media_type="text/plain")
    return JSONResponse(await shown(call, issue))


@routes.on("PATCH", ONE, "repository")
async def edit(context: Context) -> Response:
    """Change a pull request."""
    issue, pull = _pull(context.call)
    change(context, issue)
    pull.base = context.call.text("base") or pull.base
    return JSONResponse(await shown(context.call, issue), 201)


@routes.on("GET", ONE + "/commits", "repository")
async def list_commits(context: Context) -> Response:
    """List a pull request's commits."""
    issue, _ = _pull(context.call)
    found = await repository.commits(issue.repo.path, *await tips(issue))
    return context.call.listed(
        found,
        lambda each: {
            "sha": each["sha"],
            "commit": {"message": each["message"], "author": {"name": each["author"]}},
        },
    )


@routes.on("GET", ONE + "/files", "repository")
async def list_files(context: Context) -> Response:
    """List the files that a pull request changes."""
    issue, _ = _pull(context.call)
    found = await repository.compare(issue.repo.path, *await tips(issue))
    return context.call.listed(found["files"], lambda name: {"filename": name})


@routes.on("GET", ONE + "/reviews", "repository")
async def list_reviews(context: Context) -> Response:
    """List a pull request's reviews."""
    call = context.call
    issue, pull = _pull(call)
    return call.listed(pull.reviews, lambda each: render_issue.review(call.world, each, issue))


def _review(call: Call) -> tuple[Issue, Review]:
    issue, pull = _pull(call)
    for review in pull.reviews:
        if review.id == call.number("review"):
            return issue, review
    raise not_found("GetReviewByID")


@routes.on("GET", ONE + "/reviews/{review}", "repository")
async def show_review(context: Context) -> Response:
    """Show one review."""
    issue, review = _review(context.call)
    return JSONResponse(render_issue.review(context.call.world, review, issue))


@routes.on("GET", ONE + "/reviews/{review}/comments", "repository")
async def list_code_comments(context: Context) -> Response:
    """List a review's comments on code, and the answers to them: all, there are no pages."""
    world = context.call.world
    issue, review = _review(context.call)
    found = issue.code_of(review.id)
    return JSONResponse([render_issue.code_comment(world, each, issue) for each in found])


@routes.on("POST", ONE + "/reviews", "repository")
async def review(context: Context) -> Response:
    """Give a verdict on a pull request, never on one's own."""
    call = context.call
    me = call.me
    issue, pull = _pull(call)
    event, body = call.text("event"), call.text("body")
    state = VERDICTS.get(event)
    if state is None:
        raise ApiError(422, "review stay pending")
    if me is issue.user and state != "COMMENT":
        word = "approve" if state == "APPROVED" else "reject"
        raise ApiError(422, f"{word} your own pull is not allowed")
    code = [each for each in call.body.get("comments") or [] if each.get("body")]
    if not body and not (code and state == "COMMENT") and state != "APPROVED":
        raise ApiError(422, f"review event {event} requires a body")
    _, head = await tips(issue)
    made = Review(call.world.new_id(), me, state, body, head, call.world.now())
    pull.reviews.append(made)
    if me in pull.requested:
        pull.requested.remove(me)
    for each in code:
        context.happenings.add(
            issue, "code", me, body=each["body"], review_id=made.id, path=each.get("path", ""),
            line=each.get("new_position", 0),
        )  # fmt: skip
    context.happenings.add(issue, "review", me, body=body, review_id=made.id)
    context.happenings.tell(issue, me, "\n".join([body, *(each["body"] for each in code)]))
    context.happenings.hook_issue(issue, "pull_request", "reviewed", me)
    return JSONResponse(render_issue.review(call.world, made, issue))


@routes.on("GET", "/repos/{owner}/{repo}/reviewers", "repository")
async def list_reviewers(context: Context) -> Response:
    """List who can be asked for a review: whoever may read the code, but the doer."""
    call = context.call
    repo = call.repo("repo.code")
    able = [
        user for user in call.world.users
        if not user.organization and user is not call.me
        and access(call.world, user, repo, "repo.pulls") >= Access.READ
    ]  # fmt: skip
    return JSONResponse([render.user(call.world, user) for user in able])


@routes.on("POST", ONE + "/requested_reviewers", "repository")
async def request_review(context: Context) -> Response:
    """Ask somebody for a review."""
    call = context.call
    issue, pull = _pull(call)
    if call.me is not issue.user and not call.may(issue.repo, "repo.pulls", Access.WRITE):
        raise ApiError(403, "doer can't choose reviewer")
    asked = []
    for name in call.body.get("reviewers") or []:
        user = call.world.user(str(name))
        if user is None:
            raise not_found(f"User '{name}' not exist")
        asked.append(user)
    for user in asked:
        if user not in pull.requested:
            pull.requested.append(user)
        context.happenings.add(issue, "review_request", call.me, assignee=user)
        if user is not call.me:
            context.happenings.notify(user, issue)
    context.happenings.hook_issue(issue, "pull_request", "review_requested", call.me)
    return JSONResponse([], 201)


@routes.on("GET", ONE + "/merge", "repository")
async def is_merged(context: Context) -> Response:
    """Answer 204 if a pull request is merged, else 404."""
    _, pull = _pull(context.call)
    if pull.merged is None:
        raise not_found()
    return Response(status_code=204)


def _mergeable(call: Call, issue: Issue, pull: Pull) -> None:
    if not call.may(issue.repo, "repo.pulls", Access.WRITE) or not call.may(
        issue.repo, "repo.code", Access.WRITE
    ):
        raise ApiError(405, "User not allowed to merge PR")
    if pull.merged:
        raise ApiError(405, "The PR is already merged")
    if issue.state != "open":
        raise not_found()
    if issue.title.upper().startswith(("WIP:", "[WIP]")):
        raise ApiError(405, "Work in progress PRs cannot be merged")


@routes.on("POST", ONE + "/merge", "repository")
async def merge(context: Context) -> Response:
    """Merge a pull request."""
    call = context.call
    me = call.me
    issue, pull = _pull(call)
    style = call.text("Do") or call.text("do")
    if style not in STYLES:
        raise ApiError(422, "[Do]: In")
    _mergeable(call, issue, pull)
    base, head = await tips(issue)
    wanted = call.text("head_commit_id") or head
    if wanted != head:
        raise ApiError(409, f"sha does not match [given: {wanted}, expected: {head}]")
    title = call.text("merge_title_field") or call.text("MergeTitleField")
    message = title or f"Merge pull request '{issue.title}' (#{issue.number})"
    author = repository.Author(me.login, me.email)
    try:
        commit = await repository.merge(issue.repo.path, pull.base, head, style, message, author)
    except repository.GitRefusal as error:
        if error.code == "conflict":
            raise ApiError(405, "Please try again later") from None
        raise ApiError(409, f"merge push out of date: {error}") from None
    now = call.world.now()
    pull.base_sha_at_merge, pull.head_sha_at_merge = base, head
    pull.merged, pull.merged_by, pull.merge_commit = now, me, commit
    issue.state, issue.closed = "closed", now
    context.happenings.add(issue, "merge_pull", me)
    context.happenings.tell(issue, me)
    context.happenings.hook_issue(issue, "pull_request", "closed", me)
    if call.body.get("delete_branch_after_merge") and pull.head_repo is issue.repo:
        await repository.text(issue.repo.path, "update-ref", "-d", f"refs/heads/{pull.head}")
    return Response(status_code=200)
