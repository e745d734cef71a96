"""The forge's API (v1, the same in Forgejo and Gitea), as far as this service uses it."""

import re
from collections.abc import AsyncIterator, Collection, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from hive_forge_gw.errors import ForgeAway, ForgeRefused, ForgeSaid

T = TypeVar("T")

TIMEOUT_S: Final = 20.0
PAGE: Final = 50
MAX_PAGES: Final = 100
# The forge's name for «I am somebody else»; administrators alone may.
SUDO: Final = "Sudo"
_AWAY: Final = {429, 502, 503, 504}
_FORGEJO = re.compile(r"\A(\d+)\.(\d+)\.?\S*\+gitea-")
_GITEA = re.compile(r"\A(\d+)\.(\d+)")
OLDEST: Final = {"Forgejo": (11, 0), "Gitea": (1, 22)}
"""The oldest series that their makers still mended when this was written."""


class User(msgspec.Struct, frozen=True):
    """An account."""

    id: int
    login: str
    email: str = ""
    is_admin: bool = False


class Token(msgspec.Struct, frozen=True):
    """A token; `sha1` is its value, told once."""

    id: int
    name: str
    sha1: str = ""
    token_last_eight: str = ""


class Team(msgspec.Struct, frozen=True):
    """A team of an organisation."""

    id: int
    name: str


class Hook(msgspec.Struct, frozen=True):
    """A webhook."""

    id: int
    config: dict[str, str]


class Subject(msgspec.Struct, frozen=True):
    """What a notification is about."""

    title: str = ""
    url: str = ""
    html_url: str = ""
    type: str = ""


class Thread(msgspec.Struct, frozen=True):
    """A notification."""

    id: int
    subject: Subject
    updated_at: str = ""


class Forge:
    """The forge, seen by its administrator."""

    def __init__(self, url: str, token: str, client: httpx.AsyncClient) -> None:
        self._api = f"{url}/api/v1"
        self._token = token
        self._client = client

    async def get(self, path: str, kind: type[T], **how: Any) -> T:
        """Return what is at `path`; `sudo` names the account to look as."""
        return _decode((await self.ask("GET", path, **how)).content, kind)

    async def find(self, path: str, kind: type[T], **how: Any) -> T | None:
        """Return what is at `path`, or None: a redirect to a renamed thing is none."""
        answer = await self.ask("GET", path, allowed={301, 302, 307, 308, 404}, **how)
        return _decode(answer.content, kind) if answer.is_success else None

    async def pages(
        self, path: str, kind: type[T], *, hidden: int | None = None, **how: Any
    ) -> AsyncIterator[T]:
        """Yield the items of a list, page after page, however small the forge makes its pages.

        `hidden` is for a list of which the forge leaves out so many items at most after it has cut
        it into pages: there a page may be short or empty in the middle, and the count is the page's.
        """
        query, fetched, before = dict(how.pop("query", {})), 0, b""
        for page in range(1, MAX_PAGES + 1):
            answer = await self.ask(
                "GET", path, query={**query, "limit": PAGE, "page": page}, **how
            )
            if answer.content == before:
                return  # a list without pages, which is the same whatever page is asked for
            before = answer.content
            # An empty list is `null` in places.
            items = _decode(answer.content, list[kind] | None) or []  # type: ignore[valid-type, arg-type]
            for item in items:
                yield item
            fetched += len(items)
            if hidden is None:
                total = answer.headers.get("X-Total-Count", "")
                if not items or (total.isdecimal() and fetched >= int(total)):
                    return
            elif not items and page * PAGE > fetched + hidden:
                return

    async def ask(
        self, method: str, path: str, body: object = None, *, sudo: str = "",
        allowed: Collection[int] = (),query: Mapping[str, Any] | None = None,
        login: tuple[str, str] | None = None, token: str = "",
    ) -> httpx.Response:  # fmt: skip
        """Ask, as the administrator, with a `login` by password, or with another `token`.

        Raises ForgeAway, ForgeRefused for our own token, ForgeSaid for all else but `allowed`.
        """
        headers = {} if login else {"Authorization": f"token {token or self._token}"}
        if sudo:
            headers[SUDO] = sudo
        what = f"{method} {path}"
        try:
            answer = await self._client.request(
                method, self._api + path, json=body, headers=headers, params=query, auth=login,
                timeout=TIMEOUT_S,
            )  # fmt: skip
        except httpx.HTTPError as error:
            raise ForgeAway(f"no answer to {what}: {str(error) or type(error).__name__}") from None
        if answer.is_success or answer.status_code in allowed:
            return answer
        words = _words(answer)
        if answer.status_code in _AWAY:
            patience = answer.headers.get("Retry-After", "")
            after = float(patience) if patience.isdecimal() else 0.0
            raise ForgeAway(f"{what}: {answer.status_code}: {words}", retry_after_s=after)
        ours = not login and not token
        # As somebody else we may well be refused; that the token itself is bad is said with 401.
        if ours and (answer.status_code == 401 or (answer.status_code == 403 and not sudo)):  # noqa: PLR2004 - HTTP
            raise ForgeRefused(f"{what}: {words}")
        raise ForgeSaid(answer.status_code, words, what)


def _decode(content: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.MsgspecError as error:
        raise ForgeSaid(200, f"no {kind}: {error}", "a request") from error


def _words(answer: httpx.Response) -> str:
    try:
        text = str(answer.json().get("message", ""))
    except (ValueError, AttributeError):
        text = answer.text
    return " ".join(text.split())[:300] or answer.reason_phrase


def segment(text: str) -> str:
    """Return `text` as one segment of a path."""
    return quote(text, safe="")


def product(version: str) -> tuple[str, tuple[int, int] | None]:
    """Return which forge a version string is of, and its series; None for an unknown form."""
    for name, pattern in (("Forgejo", _FORGEJO), ("Gitea", _GITEA)):
        if found := pattern.match(version):
            return name, (int(found[1]), int(found[2]))
    return "a forge", None


def supported(version: str) -> bool:
    """Whether a version is new enough; one that cannot be read is believed to be."""
    name, series = product(version)
    return series is None or series >= OLDEST[name]
