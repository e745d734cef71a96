"""Endpoints of accounts: the signed-in user, others, access tokens, and an administrator's acts."""

import secrets

from starlette.responses import JSONResponse, Response

from hivetesting.forge import render, repository
from hivetesting.forge.call import RESERVED, ApiError, Call, not_found
from hivetesting.forge.rights import SCOPES
from hivetesting.forge.routes import Context, Routes
from hivetesting.forge.world import Issue, Token, User

routes = Routes()

MIN_PASSWORD = 8


@routes.on("GET", "/version")
async def version(context: Context) -> Response:
    """Say which version this is; Forgejo names the Gitea it is compatible with."""
    return JSONResponse({"version": context.call.world.version})


@routes.on("GET", "/user", "user")
async def me(context: Context) -> Response:
    """Show who is signed in."""
    return JSONResponse(render.user(context.call.world, context.call.me))


@routes.on("GET", "/users/search", "user")
async def search(context: Context) -> Response:
    """Find accounts by a part of their names."""
    call = context.call
    part = call.query("q").lower()
    found = [u for u in call.world.users if part in u.login.lower() and not u.organization]
    return JSONResponse({"ok": True, "data": [render.user(call.world, u) for u in found]})


@routes.on("GET", "/users/{username}", "user")
async def show(context: Context) -> Response:
    """Show an account."""
    return JSONResponse(render.user(context.call.world, context.call.user()))


def _own(call: Call) -> User:
    user = call.user()
    if call.me is not user and not call.me.admin:
        raise ApiError(403, "doer should be the site admin or be same as the contextUser")
    if not call.basic:
        raise ApiError(401, "auth required")
    return user


@routes.on("GET", "/users/{username}/tokens", "user")
async def list_tokens(context: Context) -> Response:
    """List an account's tokens, without their values; only with a password, not with a token."""
    owner = _own(context.call)
    mine = [token for token in context.call.world.tokens if token.owner is owner]
    return context.call.listed(mine, lambda token: render.token(token, value=False))


@routes.on("POST", "/users/{username}/tokens", "user")
async def create_token(context: Context) -> Response:
    """Make a token; its value is in this answer and nowhere else."""
    call = context.call
    owner = _own(call)
    name = call.text("name")
    if not name:
        raise ApiError(422, "[Name]: Required")
    if any(token.owner is owner and token.name == name for token in call.world.tokens):
        raise ApiError(400, "access token name has been used already")
    scopes = tuple(call.body.get("scopes") or ())
    if unknown := [scope for scope in scopes if scope not in SCOPES]:
        raise ApiError(400, f"invalid access token scope provided: {unknown[0]}")
    if not scopes:
        raise ApiError(400, "access token must have a scope")
    token = Token(call.world.new_id(), owner, name, secrets.token_hex(20), scopes, call.world.now())
    call.world.tokens.append(token)
    return JSONResponse(render.token(token, value=True), 201)


@routes.on("DELETE", "/users/{username}/tokens/{token}", "user")
async def delete_token(context: Context) -> Response:
    """Delete a token by its id or its name."""
    call = context.call
    owner = _own(call)
    wanted = call.path("token")
    for token in call.world.tokens:
        if token.owner is owner and wanted in {str(token.id), token.name}:
            call.world.tokens.remove(token)
            return Response(status_code=204)
    raise not_found()


def _admin(call: Call) -> None:
    if not call.me.admin:
        raise ApiError(403, "user should be the site admin")


def _check_password(password: str) -> None:
    if len(password) < MIN_PASSWORD:
        raise ApiError(400, f"password must be at least {MIN_PASSWORD} characters")


@routes.on("GET", "/admin/users", "admin")
async def list_users(context: Context) -> Response:
    """List all accounts."""
    _admin(context.call)
    world = context.call.world
    people = [user for user in world.users if not user.organization]
    return context.call.listed(people, lambda user: render.user(world, user))


@routes.on("POST", "/admin/users", "admin")
async def create_user(context: Context) -> Response:
    """Make an account."""
    call = context.call
    _admin(call)
    name, email, password = (call.text(field) for field in ("username", "email", "password"))
    if not name or not email:
        raise ApiError(422, f"[{'Username' if not name else 'Email'}]: Required")
    if not password:
        raise ApiError(400, "PasswordIsRequired")
    _check_password(password)
    if name.lower() in RESERVED:
        raise ApiError(422, f"name is reserved [name: {name}]")
    if call.world.user(name):
        raise ApiError(422, f"user already exists [name: {name}]")
    if any(user.email.lower() == email.lower() for user in call.world.users):
        raise ApiError(422, f"e-mail already in use [email: {email}]")
    user = User(
        call.world.new_id(), name, call.world.now(), email, call.text("full_name"), password,
        must_change_password=call.body.get("must_change_password", True) is not False,
        restricted=bool(call.body.get("restricted")),
        visibility=call.text("visibility") or "public",
    )  # fmt: skip
    call.world.users.append(user)
    return JSONResponse(render.user(call.world, user), 201)


@routes.on("PATCH", "/admin/users/{username}", "admin")
async def edit_user(context: Context) -> Response:
    """Change an account; `source_id` and `login_name` are demanded even when unchanged."""
    call = context.call
    _admin(call)
    user = call.user()
    if not call.text("login_name"):
        raise ApiError(422, "[LoginName]: Required")
    if "password" in call.body:
        _check_password(call.text("password"))
        user.password = call.text("password")
        user.must_change_password = call.body.get("must_change_password", True) is not False
    user.email = call.text("email") or user.email
    user.full_name = call.text("full_name", user.full_name)
    user.prohibit_login = bool(call.body.get("prohibit_login", user.prohibit_login))
    return JSONResponse(render.user(call.world, user))


@routes.on("POST", "/admin/users/{username}/rename", "admin")
async def rename_user(context: Context) -> Response:
    """Give an account another name."""
    call = context.call
    _admin(call)
    user, name = call.user(), call.text("new_username")
    taken = call.world.user(name)
    if taken is not None and taken is not user:
        raise ApiError(422, f"user already exists [name: {name}]")
    user.login = name
    return Response(status_code=204)


@routes.on("DELETE", "/admin/users/{username}", "admin")
async def delete_user(context: Context) -> Response:
    """Delete an account; with `purge` all that it owns goes too."""
    call = context.call
    _admin(call)
    user, world = call.user(), call.world
    if user is call.me:
        raise ApiError(422, "you cannot delete yourself")
    owned = [repo for repo in world.repos if repo.owner is user]
    if owned and call.query("purge") != "true":
        raise ApiError(422, f"user still has ownership of repositories [uid: {user.id}]")
    for repo in owned:
        world.repos.remove(repo)
        repository.remove(repo.path)
    world.tokens[:] = [token for token in world.tokens if token.owner is not user]
    world.threads[:] = [thread for thread in world.threads if thread.user is not user]
    for team in world.teams:
        team.members[:] = [member for member in team.members if member is not user]
    for repo in world.repos:
        repo.collaborators.pop(user.id, None)
        repo.watchers[:] = [each for each in repo.watchers if each is not user]
        _forget(repo.issues, user)
    world.users.remove(user)
    return Response(status_code=204)


def _forget(issues: list[Issue], user: User) -> None:
    for issue in issues:
        issue.assignees[:] = [each for each in issue.assignees if each is not user]
