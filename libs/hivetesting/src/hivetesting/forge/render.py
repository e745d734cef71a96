"""The JSON that the scripted forge answers with, field by field as the real forge's OpenAPI has it."""

from datetime import UTC, datetime
from typing import Any

from hivetesting.forge.rights import Access, access
from hivetesting.forge.world import (
    Attachment,
    CommitStatus,
    Hook,
    Label,
    Milestone,
    Release,
    Repo,
    Team,
    Token,
    User,
    World,
)

Json = dict[str, Any]


def when(moment: float | None) -> str | None:
    """Return a moment as the real forge writes it: whole seconds, UTC."""
    if moment is None:
        return None
    return datetime.fromtimestamp(int(moment), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def user(world: World, it: User | None) -> Json | None:
    """Return an account."""
    if it is None:
        return None
    return {
        "id": it.id,
        "login": it.login,
        "login_name": "",
        "source_id": 0,
        "full_name": it.full_name,
        "email": it.email,
        "avatar_url": f"{world.url}/avatars/{it.id}",
        "html_url": f"{world.url}/{it.login}",
        "language": "",
        "is_admin": it.admin,
        "created": when(it.created),
        "restricted": it.restricted,
        "active": not it.organization,
        "prohibit_login": it.prohibit_login,
        "visibility": it.visibility,
        "username": it.login,
    }


def organization(world: World, it: User) -> Json:
    """Return an organisation."""
    return {
        "id": it.id,
        "name": it.login,
        "full_name": it.full_name,
        "email": it.email,
        "avatar_url": f"{world.url}/avatars/{it.id}",
        "description": "",
        "visibility": it.visibility,
        "username": it.login,
    }


def token(it: Token, *, value: bool) -> Json:
    """Return an access token; its value only when it has just been made."""
    return {
        "id": it.id,
        "name": it.name,
        "sha1": it.value if value else "",
        "token_last_eight": it.value[-8:],
        "scopes": list(it.scopes),
    }


def team(world: World, it: Team) -> Json:
    """Return a team."""
    return {
        "id": it.id,
        "name": it.name,
        "description": it.description,
        "organization": organization(world, it.org),
        "includes_all_repositories": it.includes_all,
        "permission": it.permission,
        "units": list(it.units),
        "units_map": dict(it.units),
        "can_create_org_repo": it.can_create_org_repo,
    }


def repo(world: World, it: Repo, doer: User | None) -> Json:
    """Return a repository with what the doer may do in it."""
    best = access(world, doer, it, "repo.code")
    opened = [issue for issue in it.issues if issue.state == "open"]
    return {
        "id": it.id,
        "owner": user(world, it.owner),
        "name": it.name,
        "full_name": it.full_name,
        "description": it.description,
        "empty": not (it.path / "refs" / "heads").is_dir(),
        "private": it.private,
        "fork": it.parent is not None,
        "parent": repo(world, it.parent, doer) if it.parent else None,
        "mirror": False,
        "archived": it.archived,
        "html_url": f"{world.url}/{it.full_name}",
        "url": f"{world.url}/api/v1/repos/{it.full_name}",
        "clone_url": f"{world.url}/{it.full_name}.git",
        "default_branch": it.default_branch,
        "created_at": when(it.created),
        "updated_at": when(it.created),
        "open_issues_count": sum(issue.pull is None for issue in opened),
        "open_pr_counter": sum(issue.pull is not None for issue in opened),
        "permissions": {
            "admin": best >= Access.ADMIN,
            "push": best >= Access.WRITE,
            "pull": best >= Access.READ,
        },
    }


def label(world: World, it: Label, of: Repo | None) -> Json:
    """Return a label, of a repository or of a whole organisation."""
    where = f"repos/{of.full_name}/labels" if of else "orgs/labels"
    return {
        "id": it.id,
        "name": it.name,
        "exclusive": False,
        "is_archived": False,
        "color": it.color,
        "description": it.description,
        "url": f"{world.url}/api/v1/{where}/{it.id}",
    }


def milestone(it: Milestone | None, of: Repo) -> Json | None:
    """Return a milestone with its counts."""
    if it is None:
        return None
    mine = [issue for issue in of.issues if issue.milestone is it]
    return {
        "id": it.id,
        "title": it.title,
        "description": it.description,
        "state": it.state,
        "open_issues": sum(issue.state == "open" for issue in mine),
        "closed_issues": sum(issue.state != "open" for issue in mine),
        "created_at": when(it.created),
        "updated_at": when(it.created),
        "closed_at": when(it.closed),
        "due_on": it.due,
    }


def attachment(world: World, it: Attachment) -> Json:
    """Return an attached file."""
    return {
        "id": it.id,
        "name": it.name,
        "size": len(it.content),
        "download_count": 0,
        "created_at": when(it.created),
        "uuid": it.uuid,
        "browser_download_url": f"{world.url}/attachments/{it.uuid}",
    }


def status(world: World, it: CommitStatus) -> Json:
    """Return one check of a commit; `status` is the API's name for its state."""
    return {
        "id": it.id,
        "status": it.state,
        "target_url": it.target_url,
        "description": it.description,
        "context": it.context,
        "creator": user(world, it.creator),
        "created_at": when(it.created),
        "updated_at": when(it.created),
    }


def release(world: World, it: Release, of: Repo) -> Json:
    """Return a release."""
    base = f"{world.url}/{of.full_name}"
    return {
        "id": it.id,
        "tag_name": it.tag,
        "target_commitish": it.target,
        "name": it.name,
        "body": it.body,
        "url": f"{world.url}/api/v1/repos/{of.full_name}/releases/{it.id}",
        "html_url": f"{base}/releases/tag/{it.tag}",
        "tarball_url": f"{base}/archive/{it.tag}.tar.gz",
        "zipball_url": f"{base}/archive/{it.tag}.zip",
        "draft": it.draft,
        "prerelease": it.prerelease,
        "created_at": when(it.created),
        "published_at": when(it.created),
        "author": user(world, it.author),
        "assets": [attachment(world, each) for each in it.assets],
    }


def hook(it: Hook) -> Json:
    """Return a webhook, without its secret."""
    shown = {key: value for key, value in it.config.items() if key != "secret"}
    return {
        "id": it.id,
        "type": "forgejo",
        "config": shown,
        "events": list(it.events),
        "active": it.active,
        "branch_filter": "",
        "created_at": when(it.created),
        "updated_at": when(it.created),
    }
