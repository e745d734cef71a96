"""What the harness must not forget, in `hyperhive-harness.sqlite`: the session, and each message's fate."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from hivecommon.contracts.harness import ParkedMessage
from hivecommon.contracts.inbox import MAX_BODY_BYTES
from hivecommon.contracts.usage import DayUsage, TurnUsage

from hive_harness import ledger, parked
from hive_harness.database import Database
from hive_harness.lane import Mark
from hive_harness.ledger import TurnRecord
from hive_harness.session import Letter, Source

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
    """
    ALTER TABLE letters RENAME TO old_letters;
    DROP INDEX unsettled;
    CREATE TABLE letters (
      number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, attempts INTEGER NOT NULL DEFAULT 0,
      kills INTEGER NOT NULL DEFAULT 0, cut_off TEXT NOT NULL DEFAULT '', outcome TEXT
    );
    INSERT INTO letters SELECT number, key, attempts, 0, cut_off, outcome FROM old_letters;
    CREATE TABLE deliveries (
      letter TEXT NOT NULL, consumer TEXT NOT NULL, ack TEXT NOT NULL, times INTEGER NOT NULL,
      PRIMARY KEY (letter, consumer)
    ) WITHOUT ROWID;
    INSERT INTO deliveries SELECT key, '', ack, 1 FROM old_letters WHERE NOT settled AND ack != '';
    DROP TABLE old_letters;
    CREATE TABLE parked (
      number INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, id TEXT NOT NULL,
      sender TEXT NOT NULL, by_whom TEXT NOT NULL, body TEXT NOT NULL, thread TEXT, reply_to TEXT,
      sent_at TEXT NOT NULL, reason TEXT NOT NULL, parked_at TEXT NOT NULL,
      wanted INTEGER NOT NULL DEFAULT 0
    )
    """,
    ledger.MIGRATION,
)
_KEPT_LETTERS: Final = 5000


@dataclass(frozen=True)
class Fate:
    """What is known of a message."""

    attempts: int
    """How many turns it was given to."""
    kills: int
    """How many of them ended without a word, with the harness itself."""
    cut_off: str
    """Why the last of them did not come to its end; empty when nothing was noted."""
    outcome: str | None
    """How it ended; None while it has not."""


@dataclass(frozen=True)
class Delivery:
    """A message that the bus has delivered and whose acknowledgement it has not confirmed."""

    letter: str
    """The message's key."""
    consumer: str
    ack: str
    """Where the acknowledgement goes."""
    times: int = 1
    """How often the consumer has delivered it, this time included."""


