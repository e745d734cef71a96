"""What follows from an act on the scripted forge: timeline, notifications, webhooks."""

import hashlib
import hmac
import json
import re
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx

from hivetesting.forge import render, render_issue
from hivetesting.forge.rights import Access, access
from hivetesting.forge.world import Entry, Hook, Issue, Repo, Thread, User, World

MENTION = re.compile(r"(?<![\w/])@([A-Za-z0-9][A-Za-z0-9._-]*)")


@dataclass
class Happenings:
    """Writes down what happened and tells whom it concerns.

    Notifications follow the real forge's rules: everybody who takes part or watches, and whoever
    is mentioned, except the doer; one thread per person and issue, which turns unread again.
    """

    world: World
    deliveries: list[tuple[Hook, int]] = field(default_factory=list)
    """Each webhook that was sent, with the status it was answered with; 0 is none."""
    outbox: list[tuple[Hook, str, dict[str, Any]]] = field(default_factory=list)

    def add(self, issue: Issue, kind: str, user: User, **more: Any) -> Entry:
        """Append a line to the timeline."""
        now = self.world.now()
        entry = Entry(self.world.new_id(), kind, user, now, now, **more)
        issue.entries.append(entry)
        issue.updated = now
        return entry

    def tell(self, issue: Issue, doer: User, text: str = "") -> None:
        """Notify everybody concerned by what `doer` did to an issue."""
        concerned = self._participants(issue) + issue.repo.watchers + self._mentioned(text)
        for user in {id(each): each for each in concerned}.values():
            if user is not doer and issue.subscribers.get(user.id, True):
                self.notify(user, issue)

    def notify(self, user: User, issue: Issue) -> None:
        """Make a person's thread about an issue unread, if they may see it."""
        unit = "repo.pulls" if issue.pull else "repo.issues"
        if access(self.world, user, issue.repo, unit) < Access.READ:
            return
        now = self.world.now()
        for thread in self.world.threads:
            if thread.user is user and thread.issue is issue:
                thread.unread, thread.updated = True, now
                return
        self.world.threads.append(Thread(self.world.new_id(), user, issue, now))

    def _participants(self, issue: Issue) -> list[User]:
        spoke = [e.user for e in issue.entries if e.kind in {"comment", "review"}]
        explicit = [u for u in self.world.users if issue.subscribers.get(u.id)]
        requested = issue.pull.requested if issue.pull else []
        return [issue.user, *spoke, *issue.assignees, *requested, *explicit]

    def _mentioned(self, text: str) -> list[User]:
        found = [self.world.user(name.rstrip(".-_")) for name in MENTION.findall(text)]
        return [user for user in found if user is not None]

    def hook(self, repo: Repo, event: str, payload: dict[str, Any]) -> None:
        """Order the webhooks that listen to an event; they are sent once the request is answered."""
        for hook in self.world.hooks:
            concerned = hook.repo is repo or hook.org is repo.owner or not (hook.repo or hook.org)
            if hook.active and concerned and _listens(hook, event):
                self.outbox.append((hook, event, payload))

    def hook_issue(self, issue: Issue, event: str, action: str, doer: User, **more: Any) -> None:
        """Order the webhooks for what happened to an issue."""
        payload = {
            "action": action,
            "number": issue.number,
            "issue": render_issue.issue(self.world, issue),
            "repository": render.repo(self.world, issue.repo, doer),
            "sender": render.user(self.world, doer),
            **more,
        }
        self.hook(issue.repo, event, payload)

    async def send(self) -> None:
        """Send the ordered webhooks, signed as the real forge signs them."""
        waiting, self.outbox[:] = list(self.outbox), []
        if not waiting:
            return
        async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
            for hook, event, payload in waiting:
                body = json.dumps(payload).encode()
                try:
                    answer = await client.post(
                        hook.config["url"], content=body, headers=signed(hook, event, body)
                    )
                except httpx.HTTPError:
                    self.deliveries.append((hook, 0))
                else:
                    self.deliveries.append((hook, answer.status_code))


def _listens(hook: Hook, event: str) -> bool:
    chosen = set(hook.events)
    whole = {"issue_assign": "issues", "issue_label": "issues", "issue_comment": "issues"}
    return bool(chosen & {event, whole.get(event, event), event.removesuffix("_only")})


def signed(hook: Hook, event: str, body: bytes) -> dict[str, str]:
    """Return a delivery's headers, the signature among them."""
    digest = hmac.new(hook.config.get("secret", "").encode(), body, hashlib.sha256).hexdigest()
    headers = {"Content-Type": "application/json", "X-Hub-Signature-256": f"sha256={digest}"}
    for maker in ("Forgejo", "Gitea", "Gogs"):
        headers[f"X-{maker}-Delivery"] = str(uuid4())
        headers[f"X-{maker}-Event"] = event.removesuffix("_assign")
        headers[f"X-{maker}-Event-Type"] = event
        headers[f"X-{maker}-Signature"] = digest
    return headers
