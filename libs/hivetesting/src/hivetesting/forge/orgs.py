"""Endpoints of organisations, their teams and repositories, and of repositories as such."""

from typing import Any

from starlette.responses import JSONResponse, Response

from hivetesting.forge import render, repository
from hivetesting.forge.call import RESERVED, ApiError, Call, not_found
from hivetesting.forge.rights import BY_WORD, Access, access, belongs, owns
from hivetesting.forge.routes import Context, Routes
from hivetesting.forge.world import Repo, Team, User

routes = Routes()


def _org(call: Call, *, owned: bool = False) -> User:
    org = call.world.user(call.path("org"))
    if org is None or not org.organization:
        raise not_found("GetOrgByName")
    if org.visibility == "private" and not belongs(call.world, call.doer, org):
        raise not_found("HasOrgOrUserVisible")
    if owned and not owns(call.world, call.me, org):
        raise ApiError(403, "Must be an organization owner")
    return org


@routes.on("POST", "/orgs", "organization")
async def create_org(context: Context) -> Response:
    """Make an organisation that the doer owns."""
    call = context.call
    name = call.text("username")
    if not name:
        raise ApiError(422, "[UserName]: Required")
    if name.lower() in RESERVED:
        raise ApiError(422, f"name is reserved [name: {name}]")
    if call.world.user(name):
        raise ApiError(422, f"user already exists [name: {name}]")
    org = User(
        call.world.new_id(), name, call.world.now(), organization=True,
        visibility=call.text("visibility") or "public", full_name=call.text("full_name"),
    )  # fmt: skip
    call.world.users.append(org)
    owners = Team(call.world.new_id(), org, "Owners", "owner", {}, includes_all=True)
    owners.members.append(call.me)
    call.world.teams.append(owners)
    return JSONResponse(render.organization(call.world, org), 201)


@routes.on("GET", "/orgs/{org}", "organization")
async def show_org(context: Context) -> Response:
    """Show an organisation to those who may see it."""
    return JSONResponse(render.organization(context.call.world, _org(context.call)))


@routes.on("GET", "/orgs/{org}/teams", "organization")
async def list_teams(context: Context) -> Response:
    """List an organisation's teams."""
    world = context.call.world
    teams = world.teams_of(_org(context.call))
    return context.call.listed(teams, lambda team: render.team(world, team))


@routes.on("POST", "/orgs/{org}/teams", "organization")
async def create_team(context: Context) -> Response:
    """Make a team; `units_map` gives its access per unit."""
    call = context.call
    org = _org(call, owned=True)
    name = call.text("name")
    if any(team.name.lower() == name.lower() for team in call.world.teams_of(org)):
        raise ApiError(422, f"team already exists [org_id: {org.id}, name: {name}]")
    units: dict[str, str] = call.body.get("units_map") or {}
    if not units and call.text("permission") != "admin":
        raise ApiError(422, "units permission should not be empty")
    team = Team(
        call.world.new_id(), org, name, "admin" if call.text("permission") == "admin" else "none",
        units, bool(call.body.get("includes_all_repositories")),
        bool(call.body.get("can_create_org_repo")), call.text("description"),
    )  # fmt: skip
    call.world.teams.append(team)
    return JSONResponse(render.team(call.world, team), 201)


def _team(call: Call) -> Team:
    number = call.number("team")
    team = next((team for team in call.world.teams if team.id == number), None)
    if team is None:
        raise not_found()
    if call.request.method != "GET" and not owns(call.world, call.me, team.org):
        raise ApiError(403, "Must be an organization owner")
    return team


@routes.on("GET", "/teams/{team}/members", "organization")
async def list_members(context: Context) -> Response:
    """List a team's members."""
    world = context.call.world
    return context.call.listed(_team(context.call).members, lambda user: render.user(world, user))


@routes.on("PUT", "/teams/{team}/members/{username}", "organization")
async def add_member(context: Context) -> Response:
    """Put somebody into a team; once is enough."""
    team, user = _team(context.call), context.call.user()
    if user not in team.members:
        team.members.append(user)
    return Response(status_code=204)


@routes.on("PUT", "/teams/{team}/repos/{org}/{repo}", "organization")
async def add_team_repo(context: Context) -> Response:
    """Give a team access to a repository."""
    team = _team(context.call)
    repo = context.call.world.repo(context.call.path("org"), context.call.path("repo"))
    if repo is None:
        raise not_found()
    if repo not in team.repos:
        team.repos.append(repo)
    return Response(status_code=204)


