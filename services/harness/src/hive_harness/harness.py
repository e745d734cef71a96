"""One agent's harness as a whole: its parts put together, their start, and their end in good order."""

import asyncio
import fcntl
import os
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import structlog
from hivecommon import command
from hivecommon.application import ServiceTasks
from hivecommon.broker import agent_inbox_prefix
from hivecommon.bus import Bus, Login
from hivecommon.contracts.base import Reply, Request
from hivecommon.contracts.events import (
    HarnessStopped,
    LoggedIn,
    MessageSent,
    StatusChanged,
    Trouble,
)
from hivecommon.contracts.harness import Hello
from hivecommon.contracts.lifecycle import Done, PauseMyself
from hivecommon.contracts.roster import Activity, HarnessStatus
from hivecommon.daemon import notify_ready
from hivecommon.errors import HiveError, Unavailable
from hivecommon.keys import read_seed
from hivecommon.log import BusLog

from hive_harness.account import Account
from hive_harness.asking import Asking
from hive_harness.claude import Claude, Conversation, load_sdk
from hive_harness.config import Settings
from hive_harness.control import Control
from hive_harness.credentials import Credentials
from hive_harness.disk import Disk
from hive_harness.draft import Draft
from hive_harness.endpoints import Endpoints, Handlers
from hive_harness.hindrance import Hindrance, Outlook
from hive_harness.housekeeping import Bounds, Housekeeping
from hive_harness.inbox import Inbox
from hive_harness.live import Live
from hive_harness.login_desk import LoginCli, LoginDesk
from hive_harness.open_items import OpenItems
from hive_harness.orphans import kill_orphans
from hive_harness.outbox import Outbox
from hive_harness.page_acts import PageActs
from hive_harness.post import Post
from hive_harness.prompt import system_prompt
from hive_harness.reception import Reception
from hive_harness.rules import rules_of
from hive_harness.service import HarnessService
from hive_harness.serving import serving
from hive_harness.sessions import Sessions, find_cli, new_session_id
from hive_harness.status import StatusBoard
from hive_harness.toolbox import Tool
from hive_harness.tools.about import AboutTools
from hive_harness.tools.items import ItemTools
from hive_harness.tools.manager import ManagerTools
from hive_harness.tools.messages import MessageTools
from hive_harness.tools.questions import QuestionTools
from hive_harness.turn import Turn
from hive_harness.waiting import Waiting
from hive_harness.web import AgentPage
from hive_harness.worker import Parts, Worker

T = TypeVar("T")

_STOP_S: Final = 8.0
_FLUSH_S: Final = 2.0
_HELLO_RETRY_S: Final = 30.0

_log = structlog.get_logger()


async def run(
    settings: Settings, bus_log: BusLog, notify_socket: str | None, stop: asyncio.Event
) -> None:
    """Be the only harness of the agent until `stop`; raise `already_running` if there is another."""
    with _only_one(settings.run):
        if killed := kill_orphans(settings.run):
            _log.warning("orphans_killed", count=killed)
        bus = await _unless(stop, Bus.connect(_login(settings)))
        if bus is None:
            return
        try:
            await _run_connected(settings, bus, bus_log, notify_socket, stop)
        finally:
            await bus_log.flush(bus)
            await bus.drain()


async def _run_connected(
    settings: Settings, bus: Bus, bus_log: BusLog, notify_socket: str | None, stop: asyncio.Event
) -> None:
    disk = await Disk.open(settings.state, _now)
    try:
        async with ServiceTasks() as tasks:
            group: asyncio.TaskGroup = tasks
            group.create_task(bus_log.publish_to(bus))
            group.create_task(disk.log.run())
            group.create_task(disk.forget_for_ever())
            harness = _Harness(settings, bus, disk, group)
            page = harness.page
            async with serving(page.app(), settings, group, stop, arrived=page.arrived):
                await harness.start()
                notify_ready(notify_socket)
                await _unless(stop, bus.closed.wait())
                await harness.stop()
            await tasks.end()
    finally:
        await disk.close()
    if bus.closed.is_set() and not stop.is_set():
        raise HiveError("the bus closed the connection for good", code="bus_closed")


