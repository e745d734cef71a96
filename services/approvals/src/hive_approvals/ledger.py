"""The database, and who wants to know when something in it has changed."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Column, ColumnElement, Connection, func, select

from hive_approvals.database import Database

T = TypeVar("T")


class Ledger:
    """Every change goes through here, so that what follows from it is done at once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._watchers: list[asyncio.Event] = []

    def watch(self) -> asyncio.Event:
        """Return an event that is set now, and after every change."""
        event = asyncio.Event()
        event.set()
        self._watchers.append(event)
        return event

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Return what `work` finds in one consistent view."""
        return await self._database.read(work)

    async def change_if_due(
        self, column: Column[datetime], waits: ColumnElement[bool], now: datetime,
        work: Callable[[Connection], None],
    ) -> datetime | None:  # fmt: skip
        """Do `work` if something that `waits` is due; return when the next one is."""
        query = select(func.min(column)).where(waits)

        def first(connection: Connection) -> datetime | None:
            found: datetime | None = connection.execute(query).scalar()
            return found

        due = await self.read(first)
        if due is None or due > now:
            return due
        await self.change(work)
        return await self.read(first)

    async def change(self, work: Callable[[Connection], T]) -> T:
        """Return what `work` did in one transaction, and wake who watches."""
        result = await self._database.write(work)
        for watcher in self._watchers:
            watcher.set()
        return result
