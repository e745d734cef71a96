"""Where the forge is, who we are there, and which repository is meant: environment and state directory."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from hiveforge.errors import ForgeError, misuse

TOKEN_FILE = "forge-token"  # noqa: S105 - a file's name
ABOUT_FILE = "forge.json"
MAX_TOKEN = 255
_TOKEN = re.compile(r"[\x21-\x7e]{8,255}")
_REPO = re.compile(r"[A-Za-z0-9._-]+/[A-Za-z0-9._-]+")


class Settings(NamedTuple):  # dataclasses would cost a tenth of the start
    """What one run needs to know; read before the first request."""

    url: str
    repo: str
    token: str

    def __repr__(self) -> str:  # type: ignore[explicit-override] # typing has no override before 3.12
        """Show all but the token."""
        return f"Settings(url={self.url!r}, repo={self.repo!r})"

    def repo_path(self) -> str:
        """Return `/repos/owner/name`; raise when no repository is known."""
        if not self.repo:
            raise misuse("which repository?", "give -r OWNER/REPO, or set HIVE_FORGE_REPO")
        if not _REPO.fullmatch(self.repo):
            raise misuse(f"{self.repo!r} is no repository", "write it as OWNER/REPO")
        return f"/repos/{quote(self.repo)}"


def read_settings(environ: Mapping[str, str], repo: str | None) -> Settings:
    """Return the settings.

    `HIVE_FORGE_URL` and `HIVE_FORGE_REPO` go before what the hive wrote into `forge.json` in the
    state directory; `repo` (from `-r`) goes before both.
    """
    state = Path(environ.get("HYPERHIVE_STATE_DIR") or "/state")
    about = _about(state / ABOUT_FILE)
    url = environ.get("HIVE_FORGE_URL") or about.get("url", "")
    if not url:
        raise misuse(
            "no forge is set up here",
            "HIVE_FORGE_URL is not set and the hive has not written forge.json; ask your operator",
        )
    if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
        raise misuse(f"the forge's address {url!r} is no http URL", "correct HIVE_FORGE_URL")
    chosen = repo or environ.get("HIVE_FORGE_REPO") or about.get("repo", "")
    return Settings(url.rstrip("/"), chosen, _token(state / TOKEN_FILE))


def _about(file: Path) -> dict[str, str]:
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _token(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            raw = stream.read(MAX_TOKEN + 2)
    except OSError as error:
        raise misuse(
            f"no forge token: {file}: {error.strerror}",
            "the hive writes it; HYPERHIVE_STATE_DIR says where. Ask your operator: `hive doctor`",
        ) from None
    token = raw.decode("ascii", "replace").strip()
    if not _TOKEN.fullmatch(token):
        raise ForgeError(f"{file} holds no token", hint="ask your operator to rotate it")
    return token
