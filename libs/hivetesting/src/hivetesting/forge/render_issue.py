"""The JSON of issues, pull requests, comments, reviews and notifications."""

from hivetesting.forge.render import Json, attachment, label, milestone, repo, user, when
from hivetesting.forge.world import Entry, Issue, Repo, Review, Thread, User, World


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
    if it.pull is None:
        raise TypeError(f"#{it.number} is no pull request")
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


def _branch(world: World, of: Repo, ref: str, sha: str, doer: User | None, base_name: str) -> Json:
    shown = ref if of.full_name == base_name else f"{of.owner.login}:{ref}"
    return {"label": shown, "ref": ref, "sha": sha, "repo_id": of.id, "repo": repo(world, of, doer)}


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
        "comments_count": len(of.code_of(it.id)),
        "submitted_at": when(it.submitted),
        "html_url": f"{page}#issuecomment-{it.id}",
        "pull_request_url": page,
    }


def code_comment(world: World, it: Entry, of: Issue) -> Json:
    """Return a comment on a line of code."""
    page = issue_url(world, of)
    return {
        "id": it.id,
        "body": it.body,
        "user": user(world, it.user),
        "resolver": None,
        "pull_request_review_id": it.review_id,
        "created_at": when(it.created),
        "updated_at": when(it.updated),
        "path": it.path,
        "position": it.line,
        "original_position": 0,
        "html_url": f"{page}/files#issuecomment-{it.id}",
        "pull_request_url": page,
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