class Store:
    """The harness's memory; every call is on disk when it returns."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self, now: datetime) -> str:
        """Open the file; return the path of a damaged one that was set aside, else nothing."""
        aside = await self._database.open(now)
        await self.forget_old()
        return str(aside) if aside else ""

    async def forget_old(self) -> None:
        """Forget the messages that were done with long ago."""
        await self._database.run(_forget_old)

    async def prove_room(self) -> None:
        """Write something of the size of a message; raise what sqlite raises on a full disk."""
        await self.write(room="x" * MAX_BODY_BYTES)
        await self.write(room="")

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

    async def hold(self, letter: Letter, delivery: Delivery, mark: Mark) -> tuple[Fate, int]:
        """Note a delivery; return the message's fate, and which delivery of it was the last noted."""

        def hold(connection: sqlite3.Connection) -> tuple[Fate, int]:
            _know(connection, letter)
            row = connection.execute(
                "SELECT times FROM deliveries WHERE letter = ? AND consumer = ?",
                (letter.key, delivery.consumer),
            ).fetchone()
            connection.execute(
                "REPLACE INTO deliveries (letter, consumer, ack, times) VALUES (?, ?, ?, ?)",
                (letter.key, delivery.consumer, delivery.ack, delivery.times),
            )
            _remember(connection, delivery.consumer, mark)
            return _fate(connection, letter.key), int(row[0]) if row else 0

        return await self._database.run(hold)

    async def mark(self, consumer: str) -> Mark:
        """Return how far a consumer's deliveries have come."""
        return Mark(*map(int, (await self.read(f"mark:{consumer}")).split()))

    async def remember(self, consumer: str, mark: Mark) -> None:
        """Note how far a consumer's deliveries have come."""
        await self._database.run(lambda c: _remember(c, consumer, mark))

    async def begin(self, letters: Sequence[Letter]) -> tuple[int, list[Fate]]:
        """Count a turn of messages; return the turn's number and what was known before it."""

        def begin(connection: sqlite3.Connection) -> tuple[int, list[Fate]]:
            fates = _count(connection, letters)
            (number,) = connection.execute(
                "INSERT INTO meta VALUES ('turn', '1')"
                " ON CONFLICT (key) DO UPDATE SET value = value + 1 RETURNING value"
            ).fetchone()
            return int(number), fates

        return await self._database.run(begin)

    async def join(self, letters: Sequence[Letter]) -> list[Fate]:
        """Count the turn that runs for further messages; return what was known of them before."""
        return await self._database.run(lambda c: _count(c, letters))

    async def fate(self, letter: Letter) -> Fate:
        """Return what is known of a message."""

        def fate(connection: sqlite3.Connection) -> Fate:
            _know(connection, letter)
            return _fate(connection, letter.key)

        return await self._database.run(fate)

    async def leave(self, letters: Sequence[Letter], why: str) -> None:
        """Note why messages have no part in a turn that was counted for them."""
        await self._database.run(lambda c: _note(c, letters, why))

    async def cut_off(self, letters: Sequence[Letter], why: str, took: TurnRecord) -> None:
        """Note why a turn did not come to its end, to be told when it comes again, and what it took."""

        def cut_off(connection: sqlite3.Connection) -> None:
            _note(connection, letters, why)
            ledger.add(connection, took)

        await self._database.run(cut_off)

    async def finish(self, letters: Sequence[Letter], took: TurnRecord, *, last_seq: int) -> None:
        """Note that messages are done with; from now on a second delivery of them is dropped."""

        def finish(connection: sqlite3.Connection) -> None:
            for letter in letters:
                _end(connection, letter, took.outcome)
            connection.execute("REPLACE INTO meta VALUES ('last_seq', ?)", (str(last_seq),))
            ledger.add(connection, took)

        await self._database.run(finish)

    async def park(
        self, letters: Sequence[Letter], reason: str, took: TurnRecord | None, *, now: datetime,
        last_seq: int,
    ) -> list[int]:  # fmt: skip
        """Keep messages that cannot be handled, done with for the bus; return their numbers."""

        def park_all(connection: sqlite3.Connection) -> list[int]:
            numbers = []
            for letter in letters:
                numbers.append(parked.keep(connection, letter, reason, now))
                _end(connection, letter, "failed")
            connection.execute("REPLACE INTO meta VALUES ('last_seq', ?)", (str(last_seq),))
            if took is not None:
                ledger.add(connection, took)
            return numbers

        return await self._database.run(park_all)

    async def parked_count(self) -> int:
        """Return how many messages are parked."""
        return await self._database.run(parked.count)

    async def parked_messages(self, limit: int) -> list[ParkedMessage]:
        """Return parked messages, the newest first."""
        return await self._database.run(lambda c: parked.newest(c, limit))

    async def resend(self, number: int) -> bool:
        """Let a parked message come again; False when it does already. Raises `not_parked`."""

        def resend(connection: sqlite3.Connection) -> bool:
            letter = parked.want(connection, number)
            if letter is not None:
                connection.execute("DELETE FROM letters WHERE key = ?", (letter.key,))
            return letter is not None

        return await self._database.run(resend)

    async def wanted_letters(self, limit: int = 1) -> list[Letter]:
        """Return the parked messages that are to be tried again, the oldest first."""
        return await self._database.run(lambda c: parked.wanted(c, limit))

    async def cost_usd(self, day: date) -> float:
        """Return what the turns of a day cost."""
        return await self._database.run(lambda c: ledger.cost_usd(c, day))

    async def usage(self, since: date, turns: int) -> tuple[list[DayUsage], list[TurnUsage]]:
        """Return the sums of the days from `since` on, and the last turns; the newest first."""
        return await self._database.run(
            lambda c: (ledger.days(c, since), ledger.last_turns(c, turns))
        )

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

    async def settle(self, delivery: Delivery) -> None:
        """Note that the bus has confirmed a message's acknowledgement."""
        await self._database.run(
            lambda c: c.execute(
                "DELETE FROM deliveries WHERE letter = ? AND consumer = ?",
                (delivery.letter, delivery.consumer),
            )
        )

    async def unsettled(self) -> Sequence[tuple[Delivery, bool]]:
        """Return (what another process left unacknowledged, done with?) in the order of arrival."""
        rows: list[tuple[str, str, str, int, int]] = await self._database.run(
            lambda c: c.execute(
                "SELECT letter, consumer, ack, times, outcome IS NOT NULL FROM deliveries"
                " JOIN letters ON letters.key = letter ORDER BY letters.number"
            ).fetchall()
        )
        return [
            (Delivery(key, consumer, ack, times), bool(done))
            for key, consumer, ack, times, done in rows
        ]

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
        rows: list[tuple[int, str, str, str, int]] = await self._database.run(
            lambda c: c.execute(
                "SELECT number, id, body, sent_at, coalesce((SELECT attempts FROM letters"
                "  WHERE key = 'page:' || page.number || ':' || page.id), 0)"
                " FROM page WHERE NOT done ORDER BY number LIMIT ?",
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
                attempts=attempts,
            )
            for number, id_, body, sent_at, attempts in rows
        ]


