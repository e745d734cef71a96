"""The JSON that the scripted forge answers with, field by field as the real forge's OpenAPI has it."""

from datetime import UTC, datetime
from typing import Any

from hivetesting.forge.rights import Access, access
from hivetesting.forge.world import (
    Attachment,
    CommitStatus,
    Entry,
    Hook,
    Issue,
    Label,
    Milestone,
    Release,
    Repo,
    Review,
    Team,
    Thread,
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


def label(world: World, it: Label, of: Repo) -> Json:
    """Return a label."""
    return {
        "id": it.id,
        "name": it.name,
        "exclusive": False,
        "is_archived": False,
        "color": it.color,
        "description": it.description,
        "url": f"{world.url}/api/v1/repos/{of.full_name}/labels/{it.id}",
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


def issue_url(world: World, it: Issue) -> str:
    """Return the page of an issue or a pull request."""
    kind = "pulls" if it.pull else "issues"
    return f"{world.url}/{it.repo.full_name}/{kind}/{it.number}"


def issue(world: World, it: Issue) -> Json:
    """Return an issue, or a pull request as the issues' endpoints show it."""
    pull: Json | None = None
    if it.pull:
        pull = {
            "merged": it.pull.merged is not None,
            "merged_at": when(it.pull.merged),
            "draft": it.title.upper().startswith(("WIP:", "[WIP]")),
            "html_url": issue_url(world, it),
        }
    return {
        **_common(world, it),
        "url": f"{world.url}/api/v1/repos/{it.repo.full_name}/issues/{it.number}",
        "pull_request": pull,
        "repository": {
            "id": it.repo.id,
            "name": it.repo.name,
            "owner": it.repo.owner.login,
            "full_name": it.repo.full_name,
        },
    }


def _common(world: World, it: Issue) -> Json:
    assignees = [user(world, each) for each in it.assignees]
    return {
        "id": it.id,
        "html_url": issue_url(world, it),
        "number": it.number,
        "user": user(world, it.user),
        "title": it.title,
        "body": it.body,
        "ref": "",
        "assets": [attachment(world, each) for each in it.assets],
        "labels": [label(world, each, it.repo) for each in it.labels],
        "milestone": milestone(it.milestone, it.repo),
        "assignee": assignees[0] if assignees else None,
        "assignees": assignees or None,
        "state": it.state,
        "is_locked": False,
        "comments": len(it.comments),
        "created_at": when(it.created),
        "updated_at": when(it.updated),
        "closed_at": when(it.closed),
        "due_date": None,
    }


def pull(world: World, it: Issue, doer: User | None, found: Json) -> Json:
    """Return a pull request; `found` is what git says of it (`repository.compare`)."""
    assert it.pull is not None
    name = it.repo.full_name
    page = issue_url(world, it)
    return {
        **_common(world, it),
        "url": page,
        "draft": it.title.upper().startswith(("WIP:", "[WIP]")),
        "requested_reviewers": [user(world, each) for each in it.pull.requested],
        "requested_reviewers_teams": [],
        "additions": found["additions"],
        "deletions": found["deletions"],
        "changed_files": found["changed_files"],
        "diff_url": f"{page}.diff",
        "patch_url": f"{page}.patch",
        "mergeable": found["mergeable"],
        "merged": it.pull.merged is not None,
        "merged_at": when(it.pull.merged),
        "merge_commit_sha": it.pull.merge_commit,
        "merged_by": user(world, it.pull.merged_by),
        "merge_base": found["merge_base"],
        "base": _branch(world, it.repo, it.pull.base, found["base"], doer, name),
        "head": _branch(world, it.pull.head_repo, it.pull.head, found["head"], doer, name),
    }


def _branch(
    world: World, of: Repo, ref: str, sha: str, doer: User | None, base_name: str
) -> Json:
    label = ref if of.full_name == base_name else f"{of.owner.login}:{ref}"
    return {"label": label, "ref": ref, "sha": sha, "repo_id": of.id, "repo": repo(world, of, doer)}


def comment(world: World, it: Entry, of: Issue) -> Json:
    """Return a comment."""
    page = issue_url(world, of)
    return {
        "id": it.id,
        "html_url": f"{page}#issuecomment-{it.id}",
        "pull_request_url": page if of.pull else "",
        "issue_url": "" if of.pull else page,
        "user": user(world, it.user),
        "body": it.body,
        "assets": [attachment(world, each) for each in it.assets],
        "created_at": when(it.created),
        "updated_at": when(it.updated),
    }


def entry(world: World, it: Entry, of: Issue) -> Json:
    """Return a line of the timeline."""
    return {
        **comment(world, it, of),
        "type": it.kind,
        "old_title": it.old_title,
        "new_title": it.new_title,
        "label": label(world, it.label, of.repo) if it.label else None,
        "milestone": milestone(it.milestone, of.repo),
        "assignee": user(world, it.assignee),
        "assignee_team": None,
        "removed_assignee": it.removed_assignee,
        "review_id": it.review_id,
        "resolve_doer": None,
        "ref_action": "none",
    }


def review(world: World, it: Review, of: Issue) -> Json:
    """Return a review."""
    page = issue_url(world, of)
    return {
        "id": it.id,
        "user": user(world, it.user),
        "state": it.state,
        "body": it.body,
        "commit_id": it.commit_id,
        "stale": False,
        "official": True,
        "dismissed": False,
        "comments_count": 0,
        "submitted_at": when(it.submitted),
        "html_url": f"{page}#issuecomment-{it.id}",
        "pull_request_url": page,
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


def thread(world: World, it: Thread) -> Json:
    """Return a notification."""
    of = it.issue
    kind = "Pull" if of.pull else "Issue"
    last = of.comments[-1] if of.comments else None
    api = f"{world.url}/api/v1/repos/{of.repo.full_name}/issues"
    return {
        "id": it.id,
        "repository": repo(world, of.repo, it.user),
        "subject": {
            "title": of.title,
            "url": f"{api}/{of.number}",
            "latest_comment_url": f"{api}/comments/{last.id}" if last else "",
            "html_url": issue_url(world, of),
            "latest_comment_html_url": comment(world, last, of)["html_url"] if last else "",
            "type": kind,
            "state": "merged" if of.pull and of.pull.merged else of.state,
        },
        "unread": it.unread,
        "pinned": False,
        "updated_at": when(it.updated),
        "url": f"{world.url}/api/v1/notifications/threads/{it.id}",
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
