"""Endpoints of branches, commits, their checks, and files."""

import base64
import binascii
from typing import Any

from starlette.responses import JSONResponse, Response

from hivetesting.forge import render, repository
from hivetesting.forge.call import ApiError, Call, not_found
from hivetesting.forge.rights import Access
from hivetesting.forge.routes import Context, Routes
from hivetesting.forge.world import CommitStatus, Repo

routes = Routes()
REPO = "/repos/{owner}/{repo}"
WORST = ("error", "failure", "warning", "pending", "success")


def _branch(branch: dict[str, str]) -> dict[str, Any]:
    who = {"name": branch["author"], "email": branch["email"], "username": ""}
    return {
        "name": branch["name"],
        "commit": {"id": branch["sha"], "message": branch["message"], "author": who},
        "protected": False,
        "user_can_push": True,
        "user_can_merge": True,
    }


@routes.on("GET", REPO + "/branches", "repository")
async def list_branches(context: Context) -> Response:
    """List branches by name."""
    found = await repository.branches(context.call.repo("repo.code").path)
    return context.call.listed(found, _branch)


@routes.on("GET", REPO + "/branches/{branch:path}", "repository")
async def show_branch(context: Context) -> Response:
    """Show a branch."""
    call = context.call
    for branch in await repository.branches(call.repo("repo.code").path):
        if branch["name"] == call.path("branch"):
            return JSONResponse(_branch(branch))
    raise not_found(f"branch does not exist [name: {call.path('branch')}]")


@routes.on("POST", REPO + "/branches", "repository")
async def create_branch(context: Context) -> Response:
    """Make a branch from another one, a tag or a commit."""
    call = context.call
    repo = call.repo("repo.code", Access.WRITE)
    name = call.text("new_branch_name")
    start = call.text("old_ref_name") or call.text("old_branch_name") or repo.default_branch
    sha = await repository.resolve(repo.path, start)
    if sha is None:
        raise ApiError(404, "The old branch does not exist")
    if any(each["name"] == name for each in await repository.branches(repo.path)):
        raise ApiError(409, "The branch already exists.")
    await repository.text(repo.path, "update-ref", f"refs/heads/{name}", sha)
    made = [each for each in await repository.branches(repo.path) if each["name"] == name]
    return JSONResponse(_branch(made[0]), 201)


@routes.on("DELETE", REPO + "/branches/{branch:path}", "repository")
async def delete_branch(context: Context) -> Response:
    """Delete a branch, but never the default one."""
    call = context.call
    repo, name = call.repo("repo.code", Access.WRITE), call.path("branch")
    if name == repo.default_branch:
        raise ApiError(403, "can not delete default or pull request target branch")
    if all(each["name"] != name for each in await repository.branches(repo.path)):
        raise not_found(f"branch does not exist [name: {name}]")
    await repository.text(repo.path, "update-ref", "-d", f"refs/heads/{name}")
    return Response(status_code=204)


async def _commit(call: Call, repo: Repo, ref: str) -> str:
    sha = await repository.resolve(repo.path, ref or repo.default_branch)
    if sha is None:
        raise not_found(f"object does not exist [id: {ref}, rel_path: ]")
    _ = call
    return sha


@routes.on("POST", REPO + "/statuses/{sha}", "repository")
async def set_status(context: Context) -> Response:
    """Report a check's state for a commit."""
    call = context.call
    repo = call.repo("repo.code", Access.WRITE)
    sha = await _commit(call, repo, call.path("sha"))
    status = CommitStatus(
        call.world.new_id(), sha, call.text("context"), call.text("state"),
        call.text("description"), call.text("target_url"), call.me, call.world.now(),
    )  # fmt: skip
    repo.statuses.append(status)
    return JSONResponse(render.status(call.world, status), 201)


@routes.on("GET", REPO + "/commits/{ref:path}/status", "repository")
async def combined_status(context: Context) -> Response:
    """Show the last state of each check of a commit, and the worst of them."""
    call = context.call
    repo = call.repo("repo.code")
    sha = await _commit(call, repo, call.path("ref"))
    last = {status.context: status for status in repo.statuses if status.sha == sha}
    page = call.page_of(sorted(last.values(), key=lambda status: status.context))
    # The worst and the count are those of the page, in the real forge too.
    worst = next((state for state in WORST if state in {each.state for each in page}), "")
    shown = [render.status(call.world, status) for status in page]
    body = {"state": worst, "sha": sha, "total_count": len(page), "statuses": shown}
    return JSONResponse(body, headers={"X-Total-Count": str(len(last))})


