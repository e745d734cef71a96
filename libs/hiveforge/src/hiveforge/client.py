"""Requests to the forge's API: one connection, pages, and errors in the forge's own words."""

import http.client
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from hiveforge.errors import Exit, ForgeError
from hiveforge.settings import Settings

TIMEOUT_S = 60.0
PAGE = 50
MAX_PAGES = 200
MAX_WORDS = 300
# Redirects that keep the method; a renamed repository answers with one (RFC 9110, 15.4).
_MOVED = {301, 302, 307, 308}
_STATUS = {
    401: Exit.REFUSED, 403: Exit.REFUSED, 423: Exit.REFUSED,
    404: Exit.NOT_FOUND, 410: Exit.NOT_FOUND,
    405: Exit.CONFLICT, 409: Exit.CONFLICT, 412: Exit.CONFLICT,
    429: Exit.AWAY, 502: Exit.AWAY, 503: Exit.AWAY, 504: Exit.AWAY,
}  # fmt: skip
_WORD = {
    Exit.REFUSED: "no permission",
    Exit.NOT_FOUND: "not found",
    Exit.CONFLICT: "conflict",
    Exit.AWAY: "the forge is away",
    Exit.FAILED: "refused by the forge",
}
# What the forge answers with 422, or says with 405, for what is a conflict and for what is a refusal.
_CONFLICT = re.compile(r"already|does not match|has been used", re.IGNORECASE)
_FORBIDDEN = re.compile(r"not allowed to|no permission", re.IGNORECASE)

Json = Any
Query = Mapping[str, str | int | None]


class Answer(NamedTuple):
    """A good answer."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> Json:
        """Return the parsed body; None when there is none."""
        if not self.body:
            return None
        try:
            return json.loads(self.body)
        except ValueError:
            raise ForgeError("the forge answered with something that is no JSON") from None


def segment(text: str | int) -> str:
    """Return `text` as one segment of a path: a slash in it is no separator."""
    return quote(str(text), safe="")


class Client:
    """The forge's API with our token. Nothing of the token ever stands in a message."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        parts = urlsplit(settings.url)
        self._base = parts.path.rstrip("/") + "/api/v1"
        kind = (
            http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        )
        self._connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_S)

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    @property
    def repo(self) -> str:
        """`/repos/owner/name` of the repository that is meant."""
        return self.settings.repo_path()

    def get(self, path: str, query: Query | None = None) -> Json:
        """Return what the API has at `path`."""
        return self.request("GET", path, query=query).json()

    def post(self, path: str, body: Json = None) -> Json:
        """Create something and return it."""
        return self.request("POST", path, body=body).json()

    def patch(self, path: str, body: Json) -> Json:
        """Change something and return it."""
        return self.request("PATCH", path, body=body).json()

    def put(self, path: str, body: Json = None) -> Json:
        """Set something and return it."""
        return self.request("PUT", path, body=body).json()

    def delete(self, path: str, body: Json = None) -> None:
        """Remove something."""
        self.request("DELETE", path, body=body)

    def pages(self, path: str, query: Query | None = None) -> Iterator[Json]:
        """Yield the items of a list, page after page."""
        fetched, before = 0, b""
        for page in range(1, MAX_PAGES + 1):
            answer = self.request("GET", path, query={**(query or {}), "limit": PAGE, "page": page})
            if answer.body == before:
                return  # a list without pages, which is the same whatever page is asked for
            before = answer.body
            items = answer.json() or []
            yield from items
            fetched += len(items)
            total = answer.headers.get("X-Total-Count", "")
            # A forge may be set to make its pages smaller than we ask for.
            if not items or (total.isdecimal() and fetched >= int(total)):
                return

    def upload(self, path: str, name: str, content: bytes) -> Json:
        """Attach a file."""
        boundary = "hive-forge-3f9c1a7d5b2e4860"
        while boundary.encode() in content:
            boundary += "0"
        shown = name.replace("\\", "\\\\").replace('"', '\\"')
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="attachment"; '
            f'filename="{shown}"\r\nContent-Type: application/octet-stream\r\n\r\n'
        )
        raw = head.encode() + content + f"\r\n--{boundary}--\r\n".encode()
        kind = f"multipart/form-data; boundary={boundary}"
        return self.request("POST", path, query={"name": name}, raw=raw, kind=kind).json()

    def request(
        self, method: str, path: str, *, query: Query | None = None, body: Json = None,
        raw: bytes | None = None, kind: str = "application/json",
    ) -> Answer:  # fmt: skip
        """Ask, and return a good answer; raise a ForgeError whose status says what went wrong."""
        if body is not None:
            raw = json.dumps(body).encode()
        wanted = {name: value for name, value in (query or {}).items() if value not in (None, "")}
        target = self._base + path + (f"?{urlencode(wanted)}" if wanted else "")
        answer = self._exchange(method, target, raw, kind)
        if answer.status in _MOVED and method == "GET":
            moved = urlsplit(answer.headers.get("Location", ""))
            target = moved.path + (f"?{moved.query}" if moved.query else "")
            answer = self._exchange(method, target, raw, kind)
        if not 200 <= answer.status < 300:  # noqa: PLR2004 - HTTP's own classes
            raise _refusal(method, path, answer)
        return answer

    def _exchange(self, method: str, target: str, raw: bytes | None, kind: str) -> Answer:
        headers = {
            "Authorization": f"token {self.settings.token}",
            "Accept": "application/json, */*;q=0.5",
            "User-Agent": "hive-forge",
        }
        if raw is not None:
            headers["Content-Type"] = kind
        sent = False
        try:
            self._connection.request(method, target, raw, headers)
            sent = True
            response = self._connection.getresponse()
            answer = Answer(response.status, response.headers, response.read())
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise _unreachable(self.settings.url, method, error, sent=sent) from None
        return answer