def _remember(connection: sqlite3.Connection, consumer: str, mark: Mark) -> None:
    connection.execute(
        "REPLACE INTO meta VALUES (?, ?)", (f"mark:{consumer}", f"{mark.delivery} {mark.stream}")
    )


def _know(connection: sqlite3.Connection, letter: Letter) -> None:
    connection.execute(
        "INSERT INTO letters (key) VALUES (?) ON CONFLICT (key) DO NOTHING", (letter.key,)
    )


def _note(connection: sqlite3.Connection, letters: Sequence[Letter], why: str) -> None:
    connection.executemany(
        "UPDATE letters SET cut_off = ? WHERE key = ?", [(why, letter.key) for letter in letters]
    )


def _count(connection: sqlite3.Connection, letters: Sequence[Letter]) -> list[Fate]:
    fates = []
    for letter in letters:
        _know(connection, letter)
        fates.append(_fate(connection, letter.key))
        connection.execute(
            # A turn of which no end was noted ended with the harness.
            "UPDATE letters SET kills = kills + (attempts > 0 AND cut_off = ''),"
            " attempts = attempts + 1, cut_off = '' WHERE key = ?",
            (letter.key,),
        )
    return fates


def _end(connection: sqlite3.Connection, letter: Letter, outcome: str) -> None:
    connection.execute("UPDATE letters SET outcome = ? WHERE key = ?", (outcome, letter.key))
    if letter.source is Source.PAGE:
        connection.execute("UPDATE page SET done = 1 WHERE number = ?", (letter.sequence,))
    elif letter.source is Source.PARKED and outcome != "failed":
        parked.drop(connection, letter)


def _fate(connection: sqlite3.Connection, key: str) -> Fate:
    return Fate(
        *connection.execute(
            "SELECT attempts, kills + (attempts > 0 AND cut_off = '' AND outcome IS NULL), cut_off, outcome"
            " FROM letters WHERE key = ?",
            (key,),
        ).fetchone()
    )


def _forget_old(connection: sqlite3.Connection) -> None:
    connection.execute(
        "DELETE FROM letters WHERE outcome IS NOT NULL"
        " AND NOT EXISTS (SELECT 1 FROM deliveries WHERE letter = key)"
        " AND number <= (SELECT max(number) FROM letters) - ?",
        (_KEPT_LETTERS,),
    )
    # What a restart cut off of the harness's own is begun anew, with another key.
    connection.execute("DELETE FROM letters WHERE key LIKE 'own:%' AND outcome IS NULL")
    connection.execute(
        "DELETE FROM page WHERE done AND number <= (SELECT max(number) FROM page) - 500"
    )
