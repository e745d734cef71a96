"""Notifications on their way: fetched, delivered once each into the agent's inbox, marked as read."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

import structlog
from hivecommon.bus import Bus
from hivecommon.contracts.inbox import InboxMessage
from hivecommon.errors import Unavailable
from hivecommon.names import AgentName
from nats.js.errors import NotFoundError

from hive_forge_gw.errors import ForgeSaid
from hive_forge_gw.forge import Forge, Thread
from hive_forge_gw.news import (
    FIRST_LOOK_S,
    MARGIN_S,
    CodeComment,
    Entry,
    Issue,
    Item,
    Review,
    Story,
    items,
    news_since,
)
from hive_forge_gw.store import Store

SENDER: Final = "forge"
_GONE: Final = {403, 404, 410}
_MESSAGE_ID: Final = "Nats-Msg-Id"

_log = structlog.get_logger()


class Feed:
    """Brings each agent's notifications into its inbox.

    The order is: note the intention, publish, note the success, mark as read, look once more. A kill
    between any two repeats at most one publication, and before that the stream is asked whether it
    has it. The last look is for what came in while the thread was being marked as read.
    """

    def __init__(self, store: Store, bus: Bus, now: Callable[[], float]) -> None:
        self._store = store
        self._bus = bus
        self._now = now

    async def look(self, forge: Forge, agent: AgentName) -> int:
        """Deliver what is unread for `agent`; return how many messages that were."""
        begun, sent = self._now(), 0
        troubles: list[ForgeSaid] = []
        for path in self._store.rechecks(agent):
            try:
                sent += await self._look_again(forge, agent, path)
            except ForgeSaid as error:
                troubles.append(error)
        threads = [thread async for thread in forge.pages("/notifications", Thread, sudo=agent)]
        for thread in sorted(threads, key=lambda thread: thread.id):
            try:
                sent += await self._see_to(forge, agent, thread)
            except ForgeSaid as error:  # the others are not to wait for this one
                troubles.append(error)
        if troubles:
            raise troubles[0]
        self._store.looked(agent, begun)
        return sent

    async def _see_to(self, forge: Forge, agent: AgentName, thread: Thread) -> int:
        path = _api_path(thread.subject.url)
        if thread.subject.type not in {"Issue", "Pull"} or path is None:
            await self._mark_read(forge, agent, thread)
            return 0
        try:
            sent = await self._tell(forge, agent, path)
            self._store.add_recheck(agent, path)
            await self._mark_read(forge, agent, thread)
        except ForgeSaid as error:
            if error.status not in _GONE:
                raise
            _log.info("notification_without_access", agent=agent, status=error.status)
            await self._mark_read(forge, agent, thread)
            return 0
        return sent + await self._look_again(forge, agent, path)

    async def _look_again(self, forge: Forge, agent: AgentName, path: str) -> int:
        """Tell what came after the last look and was marked as read with the rest."""
        try:
            sent = await self._tell(forge, agent, path)
        except ForgeSaid as error:
            if error.status not in _GONE:
                raise
            sent = 0
        self._store.end_recheck(agent, path)
        return sent

    async def _tell(self, forge: Forge, agent: AgentName, path: str) -> int:
        story = await self._story(forge, agent, path)
        subject = f"i{story.issue.id}"
        found = items(agent, story)
        fresh = news_since(found, self._since(agent, subject), self._store.delivered(agent))
        for item in fresh:
            await self._deliver(agent, f"forge-{self._store.epoch()}-{subject}", item)
        if found:
            self._store.saw(agent, subject, max(item.at for item in found))
        return len(fresh)

    async def _story(self, forge: Forge, agent: AgentName, path: str) -> Story:
        """Return all that happened to an issue, as the agent may see it."""
        issue = await forge.get(path, Issue, sudo=agent)
        reviews: list[Review] = []
        code: list[CodeComment] = []
        if issue.pull_request:
            where = path.replace("/issues/", "/pulls/") + "/reviews"
            reviews = [each async for each in forge.pages(where, Review, sudo=agent)]
            for review in reviews:
                if review.comments_count:
                    said = f"{where}/{review.id}/comments"
                    code += await forge.get(said, list[CodeComment], sudo=agent)
        timeline = [
            entry
            async for entry in forge.pages(
                f"{path}/timeline",
                Entry,
                sudo=agent,
                hidden=sum(each.comments_count for each in reviews),
            )
        ]
        return Story(issue, timeline, reviews, code)

    def _since(self, agent: AgentName, subject: str) -> float:
        seen = self._store.seen_at(agent, subject)
        if seen is not None:
            return seen - MARGIN_S
        account = self._store.account(agent)
        return (account.looked_at if account else self._now()) - FIRST_LOOK_S

    async def _deliver(self, agent: AgentName, thread: str, item: Item) -> None:
        message = InboxMessage(
            id=f"forge-{self._store.epoch()}-{agent}-{item.key}",
            body=item.text,
            thread=thread,
            sent_at=datetime.fromtimestamp(item.at, UTC),
        )
        fresh = self._store.begin_delivery(agent, item.key, self._now())
        if fresh or not await self._is_in_stream(agent, message.id):
            await self._bus.send_message(to=agent, sender=SENDER, message=message)
        self._store.end_delivery(agent, item.key)
        _log.info("notification_delivered", agent=agent, message_id=message.id)

    async def _is_in_stream(self, agent: AgentName, message_id: str) -> bool:
        """Whether the last message from here to `agent` is this one: we send one after another."""
        subject = InboxMessage.subject_for(to=agent, sender=SENDER)
        try:
            last = await self._bus.jetstream.get_last_msg("INBOX", subject)
        except NotFoundError:
            return False
        except Exception as error:
            raise Unavailable(f"the stream INBOX does not answer: {error}") from error
        headers: dict[str, Any] = last.headers or {}
        return headers.get(_MESSAGE_ID) == message_id

    async def _mark_read(self, forge: Forge, agent: AgentName, thread: Thread) -> None:
        await forge.ask(
            "PATCH", f"/notifications/threads/{thread.id}", query={"to-status": "read"},
            sudo=agent, allowed={404},
        )  # fmt: skip


def _api_path(url: str) -> str | None:
    """Return the part of a link to the API behind `/api/v1`: the host in it is the forge's own idea."""
    _, found, path = urlsplit(url).path.partition("/api/v1")
    parts = path.split("/")
    wanted = ["", "repos", "issues"]
    if not found or len(parts) != 6 or [parts[0], parts[1], parts[4]] != wanted:  # noqa: PLR2004 - /repos/o/r/issues/n
        return None
    return path
