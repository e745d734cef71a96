"""What the harness must not forget, in `hyperhive-harness.sqlite`: the session, and each message's fate."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from hive_harness.database import Database
from hive_harness.session import Letter, Source, Usage

MIGRATIONS: Final = (
    """
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE letters (
      number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, ack TEXT NOT NULL,
      attempts INTEGER NOT NULL DEFAULT 0, cut_off TEXT NOT NULL DEFAULT '',
      outcome TEXT, settled INTEGER NOT NULL DEFAULT 0
    );
    CREATE INDEX unsettled ON letters (settled) WHERE settled = 0;
    CREATE TABLE page (
      number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, body TEXT NOT NULL,
      sent_at TEXT NOT NULL, done INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE usage (
      day TEXT PRIMARY KEY, turns INTEGER NOT NULL, duration_s REAL NOT NULL, cost_usd REAL NOT NULL,
      input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,
      cache_read_tokens INTEGER NOT NULL, cache_write_tokens INTEGER NOT NULL
    ) WITHOUT ROWID
    """,
)
_KEPT_LETTERS: Final = 5000


@dataclass(frozen=True)
class Fate:
    """What is known of a message."""

    attempts: int
    """How many turns it was given to."""
    cut_off: str
    """Why the last of them did not come to its end; empty when nothing was noted."""
    outcome: str | None
    """How it ended; None while it has not."""


class Store:
    """The harness's memory; every call is on disk when it returns."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self, now: datetime) -> str:
        """Open the file; return the path of a damaged one that was set aside, else nothing."""
        aside = await self._database.open(now)
        await self._database.run(_forget_old)
        return str(aside) if aside else ""

    async def close(self) -> None:
        """Close the file."""
        await self._database.close()

    async def read(self, key: str) -> str:
        """Return a remembered word, empty when there is none."""
        row = await self._database.run(
            lambda c: c.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        )
        return str(row[0]) if row else ""

    async def write(self, **words: str) -> None:
        """Remember words by their keys."""
        await self._database.run(
            lambda c: c.executemany("REPLACE INTO meta VALUES (?, ?)", words.items())
        )

    async def hold(self, letter: Letter, ack: str) -> Fate:
        """Note that a message was delivered, and where its acknowledgement goes; return its fate."""

        def hold(connection: sqlite3.Connection) -> Fate:
            connection.execute(
                "INSERT INTO letters (key, ack) VALUES (?, ?)"
                " ON CONFLICT (key) DO UPDATE SET ack = excluded.ack, settled = 0",
                (letter.key, ack),
            )
            return _fate(connection, letter.key)

        return await self._database.run(hold)

    async def begin(self, letter: Letter) -> tuple[int, Fate]:
        """Count a turn of a message; return the turn's number and what was known before it."""

        def begin(connection: sqlite3.Connection) -> tuple[int, Fate]:
            connection.execute(
                "INSERT INTO letters (key, ack, settled) VALUES (?, '', 1)"
                " ON CONFLICT (key) DO NOTHING",
                (letter.key,),
            )
            before = _fate(connection, letter.key)
            connection.execute(
                "UPDATE letters SET attempts = attempts + 1, cut_off = '' WHERE key = ?",
                (letter.key,),
            )
            (number,) = connection.execute(
                "INSERT INTO meta VALUES ('turn', '1')"
                " ON CONFLICT (key) DO UPDATE SET value = value + 1 RETURNING value"
            ).fetchone()
            return int(number), before

        return await self._database.run(begin)

    async def cut_off(self, letter: Letter, why: str, usage: Usage, *, day: date) -> None:
        """Note why a turn did not come to its end, to be told when it comes again, and what it took."""

        def cut_off(connection: sqlite3.Connection) -> None:
            connection.execute("UPDATE letters SET cut_off = ? WHERE key = ?", (why, letter.key))
            _add_usage(connection, usage, day)

        await self._database.run(cut_off)

    async def finish(
        self, letter: Letter, outcome: str, usage: Usage, *, day: date, last_seq: int
    ) -> None:
        """Note that a message is done with; from now on a second delivery of it is dropped."""

        def finish(connection: sqlite3.Connection) -> None:
            connection.execute(
                "UPDATE letters SET outcome = ? WHERE key = ?", (outcome, letter.key)
            )
            if letter.source is Source.PAGE:
                connection.execute("UPDATE page SET done = 1 WHERE number = ?", (letter.sequence,))
            connection.execute("REPLACE INTO meta VALUES ('last_seq', ?)", (str(last_seq),))
            _add_usage(connection, usage, day)

        await self._database.run(finish)

    async def cost_usd(self, day: date) -> float:
        """Return what the turns of a day cost."""
        row = await self._database.run(
            lambda c: c.execute(
                "SELECT cost_usd FROM usage WHERE day = ?", (day.isoformat(),)
            ).fetchone()
        )
        return float(row[0]) if row else 0.0

    async def outcome_of(self, message_id: str) -> str:
        """Return how the last message with this id ended; empty when it has not."""
        row = await self._database.run(
            lambda c: c.execute(
                "SELECT outcome FROM letters WHERE substr(key, -length(?1) - 1) = ':' || ?1"
                " ORDER BY number DESC LIMIT 1",
                (message_id,),
            ).fetchone()
        )
        return str(row[0] or "") if row else ""

    async def settle(self, key: str) -> None:
        """Note that the bus has confirmed a message's acknowledgement."""
        await self._database.run(
            lambda c: c.execute("UPDATE letters SET settled = 1 WHERE key = ?", (key,))
        )

    async def unsettled(self) -> Sequence[tuple[str, str, bool]]:
        """Return (key, where the acknowledgement goes, done?) of messages left by another process."""
        rows: list[tuple[str, str, int]] = await self._database.run(
            lambda c: c.execute(
                "SELECT key, ack, outcome IS NOT NULL FROM letters WHERE settled = 0"
            ).fetchall()
        )
        return [(key, ack, bool(done)) for key, ack, done in rows]

    async def add_page_letter(self, *, id: str, body: str, sent_at: datetime) -> None:  # noqa: A002 - the field's own word
        """Keep a message that an operator typed on the page; a second one with its id is dropped."""
        await self._database.run(
            lambda c: c.execute(
                "INSERT OR IGNORE INTO page (id, body, sent_at) VALUES (?, ?, ?)",
                (id, body, sent_at.isoformat()),
            )
        )

    async def page_letters(self, limit: int = 20) -> list[Letter]:
        """Return the messages from the page that are not done with, the oldest first."""
        rows: list[tuple[int, str, str, str]] = await self._database.run(
            lambda c: c.execute(
                "SELECT number, id, body, sent_at FROM page WHERE NOT done ORDER BY number LIMIT ?",
                (limit,),
            ).fetchall()
        )
        return [
            Letter(
                source=Source.PAGE,
                sequence=number,
                id=id_,
                sender="operator",
                body=body,
                sent_at=datetime.fromisoformat(sent_at),
            )
            for number, id_, body, sent_at in rows
        ]


def _fate(connection: sqlite3.Connection, key: str) -> Fate:
    return Fate(
        *connection.execute(
            "SELECT attempts, cut_off, outcome FROM letters WHERE key = ?", (key,)
        ).fetchone()
    )


def _add_usage(connection: sqlite3.Connection, usage: Usage, day: date) -> None:
    connection.execute(
        "INSERT INTO usage VALUES (?, 1, ?, ?, ?, ?, ?, ?) ON CONFLICT (day) DO UPDATE SET"
        " turns = turns + 1, duration_s = duration_s + excluded.duration_s,"
        " cost_usd = cost_usd + excluded.cost_usd,"
        " input_tokens = input_tokens + excluded.input_tokens,"
        " output_tokens = output_tokens + excluded.output_tokens,"
        " cache_read_tokens = cache_read_tokens + excluded.cache_read_tokens,"
        " cache_write_tokens = cache_write_tokens + excluded.cache_write_tokens",
        (
            day.isoformat(), usage.duration_s, usage.cost_usd, usage.input_tokens,
            usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens,
        ),
    )  # fmt: skip


def _forget_old(connection: sqlite3.Connection) -> None:
    connection.execute(
        "DELETE FROM letters WHERE outcome IS NOT NULL AND settled"
        " AND number <= (SELECT max(number) FROM letters) - ?",
        (_KEPT_LETTERS,),
    )
    connection.execute(
        "DELETE FROM page WHERE done AND number <= (SELECT max(number) FROM page) - 500"
    )