def _entry(call: Call, repo: Repo, row: tuple[str, str, str, int]) -> dict[str, Any]:
    kind, sha, path, size = row
    return {
        "name": path.rpartition("/")[2],
        "path": path,
        "sha": sha,
        "type": "dir" if kind == "tree" else "file",
        "size": size,
        "encoding": None,
        "content": None,
        "html_url": f"{call.world.url}/{repo.full_name}/src/branch/{path}",
        "download_url": f"{call.world.url}/{repo.full_name}/raw/branch/{path}",
    }


@routes.on("GET", REPO + "/contents", "repository")
async def list_root(context: Context) -> Response:
    """List the files at the top."""
    call = context.call
    repo = call.repo("repo.code")
    commit = await _commit(call, repo, call.query("ref"))
    rows = await repository.listing(repo.path, commit, "")
    return JSONResponse([_entry(call, repo, row) for row in rows])


@routes.on("GET", REPO + "/contents/{path:path}", "repository")
async def show_file(context: Context) -> Response:
    """Show a file with its content in base64, or list a folder."""
    call = context.call
    repo = call.repo("repo.code")
    commit = await _commit(call, repo, call.query("ref"))
    path = call.path("path")
    rows = await repository.listing(repo.path, commit, path)
    if not rows:
        raise ApiError(
            404, "GetContentsOrList", errors=[f"object does not exist [id: , rel_path: {path}]"]
        )
    if len(rows) == 1 and rows[0][2] == path:
        entry = _entry(call, repo, rows[0])
        content = base64.b64encode(await repository.blob(repo.path, rows[0][1])).decode()
        return JSONResponse({**entry, "encoding": "base64", "content": content})
    return JSONResponse([_entry(call, repo, row) for row in rows])


@routes.on("GET", REPO + "/raw/{path:path}", "repository")
async def raw_file(context: Context) -> Response:
    """Return a file's bytes."""
    call = context.call
    repo = call.repo("repo.code")
    commit = await _commit(call, repo, call.query("ref"))
    rows = await repository.listing(repo.path, commit, call.path("path"))
    if len(rows) != 1 or rows[0][2] != call.path("path"):
        raise not_found()
    return Response(
        await repository.blob(repo.path, rows[0][1]), media_type="application/octet-stream"
    )


async def _change(context: Context, path: str, content: bytes | None) -> Response:
    call = context.call
    repo = call.repo("repo.code", Access.WRITE)
    branch = call.text("branch") or repo.default_branch
    onto = await repository.resolve(repo.path, f"refs/heads/{branch}")
    rows = await repository.listing(repo.path, onto, path) if onto else []
    sha, given = (rows[0][1] if rows else ""), call.text("sha")
    creating = call.request.method == "POST"
    if creating and rows:
        raise ApiError(422, f"repository file already exists [path: {path}]")
    if not creating and not rows:
        raise ApiError(404, f"repository file does not exist [path: {path}]")
    if not creating and given != sha:
        raise ApiError(422, f"sha does not match [given: {given}, expected: {sha}]")
    author = repository.Author(call.me.login, call.me.email)
    message = call.text("message") or f"Change {path}"
    target = call.text("new_branch") or branch
    if target != branch and onto:
        await repository.text(repo.path, "update-ref", f"refs/heads/{target}", onto)
    commit = await repository.write(repo.path, target, onto, {path: content}, message, author)
    shown = {"sha": commit, "message": message, "html_url": f"{call.world.url}/{commit}"}
    entry = None
    if content is not None:
        entry = _entry(call, repo, (await repository.listing(repo.path, commit, path))[0])
    return JSONResponse({"content": entry, "commit": shown}, 201 if creating else 200)


def _content(call: Call) -> bytes:
    try:
        return base64.b64decode(call.text("content"), validate=True)
    except (binascii.Error, ValueError):
        raise ApiError(422, "illegal base64 data") from None


@routes.on("POST", REPO + "/contents/{path:path}", "repository")
async def create_file(context: Context) -> Response:
    """Commit a new file."""
    return await _change(context, context.call.path("path"), _content(context.call))


@routes.on("PUT", REPO + "/contents/{path:path}", "repository")
async def update_file(context: Context) -> Response:
    """Commit a change of a file; the old content's sha must be given."""
    return await _change(context, context.call.path("path"), _content(context.call))


@routes.on("DELETE", REPO + "/contents/{path:path}", "repository")
async def delete_file(context: Context) -> Response:
    """Commit a file's removal."""
    return await _change(context, context.call.path("path"), None)
