"""Endpoints of releases, and of the files attached to them, to issues and to comments."""

from collections.abc import Collection
from pathlib import PurePath
from uuid import uuid4

from starlette.datastructures import UploadFile
from starlette.responses import JSONResponse, Response

from hivetesting.forge import render, repository
from hivetesting.forge.call import ApiError, Call, not_found
from hivetesting.forge.issues import find_comment
from hivetesting.forge.rights import Access
from hivetesting.forge.routes import Context, Routes
from hivetesting.forge.world import Attachment, Release, Repo

routes = Routes()
REPO = "/repos/{owner}/{repo}"
# [attachment] ALLOWED_TYPES of the real forge; releases take any.
ALLOWED = {
    ".avif", ".cpuprofile", ".csv", ".dmp", ".docx", ".fodg", ".fodp", ".fods", ".fodt", ".gif",
    ".gz", ".jpeg", ".jpg", ".json", ".jsonc", ".log", ".md", ".mov", ".mp4", ".odf", ".odg",
    ".odp", ".ods", ".odt", ".patch", ".pdf", ".png", ".pptx", ".svg", ".tgz", ".txt", ".webm",
    ".webp", ".xls", ".xlsx", ".zip",
}  # fmt: skip
MAX_BYTES = 4 << 20  # far below the real one's default of 2 GiB, so that a test can exceed it


def _release(call: Call, repo: Repo) -> Release:
    number = call.number("release")
    for release in repo.releases:
        if release.id == number:
            return release
    raise not_found()


@routes.on("GET", REPO + "/releases", "repository")
async def list_releases(context: Context) -> Response:
    """List releases, the newest first."""
    call = context.call
    repo = call.repo("repo.releases")
    return call.listed(
        repo.releases[::-1], lambda release: render.release(call.world, release, repo)
    )


@routes.on("POST", REPO + "/releases", "repository")
async def create_release(context: Context) -> Response:
    """Make a release and, unless it is there, its tag."""
    call = context.call
    repo = call.repo("repo.releases", Access.WRITE)
    tag = call.text("tag_name")
    if not tag:
        raise ApiError(422, "[TagName]: Required")
    if any(release.tag == tag for release in repo.releases):
        raise ApiError(409, "Release is has no Tag")
    target = call.text("target_commitish") or repo.default_branch
    sha = await repository.resolve(repo.path, target)
    if sha is None:
        raise ApiError(404, f'target "{target}" not found')
    if await repository.resolve(repo.path, f"refs/tags/{tag}") is None:
        await repository.text(repo.path, "update-ref", f"refs/tags/{tag}", sha)
    release = Release(
        call.world.new_id(), tag, target, call.text("name"), call.text("body"), call.me,
        call.world.now(), bool(call.body.get("draft")), bool(call.body.get("prerelease")),
    )  # fmt: skip
    repo.releases.append(release)
    return JSONResponse(render.release(call.world, release, repo), 201)


@routes.on("GET", REPO + "/releases/tags/{tag}", "repository")
async def by_tag(context: Context) -> Response:
    """Show the release of a tag."""
    call = context.call
    repo = call.repo("repo.releases")
    for release in repo.releases:
        if release.tag == call.path("tag"):
            return JSONResponse(render.release(call.world, release, repo))
    raise not_found()


@routes.on("DELETE", REPO + "/releases/{release}", "repository")
async def delete_release(context: Context) -> Response:
    """Delete a release; its tag stays."""
    repo = context.call.repo("repo.releases", Access.WRITE)
    repo.releases.remove(_release(context.call, repo))
    return Response(status_code=204)


async def _upload(context: Context, allowed: Collection[str] = ALLOWED) -> Attachment:
    call = context.call
    async with call.request.form() as form:
        upload = form.get("attachment")
        if not isinstance(upload, UploadFile):
            raise ApiError(400, "http: no such file")
        content = await upload.read()
        name = call.query("name") or upload.filename or "attachment"
    kind = PurePath(name).suffix.lower()
    if allowed and kind not in allowed:
        raise ApiError(
            422,
            "This file cannot be uploaded or modified due to a forbidden file extension or type.",
        )
    if len(content) > MAX_BYTES:
        raise ApiError(413, f"The uploaded file exceeds the maximum file size of {MAX_BYTES}")
    return Attachment(call.world.new_id(), str(uuid4()), name, content, call.world.now())


@routes.on("POST", REPO + "/releases/{release}/assets", "repository")
async def attach_to_release(context: Context) -> Response:
    """Attach a file to a release."""
    repo = context.call.repo("repo.releases", Access.WRITE)
    release = _release(context.call, repo)
    made = await _upload(context, allowed=())
    release.assets.append(made)
    return JSONResponse(render.attachment(context.call.world, made), 201)


@routes.on("POST", REPO + "/issues/{index}/assets", "issue")
async def attach_to_issue(context: Context) -> Response:
    """Attach a file to an issue: its author or a writer may."""
    call = context.call
    issue = call.issue()
    if call.me is not issue.user and not call.may(issue.repo, "repo.issues", Access.WRITE):
        raise ApiError(403, "user should have permission to write issue")
    made = await _upload(context)
    issue.assets.append(made)
    return JSONResponse(render.attachment(call.world, made), 201)


@routes.on("POST", REPO + "/issues/comments/{comment}/assets", "issue")
async def attach_to_comment(context: Context) -> Response:
    """Attach a file to one's own comment."""
    call = context.call
    _, entry = find_comment(call)
    if call.me is not entry.user:
        raise ApiError(403, "user should have permission to edit comment")
    made = await _upload(context)
    entry.assets.append(made)
    return JSONResponse(render.attachment(call.world, made), 201)
