"""A table that pages watch: its rows, and which of them changed since a page last looked."""

import asyncio
from collections.abc import Mapping
from typing import Generic, TypeVar

T = TypeVar("T")


class Table(Generic[T]):
    """Rows by key. A change gives a row a new version; a watcher asks for what is newer."""

    def __init__(self) -> None:
        self._rows: dict[str, T] = {}
        self._versions: dict[str, int] = {}
        """Also of removed rows, so that a watcher hears of the removal."""
        self._version = 0
        self._changed = asyncio.Event()

    @property
    def rows(self) -> Mapping[str, T]:
        """The rows as they are now."""
        return self._rows

    @property
    def version(self) -> int:
        """The version of the last change."""
        return self._version

    def put(self, key: str, row: T) -> None:
        """Set a row; an equal one changes nothing."""
        if self._rows.get(key) != row:
            self._rows[key] = row
            self._touch(key)

    def remove(self, key: str) -> None:
        """Remove a row, if there is one."""
        if self._rows.pop(key, None) is not None:
            self._touch(key)

    def replace(self, rows: Mapping[str, T]) -> None:
        """Make `rows` the whole table."""
        for key in self._rows.keys() - rows.keys():
            self.remove(key)
        for key, row in rows.items():
            self.put(key, row)

    def since(self, version: int) -> tuple[dict[str, T], list[str]]:
        """Return what was set and what was removed after `version`."""
        keys = [key for key, changed in self._versions.items() if changed > version]
        return (
            {key: self._rows[key] for key in keys if key in self._rows},
            [key for key in keys if key not in self._rows],
        )

    async def newer_than(self, version: int) -> None:
        """Return once there is something newer than `version`."""
        while self._version <= version:
            await self._changed.wait()

    def _touch(self, key: str) -> None:
        self._version += 1
        self._versions[key] = self._version
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
