"""One request to the scripted forge: who asks, for what, and the forms its answers take."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from hivetesting.forge.rights import BY_WORD, Access, access, allows
from hivetesting.forge.world import UNITS, Issue, Repo, Token, User, World

T = TypeVar("T")

RESERVED = frozenset({
    "api", "assets", "attachments", "avatar", "avatars", "captcha", "explore", "ghost", "issues",
    "login", "metrics", "milestones", "notifications", "org", "pulls", "repo", "user", "v2",
})  # fmt: skip
"""Names that no account may have."""
DEFAULT_PAGE = 30  # [api] DEFAULT_PAGING_NUM


class ApiError(Exception):
    """An answer other than success, in the real forge's form `{"message","url"}`."""

    def __init__(self, status: int, message: str = "", **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.more = more


def not_found(message: str = "") -> ApiError:
    """Return the 404 that the real forge gives, which lists its causes."""
    text = message or "The target couldn't be found."
    return ApiError(404, text, errors=[])


@dataclass
class Call:
    """A request with its doer. Handlers ask it for what they need, and are refused by it."""

    world: World
    request: Request
    doer: User | None = None
    token: Token | None = None
    basic: bool = False
    body: dict[str, Any] = field(default_factory=dict)

    @property
    def me(self) -> User:
        """The doer; 401 if nobody has signed in."""
        if self.doer is None:
            raise ApiError(401, "token is required")
        return self.doer

    def path(self, name: str) -> str:
        """Return a part of the path."""
        return str(self.request.path_params[name])

    def query(self, name: str, default: str = "") -> str:
        """Return a query parameter."""
        return self.request.query_params.get(name, default)

    def text(self, name: str, default: str = "") -> str:
        """Return a text of the body; 422 if it is something else, as the real decoder says."""
        value = self.body.get(name, default)
        if value is None:
            return default
        if not isinstance(value, str):
            kind = type(value).__name__
            raise ApiError(422, f"json: cannot unmarshal {kind} into Go struct field .{name}")
        return value

    def user(self, name: str = "username") -> User:
        """Return the account that the path names."""
        user = self.world.user(self.path(name))
        if user is None:
            raise not_found(f"user redirect does not exist [name: {self.path(name)}]")
        return user

    def repo(self, unit: str = "", need: Access = Access.READ) -> Repo:
        """Return the repository of the path: 404 if the doer may not see it, 403 if not do this."""
        repo = self.world.repo(self.path("owner"), self.path("repo"))
        if repo is None:
            raise not_found()
        best = max(access(self.world, self.doer, repo, each) for each in UNITS)
        if best < Access.READ:
            raise not_found()
        have = access(self.world, self.doer, repo, unit) if unit else best
        if need > Access.READ:
            _ = self.me
            if repo.archived:
                raise ApiError(423, f"{repo.full_name} is archived")
        if have < need:
            raise ApiError(403, _refusal(need))
        return repo

    def issue(self, unit: str = "", need: Access = Access.READ) -> Issue:
        """Return the issue or pull request of the path; its own unit unless one is named."""
        repo = self.repo()
        number = self.number("index")
        found = next((issue for issue in repo.issues if issue.number == number), None)
        if found is None:
            raise not_found(f"issue does not exist [id: 0, repo_id: {repo.id}, index: {number}]")
        wanted = unit or ("repo.pulls" if found.pull else "repo.issues")
        self.repo(wanted, need)
        return found

    def number(self, name: str) -> int:
        """Return a number of the path."""
        try:
            return int(self.path(name))
        except ValueError:
            raise not_found() from None

    def may(self, repo: Repo, unit: str, need: Access) -> bool:
        """Whether the doer may go so far in a unit."""
        return access(self.world, self.doer, repo, unit) >= need

    def listed(self, items: Sequence[T], show: Callable[[T], Any]) -> Response:
        """Return one page of a list with `X-Total-Count` and `Link`, as the real forge does."""
        page, limit = self._page()
        start = (page - 1) * limit
        response = JSONResponse([show(item) for item in items[start : start + limit]])
        response.headers["X-Total-Count"] = str(len(items))
        links = self._links(page, max(1, -(-len(items) // limit)))
        if links:
            response.headers["Link"] = ",".join(links)
        return response

    def cut_then_filtered(
        self, items: Sequence[T], keep: Callable[[T], bool], show: Callable[[T], Any]
    ) -> Response:
        """Return a page of which some were left out afterwards; the count is that of the page."""
        kept = [item for item in self.page_of(items) if keep(item)]
        if not kept:
            return JSONResponse(None)  # the real forge's empty list, here and nowhere else
        response = JSONResponse([show(item) for item in kept])
        response.headers["X-Total-Count"] = str(len(kept))
        return response

    def page_of(self, items: Sequence[T]) -> Sequence[T]:
        """Return the page that was asked for."""
        page, limit = self._page()
        return items[(page - 1) * limit : page * limit]

    def _page(self) -> tuple[int, int]:
        limit = _int(self.query("limit"), DEFAULT_PAGE)
        limit = limit if limit > 0 else DEFAULT_PAGE
        return max(1, _int(self.query("page"), 1)), min(limit, self.world.max_page)

    def _links(self, page: int, last: int) -> list[str]:
        wanted: list[tuple[str, int]] = []
        if page < last:
            wanted += [("next", page + 1), ("last", last)]
        if page > 1:
            wanted += [("first", 1), ("prev", page - 1)]
        path = self.request.url.path
        links = []
        for name, target in wanted:
            query = urlencode({**dict(self.request.query_params), "page": str(target)})
            links.append(f'<{self.world.url}{path}?{query}>; rel="{name}"')
        return links


def _int(text: str, default: int) -> int:
    try:
        return int(text)
    except ValueError:
        return default


def _refusal(need: Access) -> str:
    if need >= Access.OWNER:
        return "user should be the owner of the repo"
    if need >= Access.ADMIN:
        return "user should be an owner or a collaborator with admin write of a repository"
    word = next(word for word, level in BY_WORD.items() if level is need)
    return f"user should have a permission to {word} to a repo"


def sign_in(call: Call) -> None:
    """Find out who asks, from a token, from basic auth, or from an administrator's sudo."""
    header = call.request.headers.get("authorization", "")
    kind, _, rest = header.partition(" ")
    if kind.lower() in {"token", "bearer"}:
        _by_token(call, rest.strip())
        if call.token is None:
            raise ApiError(401, "invalid username, password or token")
    elif kind.lower() == "basic":
        _by_password(call, rest.strip())
    sudo = call.query("sudo") or call.request.headers.get("sudo", "")
    if sudo:
        if call.doer is None or not call.doer.admin:
            raise ApiError(403, "Only administrators allowed to sudo.")
        call.doer = call.world.user(sudo)
        if call.doer is None:
            raise not_found()


def _by_token(call: Call, value: str) -> None:
    call.token = next((token for token in call.world.tokens if token.value == value), None)
    if call.token is not None:
        call.doer = call.token.owner


def _by_password(call: Call, encoded: str) -> None:
    try:
        name, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise ApiError(401, "invalid username, password or token") from None
    _by_token(call, name if password in {"", "x-oauth-basic"} else password)
    if call.token is not None:
        return
    user = call.world.user(name)
    if user is None or not user.password or user.password != password or user.prohibit_login:
        raise ApiError(401, "invalid username, password or token")
    call.doer, call.basic = user, True


def check_scope(call: Call, categories: Sequence[str]) -> None:
    """Refuse a token whose scopes do not reach the endpoint. Passwords have no scopes."""
    write = call.request.method not in {"GET", "HEAD"}
    if call.token is None:
        return
    missing = [name for name in categories if not allows(call.token, name, write=write)]
    if missing:
        level = "write" if write else "read"
        required = " ".join(f"{level}:{name}" for name in categories)
        scopes = ",".join(call.token.scopes)
        message = "token does not have at least one of required scope(s)"
        raise ApiError(403, f"{message}, required=[{required}], token scope={scopes}")


async def read_body(call: Call) -> None:
    """Parse a JSON body; the real forge answers 422 to one it cannot parse."""
    if "json" not in call.request.headers.get("content-type", "json"):
        return
    raw = await call.request.body()
    if not raw:
        return
    try:
        value = json.loads(raw)
    except (ValueError, UnicodeDecodeError) as error:
        raise ApiError(422, f"invalid character in JSON: {error}") from None
    if not isinstance(value, dict):
        raise ApiError(422, "json: cannot unmarshal array into Go value")
    call.body = value