def _unreachable(url: str, method: str, error: Exception, *, sent: bool) -> ForgeError:
    reason = str(error) or type(error).__name__
    if sent and method != "GET":
        return ForgeError(
            f"the connection to {url} broke before an answer came: {reason}", Exit.AWAY,
            hint="it may have been done all the same: look before you repeat it",
        )  # fmt: skip
    return ForgeError(f"the forge at {url} is away: {reason}", Exit.AWAY, hint="try again later")


def _refusal(method: str, path: str, answer: Answer) -> ForgeError:
    words = _words(answer)
    status = _STATUS.get(answer.status, Exit.FAILED)
    if answer.status == 422 and _CONFLICT.search(words):  # noqa: PLR2004 - Unprocessable Content
        status = Exit.CONFLICT
    if answer.status == 405 and _FORBIDDEN.search(words):  # noqa: PLR2004 - how a merge is refused
        status = Exit.REFUSED
    word, hint = _WORD[status], ""
    if answer.status == 401:  # noqa: PLR2004 - Unauthorized
        hint = (
            "the token is not valid; if it has just been rotated, try again, else ask your operator"
        )
    if answer.status == 429:  # noqa: PLR2004 - Too Many Requests
        word = "rate limit"
        hint = f"wait {answer.headers.get('Retry-After', 'some')} seconds"
    if answer.status in _MOVED:
        word, words = "moved", f"it is now at {answer.headers.get('Location', '')}"
    shown = path.split("?", 1)[0]
    said = word if words.lower() == word else f"{word}: {words}"
    return ForgeError(f"{said} ({method} {shown}: {answer.status})", status, hint=hint)


def _words(answer: Answer) -> str:
    """Return the forge's own words in one line."""
    try:
        found = json.loads(answer.body)
        message = str(found.get("message") or "")
        causes = [str(cause) for cause in found.get("errors") or []]
        text = "; ".join([message, *causes]) if message else "; ".join(causes)
    except (ValueError, AttributeError):
        text = answer.body.decode("utf-8", "replace")
        if text.lstrip().startswith("<"):
            text = ""  # a page for browsers; what it says is the status
    line = " ".join(text.split())[:MAX_WORDS]
    return line or http.client.responses.get(answer.status, "no reason given")
