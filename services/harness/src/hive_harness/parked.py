"""Messages that could not be handled: kept with all that is theirs until an operator wants them again."""

import sqlite3
from datetime import datetime
from typing import Final

from hivecommon.contracts.harness import ParkedMessage
from hivecommon.errors import HiveError

from hive_harness.prompt import first_line
from hive_harness.session import Letter, Source

_KEPT: Final = 1000


def keep(connection: sqlite3.Connection, letter: Letter, reason: str, now: datetime) -> int:
    """Park a message; return its number, which it keeps when it is parked again."""
    if letter.source is Source.PARKED:
        connection.execute(
            "UPDATE parked SET reason = ?, parked_at = ?, wanted = 0 WHERE number = ?",
            (reason, now.isoformat(), letter.sequence),
        )
        return letter.sequence
    (number,) = connection.execute(
        "INSERT INTO parked (key, id, sender, by_whom, body, thread, reply_to, sent_at, reason,"
        " parked_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (key) DO UPDATE SET reason = excluded.reason RETURNING number",
        (
            letter.key, letter.id, letter.sender, letter.by, letter.body, letter.thread,
            letter.reply_to, letter.sent_at.isoformat(), reason, now.isoformat(),
        ),
    ).fetchone()  # fmt: skip
    connection.execute("DELETE FROM parked WHERE NOT wanted AND number <= ?", (number - _KEPT,))
    return int(number)


def count(connection: sqlite3.Connection) -> int:
    """Return how many messages are parked."""
    (found,) = connection.execute("SELECT count(*) FROM parked WHERE NOT wanted").fetchone()
    return int(found)


def newest(connection: sqlite3.Connection, limit: int) -> list[ParkedMessage]:
    """Return parked messages, the newest first."""
    rows = connection.execute(
        "SELECT number, id, sender, by_whom, body, thread, sent_at, reason, parked_at FROM parked"
        " WHERE NOT wanted ORDER BY parked_at DESC, number DESC LIMIT ?",
        (limit,),
    ).fetchall()
    return [
        ParkedMessage(
            number=number,
            id=id_,
            sender=sender,
            by=by,
            first_line=first_line(body),
            thread=thread,
            sent_at=datetime.fromisoformat(sent_at),
            reason=reason[:500],
            parked_at=datetime.fromisoformat(parked_at),
        )
        for number, id_, sender, by, body, thread, sent_at, reason, parked_at in rows
    ]


def want(connection: sqlite3.Connection, number: int) -> Letter | None:
    """Let a message come again and return it; None when it does already. Raises `not_parked`."""
    row = connection.execute("SELECT wanted FROM parked WHERE number = ?", (number,)).fetchone()
    if row is None:
        raise HiveError(
            f"there is no parked message {number}", code="not_parked",
            hint="`hive inbox AGENT` lists what is parked",
        )  # fmt: skip
    if row[0]:
        return None
    connection.execute("UPDATE parked SET wanted = 1 WHERE number = ?", (number,))
    return _letters(connection, "number = ?", number)[0]


def wanted(connection: sqlite3.Connection, limit: int) -> list[Letter]:
    """Return the messages that are to come again, the oldest first."""
    return _letters(connection, "wanted ORDER BY number LIMIT ?", limit)


def drop(connection: sqlite3.Connection, letter: Letter) -> None:
    """Forget a message that was handled after all."""
    connection.execute("DELETE FROM parked WHERE number = ?", (letter.sequence,))


def _letters(connection: sqlite3.Connection, where: str, value: int) -> list[Letter]:
    columns = "number, id, sender, by_whom, body, thread, reply_to, sent_at"
    query = f"SELECT {columns} FROM parked WHERE {where}"  # noqa: S608 - two conditions of ours
    rows = connection.execute(query, (value,)).fetchall()
    return [
        Letter(
            source=Source.PARKED,
            sequence=number,
            id=id_,
            sender=sender,
            by=by,
            body=body,
            thread=thread,
            reply_to=reply_to,
            sent_at=datetime.fromisoformat(sent_at),
        )
        for number, id_, sender, by, body, thread, reply_to, sent_at in rows
    ]
