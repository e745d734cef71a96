"""Static files, read once: served under the digest of all of them, so that they never go stale."""

import hashlib
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

SHARED: Final = Path(__file__).parent / "static"
"""The modules, styles and icons that all pages share."""
_PLACEHOLDER: Final = b"{{static}}"
_TYPES: Final = {".js": "text/javascript", ".svg": "image/svg+xml", ".css": "text/css"}


@dataclass(frozen=True)
class _File:
    content: bytes
    media_type: str
    etag: str


class StaticBundle:
    """An ASGI application for `<prefix>/<digest>/<name>/<file>`.

    `roots` gives the directory behind each `<name>`; the shared files are always there as
    `hiveweb`. Modules import one another by relative paths, so that the digest in the address of
    the first one holds for all. Only files that were there at the start exist: a path is a key, and
    cannot lead anywhere else.
    """

    def __init__(self, prefix: str, roots: Mapping[str, Path]) -> None:
        self._files = {
            f"{name}/{file.relative_to(root).as_posix()}": _load(file)
            for name, root in {"hiveweb": SHARED, **roots}.items()
            for file in sorted(root.rglob("*"))
            if file.is_file()
        }
        whole = hashlib.sha256()
        for path, file in sorted(self._files.items()):
            whole.update(f"{path}\0{file.etag}\n".encode())
        self._digest = whole.hexdigest()[:16]
        self.base = f"{prefix}/{self._digest}"
        """Where the files are: `<base>/hiveweb/auth.js`."""

    def page(self, path: str) -> bytes:
        """Return an HTML file of the bundle with `{{static}}` replaced by `base`."""
        return self._files[path].content.replace(_PLACEHOLDER, self.base.encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with a file; 404 for whatever is none."""
        path: str = scope["path"].removeprefix(scope.get("root_path", "")).lstrip("/")
        digest, _, name = path.partition("/")
        file = self._files.get(name) if digest == self._digest else None
        response: Response
        if file is None or file.media_type == "text/html":
            response = PlainTextResponse("no such file\n", 404)
        elif Headers(scope=scope).get("if-none-match") == file.etag:
            response = Response(status_code=304, headers=_caching(file))
        else:
            response = Response(file.content, media_type=file.media_type, headers=_caching(file))
        await response(scope, receive, send)


def _caching(file: _File) -> dict[str, str]:
    return {"ETag": file.etag, "Cache-Control": "public, max-age=31536000, immutable"}


def _load(file: Path) -> _File:
    content = file.read_bytes()
    guessed = _TYPES.get(file.suffix) or mimetypes.guess_type(file.name)[0] or "text/plain"
    return _File(content, guessed, f'"{hashlib.sha256(content).hexdigest()[:32]}"')
