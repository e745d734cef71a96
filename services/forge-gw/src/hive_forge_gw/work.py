"""What an agent has open on the forge: for the dashboard's column and `hive.forge.work`."""

from datetime import datetime
from typing import Final

import msgspec
from hivecommon.contracts.forge import ForgeItem, ForgeWorkReply
from hivecommon.names import AgentName

from hive_forge_gw.forge import Forge

SHOWN: Final = 100
ROLES: Final = {"created": "author", "assigned": "assignee", "review_requested": "reviewer"}


class _Repo(msgspec.Struct, frozen=True):
    full_name: str = ""


class _Issue(msgspec.Struct, frozen=True):
    id: int
    number: int
    title: str
    updated_at: datetime
    html_url: str = ""
    pull_request: dict[str, object] | None = None
    repository: _Repo | None = None


async def open_work(forge: Forge, agent: AgentName) -> ForgeWorkReply:
    """Return the agent's open issues and pull requests in all repositories that it can see."""
    found: dict[int, ForgeItem] = {}
    for question, role in ROLES.items():
        query = {question: "true", "state": "open"}
        async for issue in forge.pages("/repos/issues/search", _Issue, query=query, sudo=agent):
            found[issue.id] = ForgeItem(
                repo=issue.repository.full_name if issue.repository else "",
                number=issue.number,
                title=issue.title[:200],
                url=issue.html_url,
                pull=issue.pull_request is not None,
                role=role,
                updated_at=issue.updated_at,
            )
    items = sorted(found.values(), key=lambda item: item.updated_at, reverse=True)
    pulls = sum(item.pull for item in items)
    return ForgeWorkReply(issues=len(items) - pulls, pulls=pulls, items=items[:SHOWN])