class _Harness:
    """The parts, put together."""

    def __init__(self, settings: Settings, bus: Bus, disk: Disk, group: asyncio.TaskGroup) -> None:
        self._settings = settings
        self._bus = bus
        self._group = group
        self._disk = disk
        log, config = disk.log, settings.harness
        self._board = StatusBoard(
            HarnessStatus(
                activity=Activity.STARTING, since=_now(), paused=config.paused,
                model=settings.model,
            ),
            self._tell,
            _now,
        )  # fmt: skip
        self._draft = Draft()
        self._outbox = Outbox(log, bus, settings.name, _now)
        self._inbox = Inbox(bus, disk.store, settings.name, group, self._wake, _now)
        self._waiting = Waiting(self._inbox, disk.store)
        self._reception = Reception(
            self._waiting, disk.store, self._turn, lambda: self._board.status.paused
        )
        self._items = OpenItems(bus, settings.name, self._waiting, disk.store, self._turn)
        self._credentials = Credentials(settings.claude, settings.has_key)
        self._claude = Claude(self._conversation())
        sessions = Sessions(disk.store, settings.claude, new_session_id)
        self._hindrance = hindrance = Hindrance(
            Outlook(log, self._board, self._credentials, disk.store, _now),
            spend_cap_usd=config.spend_cap_usd,
        )
        housekeeping = Housekeeping(
            self._claude, sessions, disk.store, self._board,
            Bounds(
                compact_at=config.compact_at,
                cli_memory_bytes=config.cli_memory_bytes,
                choice=self._claude.choice,
            ),
            _now,
        )  # fmt: skip
        self._worker = Worker(
            Parts(
                claude=self._claude,
                sessions=sessions,
                store=disk.store,
                log=log,
                waiting=self._waiting,
                board=self._board,
                draft=self._draft,
                credentials=self._credentials,
                hindrance=hindrance,
                housekeeping=housekeeping,
                reception=self._reception,
                clock=_now,
            ),
            paused=config.paused,
            batch=config.batch,
            silence_s=config.silence_s,
        )
        self._control = Control(
            self._worker, housekeeping, hindrance, disk.store, self._board, self._items, _now
        )
        find = partial(find_cli, settings.cli, command.run)
        environment = {**settings.network, **settings.environment}
        self._login_desk = LoginDesk(
            LoginCli(
                find_cli=find,
                converse=command.converse,
                run=settings.run,
                environment=environment,
                life=settings.login_life,
            ),
            self._credentials,
            Account(find, command.run, environment, self._credentials, group),
            group,
            _now,
            self._logged_in,
        )
        self._endpoints: Handlers = {}
        acts = PageActs(self._ask, self._pause_myself, log, disk.store, self._wake, _now)
        self.page = AgentPage(
            settings, acts, Live(log, self._board, self._draft, self._ask), lambda: bus.connected
        )
        self._working: asyncio.Task[None] | None = None

    def _tell(self, changed: StatusChanged) -> None:
        self._disk.log.record(changed)
        if self._disk.log.failing:
            self._group.create_task(self._outbox.tell_unstored(changed))

    def _on_unreadable(self, sender: str, reason: str) -> None:
        text = f"what {sender} sent is no message and was dropped: {reason}"
        self._disk.log.record(Trouble("message_unreadable", text))

    def _on_failing_disk(self) -> None:
        self._group.create_task(self._outbox.tell_unstored(StatusChanged(self._board.status)))
        self._wake()

    async def start(self) -> None:
        """Answer the bus and begin to work."""
        self._disk.log.on_failing = self._on_failing_disk
        self._inbox.on_unreadable = self._on_unreadable
        self._board.repeat()
        self._group.create_task(self._outbox.run())
        self._group.create_task(self._inbox.keep_alive())
        service = HarnessService(self._control, self._disk.log, self.page.mint_ticket)
        self._endpoints = {**service.endpoints, **self._login_desk.endpoints}
        await Endpoints(self._bus, self._group, self._settings.name).start(self._endpoints)
        await self._bus.client.flush()
        self._working = self._group.create_task(self._work())
        self._group.create_task(self._say_hello())
        _log.info(
            "harness_started", agent=self._settings.name, sandboxed=self._settings.harness.sandboxed
        )

    async def _work(self) -> None:
        await load_sdk()
        await self._worker.run()

    async def stop(self) -> None:
        """End the turn that runs, leave nothing running and nothing untold that can be told."""
        _log.info("harness_stopping")
        await self._inbox.close()
        if self._working is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(_STOP_S):
                    await self._worker.stop()
                    await asyncio.shield(self._working)
        await self._claude.close()
        log = self._disk.log
        self._board.change(activity=Activity.AWAY, current_tool="")
        log.record(HarnessStopped("stopped on request"))
        with suppress(TimeoutError, Unavailable):
            async with asyncio.timeout(_FLUSH_S):
                await self._inbox.hand_back()
                await log.flushed()
                await self._outbox.drained()

    async def _ask(self, request: Request[Any]) -> Reply:
        """Answer what is asked on the page as it is answered over the bus."""
        handler = self._endpoints.get(type(request))
        if handler is None:
            raise Unavailable("the harness is starting", hint="ask again in a second")
        return await handler(request)

    async def _pause_myself(self, request: PauseMyself) -> Done:
        return await self._bus.request(request, caller=self._settings.name)

    def _logged_in(self, event: LoggedIn) -> None:
        self._disk.log.record(event)
        self._hindrance.credentials_changed()

    def _wake(self) -> None:
        self._worker.wake()

    def _turn(self) -> Turn | None:
        return self._worker.turn

    def _conversation(self) -> Conversation:
        settings = self._settings
        return Conversation(
            find_cli=lambda: find_cli(settings.cli, command.run),
            run=settings.run,
            directory=settings.state,
            model=settings.model,
            effort=settings.harness.effort,
            system_prompt=system_prompt(settings.harness),
            tools=self._tools(),
            environment=lambda: {**settings.environment, **self._credentials.environment},
            rules=rules_of(settings.harness),
        )

    def _tools(self) -> list[Tool]:
        config = self._settings.harness
        post = Post(self._bus, config, _now)

        def record(sent: MessageSent) -> None:
            turn = self._worker.turn
            self._disk.log.record(sent, turn=turn.number if turn else 0)

        asking = Asking(self._bus, config.agent)
        messages = MessageTools(post, self._reception, self._turn, record)
        questions, items = QuestionTools(asking), ItemTools(asking, self._items)
        about = AboutTools(post, self._board, config)
        tools = [*messages.tools, *questions.tools, *items.tools, *about.tools]
        if config.manager:
            tools += ManagerTools(asking).tools
        return tools

    async def _say_hello(self) -> None:
        while True:
            session = self._board.status.session_id
            try:
                await self._bus.request(
                    Hello(session_id=session),
                    caller=self._settings.name,
                )
            except HiveError as error:
                # lifecycle may be away; it finds us by our events too.
                _log.info("hello_unanswered", code=error.code)
                await asyncio.sleep(_HELLO_RETRY_S)
            else:
                return


def _login(settings: Settings) -> Login:
    return Login(
        url=settings.harness.bus_url,
        name=settings.name,
        inbox_prefix=agent_inbox_prefix(settings.name),
        seed=read_seed(settings.run / "bus.nk"),
    )


@contextmanager
def _only_one(directory: Path) -> Iterator[None]:
    """Hold the lock that two harnesses of one agent cannot both have; it ends with the process."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise HiveError(
            f"another harness of this agent holds {directory}", code="already_running",
            hint="`hive restart AGENT` stops it first",
        ) from error  # fmt: skip
    finally:
        os.close(descriptor)


async def _unless(stop: asyncio.Event, wanted: Coroutine[Any, Any, T]) -> T | None:
    """Return what `wanted` gives, or None as soon as `stop` is set."""
    both = [asyncio.ensure_future(wanted), asyncio.ensure_future(stop.wait())]
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        return cast("T", both[0].result()) if both[0].done() else None
    finally:
        for future in both:
            future.cancel()


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - the clock that all parts are given
