"""Endpoints of notifications and webhooks."""

from datetime import datetime

from starlette.responses import JSONResponse, Response

from hivetesting.forge import render, render_issue
from hivetesting.forge.call import ApiError, Call, not_found
from hivetesting.forge.rights import Access
from hivetesting.forge.routes import Context, Routes
from hivetesting.forge.world import Hook, Thread

routes = Routes()
RESET_CONTENT = 205


@routes.on("GET", "/notifications", "notification")
async def list_threads(context: Context) -> Response:
    """List the doer's notifications, the newest first; the unread ones unless `all`."""
    call = context.call
    mine = [thread for thread in call.world.threads if thread.user is call.me]
    if call.query("all") != "true":
        mine = [thread for thread in mine if thread.unread]
    mine.sort(key=lambda thread: thread.updated, reverse=True)
    return call.listed(mine, lambda thread: render_issue.thread(call.world, thread))


@routes.on("GET", "/notifications/new", "notification")
async def count(context: Context) -> Response:
    """Count the unread ones."""
    call = context.call
    unread = sum(thread.unread and thread.user is call.me for thread in call.world.threads)
    return JSONResponse({"new": unread})


@routes.on("PUT", "/notifications", "notification")
async def read_all(context: Context) -> Response:
    """Mark all as read that were updated before `last_read_at`."""
    call = context.call
    until = call.query("last_read_at")
    limit = datetime.fromisoformat(until).timestamp() if until else None
    changed = []
    for thread in call.world.threads:
        early = limit is None or int(thread.updated) <= limit
        if thread.user is call.me and thread.unread and early:
            thread.unread = False
            changed.append(render_issue.thread(call.world, thread))
    return JSONResponse(changed, RESET_CONTENT)


def _thread(call: Call) -> Thread:
    number = call.number("thread")
    for thread in call.world.threads:
        if thread.id == number:
            if thread.user is not call.me:
                raise ApiError(
                    403,
                    f"only user itself and admin are allowed to read/change this thread {number}",
                )
            return thread
    raise not_found(f"notification does not exist [id: {number}]")


@routes.on("GET", "/notifications/threads/{thread}", "notification")
async def show(context: Context) -> Response:
    """Show one notification."""
    return JSONResponse(render_issue.thread(context.call.world, _thread(context.call)))


@routes.on("PATCH", "/notifications/threads/{thread}", "notification")
async def read(context: Context) -> Response:
    """Mark one notification as read (or as `to-status` says)."""
    thread = _thread(context.call)
    thread.unread = (context.call.query("to-status") or "read") == "unread"
    thread.updated = context.call.world.now()
    return JSONResponse(render_issue.thread(context.call.world, thread), RESET_CONTENT)


@routes.on("DELETE", "/repos/{owner}/{repo}/subscription", "repository")
async def unwatch(context: Context) -> Response:
    """Stop watching a repository."""
    repo, me = context.call.repo(), context.call.me
    repo.watchers[:] = [user for user in repo.watchers if user is not me]
    return Response(status_code=204)


@routes.on("PUT", "/repos/{owner}/{repo}/subscription", "repository")
async def watch(context: Context) -> Response:
    """Watch a repository."""
    repo, me = context.call.repo(), context.call.me
    if me not in repo.watchers:
        repo.watchers.append(me)
    return JSONResponse({"subscribed": True, "ignored": False})


def _made(call: Call) -> Hook:
    config = call.body.get("config") or {}
    if "url" not in config or "content_type" not in config:
        raise ApiError(422, "Missing config option: url")
    return Hook(
        call.world.new_id(), dict(config), list(call.body.get("events") or ["push"]),
        bool(call.body.get("active")), call.world.now(),
    )  # fmt: skip


def _admin(call: Call) -> None:
    if not call.me.admin:
        raise ApiError(403, "user should be the site admin")


@routes.on("GET", "/admin/hooks", "admin")
async def list_system_hooks(context: Context) -> Response:
    """List the webhooks of the whole forge, all of them whatever page is asked for."""
    _admin(context.call)
    hooks = [hook for hook in context.call.world.hooks if not (hook.repo or hook.org)]
    return JSONResponse([render.hook(hook) for hook in hooks])  # the real one has no pages here


@routes.on("POST", "/admin/hooks", "admin")
async def create_system_hook(context: Context) -> Response:
    """Make a webhook for the whole forge."""
    _admin(context.call)
    hook = _made(context.call)
    context.call.world.hooks.append(hook)
    return JSONResponse(render.hook(hook), 201)


def _system_hook(call: Call) -> Hook:
    _admin(call)
    number = call.number("hook")
    for hook in call.world.hooks:
        if hook.id == number and not (hook.repo or hook.org):
            return hook
    raise not_found()


@routes.on("PATCH", "/admin/hooks/{hook}", "admin")
async def edit_system_hook(context: Context) -> Response:
    """Change a webhook."""
    call = context.call
    hook = _system_hook(call)
    hook.config.update(call.body.get("config") or {})
    hook.events = list(call.body.get("events") or hook.events)
    hook.active = bool(call.body.get("active", hook.active))
    return JSONResponse(render.hook(hook))


@routes.on("DELETE", "/admin/hooks/{hook}", "admin")
async def delete_system_hook(context: Context) -> Response:
    """Delete a webhook."""
    context.call.world.hooks.remove(_system_hook(context.call))
    return Response(status_code=204)


@routes.on("POST", "/repos/{owner}/{repo}/hooks", "repository")
async def create_repo_hook(context: Context) -> Response:
    """Make a webhook of a repository."""
    repo = context.call.repo("repo.code", Access.ADMIN)
    hook = _made(context.call)
    hook.repo = repo
    context.call.world.hooks.append(hook)
    return JSONResponse(render.hook(hook), 201)
