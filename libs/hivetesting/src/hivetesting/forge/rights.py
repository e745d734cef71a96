"""Who may do what on a scripted forge: token scopes and the permissions of repositories."""

from enum import IntEnum

from hivetesting.forge.world import Repo, Team, Token, User, World

CATEGORIES = (
    "activitypub",
    "admin",
    "issue",
    "misc",
    "notification",
    "organization",
    "package",
    "repository",
    "user",
)
SCOPES = frozenset(
    {"all", "public-only"}
    | {f"{level}:{category}" for level in ("read", "write") for category in CATEGORIES}
)


class Access(IntEnum):
    """How far somebody may go in a unit of a repository."""

    NONE = 0
    READ = 1
    WRITE = 2
    ADMIN = 3
    OWNER = 4


BY_WORD = {
    "none": Access.NONE,
    "read": Access.READ,
    "write": Access.WRITE,
    "admin": Access.ADMIN,
    "owner": Access.OWNER,
}


def allows(token: Token, category: str, *, write: bool) -> bool:
    """Whether a token's scopes reach a category; writing implies reading."""
    if "all" in token.scopes:
        return True
    wanted = {f"write:{category}"} if write else {f"read:{category}", f"write:{category}"}
    return bool(wanted & set(token.scopes))


def access(world: World, user: User | None, repo: Repo, unit: str) -> Access:
    """Return how far a user may go in a unit such as `repo.issues`."""
    if user is None:
        return Access.NONE if repo.private else Access.READ
    if user.admin or repo.owner is user:
        return Access.OWNER
    best = Access.NONE if repo.private else Access.READ
    if user.id in repo.collaborators:
        best = max(best, BY_WORD[repo.collaborators[user.id]])
    for team in world.teams_of(repo.owner):
        if user in team.members and (team.includes_all or repo in team.repos):
            best = max(best, _of_team(team, unit))
    return best


def _of_team(team: Team, unit: str) -> Access:
    whole = BY_WORD[team.permission]
    if whole >= Access.ADMIN:
        return whole
    return BY_WORD[team.units.get(unit, "none")]


def owns(world: World, user: User | None, org: User) -> bool:
    """Whether a user owns an organisation."""
    if user is None:
        return False
    return user.admin or any(
        team.permission == "owner" and user in team.members for team in world.teams_of(org)
    )


def belongs(world: World, user: User | None, org: User) -> bool:
    """Whether a user is in any team of an organisation."""
    if user is None:
        return False
    return user.admin or any(user in team.members for team in world.teams_of(org))
