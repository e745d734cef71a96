"""Tables: a watcher hears of every row once, in its latest form."""

import asyncio

import pytest
from hive_dashboard.table import Table


def test_a_watcher_hears_what_was_set_and_removed_since_it_looked() -> None:
    table: Table[int] = Table()
    table.put("a", 1)
    table.put("b", 2)
    seen = table.version
    table.put("a", 3)
    table.remove("b")
    table.put("c", 4)

    assert table.since(seen) == ({"a": 3, "c": 4}, ["b"])
    assert table.since(table.version) == ({}, [])


def test_an_equal_row_is_no_news() -> None:
    table: Table[str] = Table()
    table.put("a", "same")
    seen = table.version
    table.put("a", "same")
    table.remove("nobody")

    assert table.version == seen


def test_a_row_that_comes_back_is_set_and_not_gone() -> None:
    table: Table[int] = Table()
    table.put("a", 1)
    seen = table.version
    table.remove("a")
    table.put("a", 1)

    assert table.since(seen) == ({"a": 1}, [])


def test_replacing_touches_only_what_differs() -> None:
    table: Table[int] = Table()
    table.replace({"a": 1, "b": 2})
    seen = table.version
    table.replace({"b": 2, "c": 3})

    assert table.rows == {"b": 2, "c": 3}
    assert table.since(seen) == ({"c": 3}, ["a"])


async def test_every_watcher_wakes_and_a_late_one_does_not_wait() -> None:
    table: Table[int] = Table()
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        waits = [group.create_task(table.newer_than(0)) for _ in range(3)]
        await asyncio.sleep(0)
        assert not any(wait.done() for wait in waits)
        table.put("a", 1)
    await table.newer_than(0)


async def test_a_watcher_that_is_up_to_date_waits() -> None:
    table: Table[int] = Table()
    table.put("a", 1)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await table.newer_than(table.version)
