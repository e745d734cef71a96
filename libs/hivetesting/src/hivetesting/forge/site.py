"""A forge to test against, scripted or real, and how tests set it up: over its API alone."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from hivetesting.forge.server import ForgeServer

AGENT_SCOPES = (
    "read:organization",
    "read:user",
    "write:issue",
    "write:notification",
    "write:repository",
)
WRITER = dict.fromkeys(("repo.code", "repo.issues", "repo.pulls", "repo.releases"), "write")


@dataclass(frozen=True)
class Site:
    """Where a forge is, with an administrator's token, and its script if it is the scripted one."""

    url: str
    token: str = field(repr=False)
    client: httpx.Client = field(repr=False)
    script: ForgeServer | None = None

    def ask(self, method: str, path: str, body: Any = None, **how: Any) -> httpx.Response:
        """Ask the API: as the administrator, with `token=…`, or with `auth=(name, password)`."""
        token = how.pop("token", self.token)
        headers = {} if "auth" in how else {"Authorization": f"token {token}"}
        url = f"{self.url}/api/v1{path}"
        return self.client.request(method, url, json=body, headers=headers, **how)

    def made(self, method: str, path: str, body: Any = None, **how: Any) -> Any:
        """Ask for something that must work, and return it."""
        answer = self.ask(method, path, body, **how)
        if answer.is_error:
            raise AssertionError(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json() if answer.content else None

    def user(self, name: str, *scopes: str) -> str:
        """Make an account, or take the one that exists, and return a new token of it."""
        password = secrets.token_urlsafe(20)
        fields = {"password": password, "must_change_password": False}
        if self.ask("GET", f"/users/{name}").is_error:
            email = f"{name}@example.invalid"
            self.made("POST", "/admin/users", {"username": name, "email": email, **fields})
        else:
            login = {"login_name": name, "source_id": 0}
            self.made("PATCH", f"/admin/users/{name}", {**login, **fields})
        wanted = {"name": secrets.token_hex(4), "scopes": list(scopes or AGENT_SCOPES)}
        made = self.made("POST", f"/users/{name}/tokens", wanted, auth=(name, password))
        return str(made["sha1"])

    def tokens_of(self, name: str) -> list[str]:
        """Return the last eight characters of all tokens of an account."""
        if self.script is not None:
            tokens = self.script.world.tokens
            return [each.value[-8:] for each in tokens if each.owner.login == name]
        password = secrets.token_urlsafe(20)
        fields = {"login_name": name, "source_id": 0, "password": password,
                  "must_change_password": False}  # fmt: skip
        self.made("PATCH", f"/admin/users/{name}", fields)
        found = self.made("GET", f"/users/{name}/tokens", auth=(name, password))
        return [token["token_last_eight"] for token in found]

    def organization(self, name: str, *members: str) -> int:
        """Make an organisation with a team of writers, or take the one there is; return the team."""
        if self.ask("GET", f"/orgs/{name}").is_error:
            self.made("POST", "/orgs", {"username": name, "visibility": "public"})
        teams = {team["name"]: team["id"] for team in self.made("GET", f"/orgs/{name}/teams")}
        if "writers" not in teams:
            fields = {"name": "writers", "permission": "write", "units_map": WRITER,
                      "units": list(WRITER), "includes_all_repositories": True}  # fmt: skip
            teams["writers"] = self.made("POST", f"/orgs/{name}/teams", fields)["id"]
        for member in members:
            self.made("PUT", f"/teams/{teams['writers']}/members/{member}")
        return int(teams["writers"])

    def repository(self, org: str, name: str) -> str:
        """Make a private repository with a first commit, or take the one there is."""
        if self.ask("GET", f"/repos/{org}/{name}").is_error:
            fields = {"name": name, "private": True, "auto_init": True, "default_branch": "main"}
            self.made("POST", f"/orgs/{org}/repos", fields)
        return f"{org}/{name}"


@contextmanager
def open_site(root: Path) -> Iterator[Site]:
    """Yield the forge of `HIVE_TEST_FORGE_URL` and `HIVE_TEST_FORGE_TOKEN`, else a scripted one."""
    url = os.environ.get("HIVE_TEST_FORGE_URL", "").rstrip("/")
    token = os.environ.get("HIVE_TEST_FORGE_TOKEN", "")
    if url and token:
        with _client() as client:
            yield Site(url, token, client)
        return
    with scripted_site(root) as site:
        yield site


@contextmanager
def scripted_site(root: Path) -> Iterator[Site]:
    """Yield a scripted forge."""
    with _client() as client, ForgeServer(root) as server:
        yield Site(server.url, server.root_token, client, server)


def _client() -> httpx.Client:
    return httpx.Client(timeout=30, trust_env=False)
