"""lifecycle's parts, put together and kept going for as long as the service runs."""

import asyncio
import fcntl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import NoReturn

import nats.errors
import structlog
from hivecommon.application import Context, Endpoints
from hivecommon.broker import SYSTEM_PRINCIPAL, service_key
from hivecommon.bus import Bus, Login
from hivecommon.command import run
from hivecommon.contracts.events import HiveEventBody, JobChanged
from hivecommon.contracts.jobs import Job
from hivecommon.environment import HiveEnvironment
from hivecommon.errors import HiveError
from hivecommon.home import HiveHome
from hivecommon.keys import read_seed
from hivecommon.names import MANAGER

from hive_lifecycle import output
from hive_lifecycle.admission import Admission
from hive_lifecycle.agents import Agent
from hive_lifecycle.config import LifecycleConfig, read_config
from hive_lifecycle.config_repos import ConfigRepos
from hive_lifecycle.config_verbs import ConfigVerbs
from hive_lifecycle.inboxes import Inboxes
from hive_lifecycle.jobs import JobQueue
from hive_lifecycle.operations import Operations
from hive_lifecycle.peers import PeerVerbs
from hive_lifecycle.registry import Registry
from hive_lifecycle.roster import Roster
from hive_lifecycle.runtime import Runtime
from hive_lifecycle.runtimes import open_runtime
from hive_lifecycle.service import OperatorVerbs
from hive_lifecycle.store import Store
from hive_lifecycle.update_verbs import UpdateVerbs
from hive_lifecycle.watch import Watch, repeat

_LOOK_S = 30.0
_HOUSEKEEPING_S = 3600.0
_RECONNECTS_S = 2.0
_KEEP_JOBS = timedelta(days=90)

_log = structlog.get_logger()


class _Leave(Exception):
    """Ends the background work."""


def _leave() -> NoReturn:
    raise _Leave


@asynccontextmanager
async def setup(context: Context) -> AsyncIterator[Endpoints]:
    """Open what lifecycle needs, begin the background work, yield the endpoints."""
    config = read_config(context.environ, context.environment)
    with _alone(context.environment.home):
        async with _connected(context, config) as endpoints:
            yield endpoints


@contextmanager
def _alone(home: HiveHome) -> Iterator[None]:
    """Hold the hive as its only lifecycle: two would start every agent twice."""
    with (home.root / "lifecycle.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise HiveError(
                f"another lifecycle looks after {home.root}", code="already_up",
                hint="stop it first, or set HIVE_HOME to another directory",
            ) from error  # fmt: skip
        yield


@asynccontextmanager
async def _connected(context: Context, config: LifecycleConfig) -> AsyncIterator[Endpoints]:
    system = await Bus.connect(_system_login(context.environment))
    try:
        with (
            closing(Store(context.environment.home.lifecycle_db)) as store,
            open_runtime(config, context.environ, run, now) as runtime,
        ):
            async with _working(context, config, store, runtime, system) as endpoints:
                yield endpoints
    finally:
        await system.drain()


@asynccontextmanager
async def _working(
    context: Context, config: LifecycleConfig, store: Store, runtime: Runtime, system: Bus
) -> AsyncIterator[Endpoints]:
    hive, bus = context.environment, context.bus
    operations = Operations(
        config=config,
        store=store,
        runtime=runtime,
        registry=Registry(hive, bus, system, store.living),
        roster=Roster(bus, runtime.name, now),
        inboxes=Inboxes(bus, now),
        repos=ConfigRepos(hive.home, config.git, run),
        tell=lambda change, event_id="": _publish(bus, change, event_id),
        submit=lambda key, order, by: jobs.submit(key, order, requested_by=by),
        run=run,
        clock=now,
    )
    admission = Admission(store, hive)
    try:
        async with asyncio.TaskGroup() as group:
            jobs = JobQueue(
                store, operations.carry_out, lambda job: _publish_job(bus, job), now, group,
                give_up=operations.give_up,
            )  # fmt: skip
            watch = Watch(operations, jobs, group, asyncio.sleep)
            await _begin(context, operations, jobs, watch, group)
            verbs = OperatorVerbs(operations, jobs, admission, bus)
            peers = PeerVerbs(operations, jobs, admission, bus, group)
            configs = ConfigVerbs(operations, jobs, admission, bus)
            updates = UpdateVerbs(operations, jobs, bus)
            parts = (verbs, peers, configs, updates)
            yield {kind: answer for part in parts for kind, answer in part.endpoints().items()}
            _leave()
    except* _Leave:
        pass  # jobs in their middle stay as they are written down, and are resumed


async def _begin(
    context: Context, operations: Operations, jobs: JobQueue, watch: Watch, group: asyncio.TaskGroup
) -> None:
    store, roster = operations.store, operations.roster
    if context.environment.manager and not store.ever_had(MANAGER):
        store.put(Agent(name=MANAGER, created_at=now()))
    await operations.registry.apply()
    await roster.follow()
    await operations.inboxes.watch_parked()
    await watch.observe_all()
    await watch.recall_all()
    await jobs.resume()
    watch.start_all()
    watch.look_for_updates()
    group.create_task(roster.write_for_ever())
    group.create_task(watch.follow())
    group.create_task(_release(context.stopping, jobs))
    for action, every_s in (
        (watch.look_again, _LOOK_S),
        (_RecallAfterOutage(context.bus, watch).look, _RECONNECTS_S),
        (_Housekeeping(operations).tidy, _HOUSEKEEPING_S),
    ):
        group.create_task(repeat(action, every_s, asyncio.sleep))


async def _release(stopping: asyncio.Event, jobs: JobQueue) -> None:
    await stopping.wait()
    jobs.release()


class _RecallAfterOutage:
    """Reads again what harnesses said while our connection was away."""

    def __init__(self, bus: Bus, watch: Watch) -> None:
        self._bus = bus
        self._watch = watch
        self._reconnects = 0

    async def look(self) -> None:
        """Recall, if there was an outage since the last look."""
        if (reconnects := self._bus.client.stats["reconnects"]) != self._reconnects:
            await self._watch.recall_all()
            self._reconnects = reconnects


class _Housekeeping:
    """Keeps what grows within bounds."""

    def __init__(self, operations: Operations) -> None:
        self._do = operations

    async def tidy(self) -> None:
        """Remove read messages and ended jobs that are old, and shorten long outputs."""
        await self._do.inboxes.prune()
        forgotten = self._do.store.forget_jobs(now() - _KEEP_JOBS)
        for agent in self._do.store.living():
            output.truncate_live(output.harness_log(self._do.config.hive.home, agent.name))
        _log.info("tidied", jobs_forgotten=forgotten)


def _system_login(hive: HiveEnvironment) -> Login:
    seed = read_seed(service_key(hive.home, SYSTEM_PRINCIPAL))
    return Login(hive.bus.url, "lifecycle (system)", "_INBOX", seed)


async def _publish(bus: Bus, body: HiveEventBody, event_id: str = "") -> None:
    try:
        await bus.publish_event("lifecycle", body, event_id=event_id)
    except nats.errors.Error as error:
        _log.warning("event_not_published", error=str(error) or type(error).__name__)


async def _publish_job(bus: Bus, job: Job) -> None:
    await _publish(bus, JobChanged(job=job))


def now() -> datetime:
    """Return the moment: the one clock of this process."""
    return datetime.now(UTC)  # noqa: TID251 - the edge: everybody else takes a clock
