"""forge-gw as a process: wiring only."""

import asyncio
import logging
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version

import httpx
from hivecommon.application import Context, Endpoints, Identity, run_service
from hivecommon.command import run
from hivecommon.contracts.events import HiveEvent
from nats.aio.msg import Msg

from hive_forge_gw.accounts import Accounts
from hive_forge_gw.config import read_config
from hive_forge_gw.feed import Feed
from hive_forge_gw.gateway import Gateway, Parts
from hive_forge_gw.mirrors import Mirrors
from hive_forge_gw.places import Places
from hive_forge_gw.roster import Roster
from hive_forge_gw.service import Desk
from hive_forge_gw.standing import Standing
from hive_forge_gw.store import Store
from hive_forge_gw.webhooks import application, keep_open


@asynccontextmanager
async def setup(context: Context) -> AsyncIterator[Endpoints]:
    """Open the database, start the loop and the webhooks' door, yield the endpoints."""
    config = read_config(context.environment, context.environ)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    store = Store(config.database)
    places = Places(config, store)
    async with AsyncExitStack() as stack:
        stack.callback(store.close)
        client = await stack.enter_async_context(httpx.AsyncClient(trust_env=False))
        standing = Standing(config, time.time)
        parts = Parts(
            config=config,
            store=store,
            accounts=Accounts(config.home, store, time.time),
            places=places,
            mirrors=Mirrors(config, places, store, run),
            feed=Feed(store, context.bus, time.time),
            roster=Roster(context.bus),
        )
        gateway = Gateway(parts, standing, client, time.time)

        async def on_event(_msg: Msg) -> None:
            gateway.wake()

        for source in ("lifecycle", "job"):
            await context.bus.subscribe(HiveEvent.filter_for(source), on_event)
        work = [context.group.create_task(gateway.run())]
        if config.url and config.webhook_port:
            door = application(places.secret(), gateway.wake_by_forge)
            work.append(context.group.create_task(keep_open(config.webhook_port, door)))
        try:
            yield Desk(gateway, standing, store).endpoints()
        finally:
            for task in work:
                task.cancel()
            await asyncio.wait(work)


def main() -> None:
    """Run the service until it is asked to stop."""
    identity = Identity("forge-gw", version("hive-forge-gw"), "Accounts and news from the forge")
    sys.exit(run_service(identity, setup, os.environ))


if __name__ == "__main__":
    main()
