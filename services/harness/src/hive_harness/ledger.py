"""What turns took, in the harness's sqlite: each turn for a while, the sums of each day for ever."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final

import msgspec
from hivecommon.contracts.usage import DayUsage, Spent, TurnUsage

from hive_harness.session import Usage

MIGRATION: Final = """
    CREATE TABLE turns (
      day TEXT NOT NULL, number INTEGER NOT NULL, ended_at TEXT NOT NULL, sender TEXT NOT NULL,
      outcome TEXT NOT NULL, model TEXT NOT NULL, tools TEXT NOT NULL,
      duration_s REAL NOT NULL, cost_usd REAL NOT NULL,
      input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,
      cache_read_tokens INTEGER NOT NULL, cache_write_tokens INTEGER NOT NULL
    );
    CREATE INDEX turns_by_day ON turns (day)
    """
"""The table `usage`, one row a day, is older."""

KEPT: Final = timedelta(days=90)
_MOST_TOOLS: Final = 50
_LONGEST_NAME: Final = 80
_SPENT: Final = (
    "duration_s", "cost_usd", "input_tokens", "output_tokens", "cache_read_tokens",
    "cache_write_tokens",
)  # fmt: skip
_COLUMNS: Final = ", ".join(_SPENT)


@dataclass(frozen=True, kw_only=True)
class TurnRecord:
    """One turn that is over, or was cut off."""

    number: int
    ended_at: datetime
    sender: str
    outcome: str
    model: str = ""
    usage: Usage = field(default_factory=Usage)
    tools: Mapping[str, int] = field(default_factory=dict)

    @property
    def day(self) -> date:
        """The day that it counts for: that of its end, in UTC as all times here."""
        return self.ended_at.date()


def few(tools: Mapping[str, int]) -> dict[str, int]:
    """Return the most used tools: names are the model's words, and it may invent any number."""
    most = sorted(tools.items(), key=lambda item: (-item[1], item[0]))[:_MOST_TOOLS]
    return {name[:_LONGEST_NAME]: count for name, count in most}


def add(connection: sqlite3.Connection, turn: TurnRecord) -> None:
    """Note a turn, and forget those that are too old to be told one by one."""
    spent = tuple(getattr(turn.usage, name) for name in _SPENT)
    connection.execute(
        f"INSERT INTO turns (day, number, ended_at, sender, outcome, model, tools, {_COLUMNS})"  # noqa: S608 - names of ours
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            turn.day.isoformat(), turn.number, turn.ended_at.isoformat(), turn.sender,
            turn.outcome, turn.model, msgspec.json.encode(few(turn.tools)).decode(), *spent,
        ),
    )  # fmt: skip
    connection.execute(
        f"INSERT INTO usage (day, turns, {_COLUMNS}) VALUES (?, 1, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - as above
        " ON CONFLICT (day) DO UPDATE SET turns = turns + 1,"
        f" {', '.join(f'{name} = {name} + excluded.{name}' for name in _SPENT)}",
        (turn.day.isoformat(), *spent),
    )
    connection.execute("DELETE FROM turns WHERE day < ?", ((turn.day - KEPT).isoformat(),))


def days(connection: sqlite3.Connection, since: date) -> list[DayUsage]:
    """Return the sums of the days from `since` on, the newest first."""
    tools: dict[str, dict[str, int]] = {}
    for day, tool, count in connection.execute(
        "SELECT day, key, sum(value) FROM turns, json_each(turns.tools) WHERE day >= ?"
        " GROUP BY day, key",
        (since.isoformat(),),
    ):
        tools.setdefault(day, {})[tool] = count
    rows = connection.execute(
        f"SELECT day, turns, {_COLUMNS} FROM usage WHERE day >= ? ORDER BY day DESC",  # noqa: S608 - as above
        (since.isoformat(),),
    )
    return [
        DayUsage(
            day=date.fromisoformat(day), turns=turns, tools=few(tools.get(day, {})),
            **msgspec.structs.asdict(_spent(spent)),
        )
        for day, turns, *spent in rows
    ]  # fmt: skip


def last_turns(connection: sqlite3.Connection, limit: int) -> list[TurnUsage]:
    """Return the last turns, the newest first."""
    rows = connection.execute(
        f"SELECT number, ended_at, sender, outcome, model, tools, {_COLUMNS} FROM turns"  # noqa: S608 - as above
        " ORDER BY rowid DESC LIMIT ?",
        (limit,),
    )
    return [
        TurnUsage(
            turn=number, at=datetime.fromisoformat(ended_at), sender=sender, outcome=outcome,
            model=model, tools=msgspec.json.decode(tools, type=dict[str, int]),
            **msgspec.structs.asdict(_spent(spent)),
        )
        for number, ended_at, sender, outcome, model, tools, *spent in rows
    ]  # fmt: skip


def cost_usd(connection: sqlite3.Connection, day: date) -> float:
    """Return what the turns of a day cost."""
    row = connection.execute(
        "SELECT cost_usd FROM usage WHERE day = ?", (day.isoformat(),)
    ).fetchone()
    return float(row[0]) if row else 0.0


def _spent(values: list[float]) -> Spent:
    return msgspec.convert(dict(zip(_SPENT, values, strict=True)), Spent)
