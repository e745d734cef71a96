"""The approvals service as a process: wiring only."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from importlib.metadata import version

import msgspec
from hivecommon.application import Context, Endpoints, Identity, run_service
from hivecommon.contracts.events import HiveEvent, JobChanged
from hivecommon.daemon import end_tasks
from nats.aio.msg import Msg

from hive_approvals.clockwork import Clockwork
from hive_approvals.config import read_config
from hive_approvals.database import Database
from hive_approvals.executor import Executor
from hive_approvals.inquiries import Inquiries
from hive_approvals.kinds.kind import Parts
from hive_approvals.kinds.registry import KINDS
from hive_approvals.lifecycle import Lifecycle
from hive_approvals.marks import Marker
from hive_approvals.outbox import Outbox
from hive_approvals.own_items import OwnItemsDesk
from hive_approvals.questions import QuestionStore
from hive_approvals.recorder import Recorder
from hive_approvals.schedules import ScheduleStore
from hive_approvals.service import Desk
from hive_approvals.store import ApprovalStore
from hive_approvals.sweeper import Sweeper


@asynccontextmanager
async def setup(context: Context) -> AsyncIterator[Endpoints]:
    """Open the database, start the background work, yield the endpoints; stop all of it afterwards."""
    config = read_config(context.environment, context.environ)
    database = await Database.open(config.database)
    store = ApprovalStore(database, _now)
    schedules = ScheduleStore(store.ledger, _now, config.local_zone)
    parts = Parts(store, Lifecycle(context.bus), schedules)
    questions = QuestionStore(store.ledger, _now)
    executor_wake = store.watch()
    executor = Executor(parts, KINDS, wake=executor_wake, follow_s=config.follow_s)
    outbox = Outbox(database, context.bus, wake=store.watch(), resend_s=config.resend_s)
    marker = Marker(database, parts.lifecycle, wake=store.watch(), retry_s=config.follow_s)
    clockwork = Clockwork((schedules.fire_due, questions.expire), _now, wake=store.watch())
    followers = (store.follow_agent, questions.follow_agent, schedules.follow_agent)
    recorder = Recorder(
        store.ledger, followers, context.bus,
        tell_manager=config.tell_manager, poll_s=config.follow_s,
    )  # fmt: skip
    sweeper = Sweeper(
        store,
        parts.lifecycle,
        [kind.name for kind in KINDS.values() if kind.needs_state_dir],
        every_s=config.sweep_s,
        caught_up=recorder.caught_up,
    )
    await context.bus.subscribe(HiveEvent.filter_for("job"), _on_job(executor_wake))
    await recorder.begin()
    background = (executor, outbox, sweeper, marker, clockwork, recorder)
    work = [context.group.create_task(part.run()) for part in background]
    try:
        endpoints = dict(Desk(parts, KINDS, sweeper).endpoints())
        endpoints |= Inquiries(parts, questions).endpoints()
        endpoints |= OwnItemsDesk(parts, questions).endpoints()
        for kind in KINDS.values():
            endpoints |= kind.endpoints(parts)
        yield endpoints
    finally:
        await end_tasks(work)
        await database.close()


def _on_job(wake: asyncio.Event) -> Callable[[Msg], Awaitable[None]]:
    async def handle(msg: Msg) -> None:
        event = msgspec.json.decode(msg.data, type=HiveEvent)
        if isinstance(event.body, JobChanged) and event.body.job.state.ended:
            wake.set()

    return handle


def _now() -> datetime:
    return datetime.now(UTC)


def main() -> None:
    """Run the service until it is asked to stop."""
    identity = Identity("approvals", version("hive-approvals"), "Changes that wait for an operator")
    sys.exit(run_service(identity, setup, os.environ))


if __name__ == "__main__":
    main()
