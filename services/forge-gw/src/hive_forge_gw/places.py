"""What all agents share on the forge: the organisation, its team and repository, and the webhook."""

import secrets
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog
from hivecommon.files import write_atomically
from hivecommon.names import AgentName

from hive_forge_gw.config import Config
from hive_forge_gw.errors import ForgeSaid
from hive_forge_gw.forge import Forge, Hook, Team, segment
from hive_forge_gw.store import Store

TEAM: Final = "agents"
UNITS: Final = {
    "repo.code": "write",
    "repo.issues": "write",
    "repo.pulls": "write",
    "repo.releases": "write",
}
EVENTS: Final = [
    "issues", "issue_assign", "issue_comment", "pull_request", "pull_request_assign",
    "pull_request_comment", "pull_request_review_approved", "pull_request_review_rejected",
    "pull_request_review_comment", "pull_request_review_request",
]  # fmt: skip
_EXISTS: Final = {409, 422}

_log = structlog.get_logger()


class _Found(msgspec.Struct, frozen=True):
    id: int


class Places:
    """Makes what is missing and keeps what is there."""

    def __init__(self, config: Config, store: Store) -> None:
        self._config = config
        self._store = store
        self._team = 0

    async def ensure(self, forge: Forge) -> None:
        """Make organisation, team, shared repository and webhook."""
        org = segment(self._config.organization)
        if await forge.find(f"/orgs/{org}", _Found) is None:
            fields = {"username": self._config.organization, "visibility": "private"}
            await self._make(forge, "/orgs", fields)
            self._store.new_epoch()
        self._team = await self._ensure_team(forge, org)
        await self.ensure_repo(forge, self._config.shared_repo, first_commit=True)
        await forge.ask(
            "PUT", f"/teams/{self._team}/repos/{org}/{segment(self._config.shared_repo)}"
        )
        if self._config.webhook_url:
            await self._ensure_hook(forge)

    async def _ensure_team(self, forge: Forge, org: str) -> int:
        for _ in range(2):
            async for team in forge.pages(f"/orgs/{org}/teams", Team):
                if team.name == TEAM:
                    return team.id
            fields: dict[str, Any] = {
                "name": TEAM,
                "description": "Every agent of the hive. Give it the repositories they may work in.",
                "permission": "write",
                "units": list(UNITS),
                "units_map": UNITS,
                "includes_all_repositories": False,
                "can_create_org_repo": False,
            }
            await self._make(forge, f"/orgs/{org}/teams", fields)
        raise ForgeSaid(404, "it neither shows nor makes the team", f"/orgs/{org}/teams")

    async def ensure_repo(self, forge: Forge, name: str, *, first_commit: bool = False) -> bool:
        """Make a private repository of the organisation; return whether it was missing."""
        org = segment(self._config.organization)
        if await forge.find(f"/repos/{org}/{segment(name)}", _Found) is not None:
            return False
        fields = {
            "name": name,
            "private": True,
            "auto_init": first_commit,
            "default_branch": "main",
        }
        await self._make(forge, f"/orgs/{org}/repos", fields)
        return True

    async def _make(self, forge: Forge, path: str, fields: dict[str, Any]) -> None:
        """Create something; that it was made meanwhile is as good."""
        try:
            await forge.ask("POST", path, fields)
        except ForgeSaid as error:
            if error.status not in _EXISTS or "exist" not in error.words:
                raise

    async def welcome(self, forge: Forge, agent: AgentName) -> None:
        """Let an agent work in the repositories of the team."""
        await forge.ask("PUT", f"/teams/{self._team}/members/{segment(agent)}")

    async def let_read(self, forge: Forge, agent: AgentName, name: str) -> None:
        """Let an agent read a repository of the organisation."""
        path = f"/repos/{segment(self._config.organization)}/{segment(name)}"
        await forge.ask(
            "PUT", f"{path}/collaborators/{segment(agent)}", {"permission": "read"}, allowed={422}
        )

    async def remove_repo(self, forge: Forge, name: str) -> None:
        """Delete a repository of the organisation."""
        path = f"/repos/{segment(self._config.organization)}/{segment(name)}"
        await forge.ask("DELETE", path, allowed={404})

    def secret(self) -> str:
        """Return what the forge signs its webhooks with, made at first use."""
        file = webhook_secret_file(self._config)
        try:
            return file.read_text().strip()
        except FileNotFoundError:
            value = secrets.token_urlsafe(32)
            write_atomically(file, value.encode(), mode=0o600)
            return value

    async def _ensure_hook(self, forge: Forge) -> None:
        settings = {
            "url": self._config.webhook_url,
            "content_type": "json",
            "secret": self.secret(),
        }
        fields: dict[str, Any] = {"active": True, "events": EVENTS}
        mine = [
            hook
            async for hook in forge.pages("/admin/hooks", Hook)
            if hook.config.get("url") == self._config.webhook_url
        ]
        for extra in mine[1:]:
            await forge.ask("DELETE", f"/admin/hooks/{extra.id}", allowed={404})
        if mine:
            await forge.ask("PATCH", f"/admin/hooks/{mine[0].id}", {**fields, "config": settings})
            return
        config = {**settings, "is_system_webhook": "true"}
        await forge.ask("POST", "/admin/hooks", {**fields, "type": "gitea", "config": config})
        _log.info("webhook_made", url=self._config.webhook_url)


def webhook_secret_file(config: Config) -> Path:
    """Return where the webhook's secret is kept."""
    return config.home.keys / "forge-webhook"