async def make_repo(call: Call, owner: User, fields: dict[str, Any]) -> Repo:
    """Make a repository with its git directory."""
    name = str(fields.get("name") or "")
    if not name:
        raise ApiError(422, "[Name]: Required")
    if call.world.repo(owner.login, name):
        raise ApiError(409, "The repository with the same name already exists.")
    branch = str(fields.get("default_branch") or "main")
    number = call.world.new_id()
    path = call.world.root / f"{number}.git"
    await repository.create(path, branch)
    repo = Repo(
        number, owner, name, path, call.world.now(), bool(fields.get("private")),
        str(fields.get("description") or ""), branch,
    )  # fmt: skip
    repo.watchers.append(call.me)
    if fields.get("auto_init"):
        author = repository.Author(call.me.login, call.me.email)
        readme = {"README.md": f"# {name}\n".encode()}
        await repository.write(path, branch, None, readme, "Initial commit", author)
    call.world.repos.append(repo)
    return repo


@routes.on("POST", "/orgs/{org}/repos", "organization", "repository")
async def create_org_repo(context: Context) -> Response:
    """Make a repository of an organisation."""
    call = context.call
    repo = await make_repo(call, _org(call, owned=True), call.body)
    return JSONResponse(render.repo(call.world, repo, call.me), 201)


@routes.on("POST", "/user/repos", "user", "repository")
async def create_own_repo(context: Context) -> Response:
    """Make a repository of one's own."""
    repo = await make_repo(context.call, context.call.me, context.call.body)
    return JSONResponse(render.repo(context.call.world, repo, context.call.me), 201)


@routes.on("GET", "/repos/search", "repository")
async def search(context: Context) -> Response:
    """Find repositories that the doer may see."""
    call = context.call
    part = call.query("q").lower()
    found = [
        repo for repo in call.world.repos
        if part in repo.name.lower() and access(call.world, call.doer, repo, "repo.code")
    ]  # fmt: skip
    shown = [render.repo(call.world, repo, call.doer) for repo in found]
    return JSONResponse({"ok": True, "data": shown})


@routes.on("GET", "/repos/{owner}/{repo}", "repository")
async def show(context: Context) -> Response:
    """Show a repository."""
    repo = context.call.repo()
    return JSONResponse(render.repo(context.call.world, repo, context.call.doer))


@routes.on("PATCH", "/repos/{owner}/{repo}", "repository")
async def edit(context: Context) -> Response:
    """Change a repository."""
    call = context.call
    repo = call.repo("repo.code", Access.ADMIN)
    repo.default_branch = call.text("default_branch", repo.default_branch)
    repo.description = call.text("description", repo.description)
    repo.private = bool(call.body.get("private", repo.private))
    repo.archived = bool(call.body.get("archived", repo.archived))
    return JSONResponse(render.repo(call.world, repo, call.me))


@routes.on("DELETE", "/repos/{owner}/{repo}", "repository")
async def delete(context: Context) -> Response:
    """Delete a repository."""
    repo = context.call.repo("repo.code", Access.OWNER)
    context.call.world.repos.remove(repo)
    repository.remove(repo.path)
    return Response(status_code=204)


@routes.on("POST", "/repos/{owner}/{repo}/forks", "repository")
async def fork(context: Context) -> Response:
    """Copy a repository to the doer's own."""
    call = context.call
    parent, owner = call.repo("repo.code"), call.me
    if call.world.repo(owner.login, parent.name):
        raise ApiError(409, "The repository with the same name already exists.")
    number = call.world.new_id()
    path = call.world.root / f"{number}.git"
    await repository.clone(parent.path, path)
    repo = Repo(
        number, owner, parent.name, path, call.world.now(), parent.private,
        default_branch=parent.default_branch, parent=parent,
    )  # fmt: skip
    call.world.repos.append(repo)
    return JSONResponse(render.repo(call.world, repo, owner), 202)


@routes.on("GET", "/repos/{owner}/{repo}/collaborators/{username}/permission", "repository")
async def permission(context: Context) -> Response:
    """Say what somebody may do in a repository."""
    call = context.call
    repo, user = call.repo(), call.user()
    level = access(call.world, user, repo, "repo.code")
    word = next(word for word, each in BY_WORD.items() if each is level)
    shown = render.user(call.world, user)
    return JSONResponse({"permission": word, "role_name": word, "user": shown})


@routes.on("PUT", "/repos/{owner}/{repo}/collaborators/{username}", "repository")
async def collaborate(context: Context) -> Response:
    """Give somebody access to a repository."""
    repo, user = context.call.repo("repo.code", Access.ADMIN), context.call.user()
    repo.collaborators[user.id] = context.call.text("permission") or "write"
    return Response(status_code=204)


@routes.on("GET", "/repos/{owner}/{repo}/assignees", "repository")
async def assignees(context: Context) -> Response:
    """List who can be assigned in a repository."""
    call = context.call
    repo = call.repo()
    able = [
        user for user in call.world.users
        if not user.organization and _assignable(call, user, repo)
    ]  # fmt: skip
    return JSONResponse([render.user(call.world, user) for user in able])


def _assignable(call: Call, user: User, repo: Repo) -> bool:
    return user is repo.owner or (
        access(call.world, user, repo, "repo.issues") >= Access.WRITE and not user.admin
    ) or user is call.doer  # fmt: skip
