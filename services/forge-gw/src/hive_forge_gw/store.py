"""What was provisioned and what was delivered: forge-gw's own database. It never holds a token."""

import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hivecommon.errors import HiveError
from hivecommon.home import make_private

_MIGRATIONS: Final = (
    """
    CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
    CREATE TABLE accounts (
        agent TEXT PRIMARY KEY,
        user_id INTEGER NOT NULL,
        state_dir TEXT NOT NULL,
        token_digest TEXT NOT NULL DEFAULT '',
        token_last_eight TEXT NOT NULL DEFAULT '',
        token_at REAL,
        looked_at REAL NOT NULL
    ) STRICT;
    CREATE TABLE threads (
        agent TEXT NOT NULL,
        subject TEXT NOT NULL,
        seen_at REAL NOT NULL,
        PRIMARY KEY (agent, subject)
    ) STRICT;
    CREATE TABLE deliveries (
        agent TEXT NOT NULL,
        item TEXT NOT NULL,
        done INTEGER NOT NULL DEFAULT 0,
        at REAL NOT NULL,
        PRIMARY KEY (agent, item)
    ) STRICT;
    CREATE TABLE rechecks (
        agent TEXT NOT NULL,
        path TEXT NOT NULL,
        PRIMARY KEY (agent, path)
    ) STRICT;
    CREATE TABLE mirrors (repo TEXT PRIMARY KEY, digest TEXT NOT NULL) STRICT;
    """,
)


_OF_AGENTS: Final = ("accounts", "threads", "deliveries", "rechecks")


@dataclass(frozen=True)
class Account:
    """An account of ours."""

    agent: str
    user_id: int
    state_dir: str
    """Device and inode of the agent's state directory: it moves along in a rename, a copy is another."""
    token_digest: str = ""
    token_last_eight: str = ""
    token_at: float | None = None
    looked_at: float = 0.0
    """Until when (unix time) all notifications were seen to."""


class Store:
    """The database, opened by one process at a time; every method is one transaction."""

    def __init__(self, file: Path) -> None:
        make_private(file.parent)
        self._db = sqlite3.connect(file, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode = WAL")
        # What was delivered is known to be so after a power loss.
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA busy_timeout = 5000")
        self._migrate(file)

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    def _migrate(self, file: Path) -> None:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version > len(_MIGRATIONS):
            raise HiveError(
                f"{file} was written by a newer hyperhive (its version is {version})",
                code="newer_database",
                hint=f"this one knows version {len(_MIGRATIONS)}: update it",
            )
        for number, script in enumerate(_MIGRATIONS[version:], start=version + 1):
            self._db.executescript(f"BEGIN; {script} PRAGMA user_version = {number}; COMMIT;")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def epoch(self) -> str:
        """Return the mark of this forge's ids."""
        row = self._db.execute("SELECT value FROM facts WHERE name = 'epoch'").fetchone()
        return str(row["value"]) if row else self.new_epoch()

    def new_epoch(self) -> str:
        """Note that the forge's ids begin anew: it was set up afresh."""
        mark = secrets.token_hex(3)
        with self._transaction():
            self._db.execute("INSERT OR REPLACE INTO facts VALUES ('epoch', ?)", (mark,))
            for table in ("threads", "rechecks", "mirrors"):
                self._db.execute(f"DELETE FROM {table}")  # noqa: S608 - names of our own
        return mark

    # Accounts

    def accounts(self) -> list[Account]:
        """Return all accounts by their agents' names."""
        rows = self._db.execute("SELECT * FROM accounts ORDER BY agent")
        return [Account(**dict(row)) for row in rows]

    def account(self, agent: str) -> Account | None:
        """Return an agent's account."""
        row = self._db.execute("SELECT * FROM accounts WHERE agent = ?", (agent,)).fetchone()
        return Account(**dict(row)) if row else None

    def put_account(self, account: Account) -> None:
        """Write an account down, or what has changed of it but `looked_at`, which only moves ahead."""
        with self._transaction():
            self._db.execute(
                "INSERT INTO accounts VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (agent) DO UPDATE SET"
                " user_id = excluded.user_id, state_dir = excluded.state_dir,"
                " token_digest = excluded.token_digest, token_at = excluded.token_at,"
                " token_last_eight = excluded.token_last_eight",
                (account.agent, account.user_id, account.state_dir, account.token_digest,
                 account.token_last_eight, account.token_at, account.looked_at),
            )  # fmt: skip

    def rename_account(self, old: str, new: str) -> None:
        """Carry an account over to the agent's new name, with all that was seen and delivered."""
        with self._transaction():
            for table in _OF_AGENTS:
                self._db.execute(f"DELETE FROM {table} WHERE agent = ?", (new,))  # noqa: S608 - names of our own
                self._db.execute(f"UPDATE {table} SET agent = ? WHERE agent = ?", (new, old))  # noqa: S608 - as above

    def forget_account(self, agent: str) -> None:
        """Drop an account and all that was noted for it."""
        with self._transaction():
            for table in _OF_AGENTS:
                self._db.execute(f"DELETE FROM {table} WHERE agent = ?", (agent,))  # noqa: S608 - names of our own

    # Notifications

    def looked(self, agent: str, at: float) -> None:
        """Note that all notifications until `at` were seen to."""
        self._db.execute(
            "UPDATE accounts SET looked_at = max(looked_at, ?) WHERE agent = ?", (at, agent)
        )

    def seen_at(self, agent: str, subject: str) -> float | None:
        """Return up to when an issue was seen to for an agent; None: never."""
        row = self._db.execute(
            "SELECT seen_at FROM threads WHERE agent = ? AND subject = ?", (agent, subject)
        ).fetchone()
        return float(row["seen_at"]) if row else None

    def saw(self, agent: str, subject: str, at: float) -> None:
        """Note up to when an issue was seen to."""
        self._db.execute(
            "INSERT INTO threads VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET"
            " seen_at = max(seen_at, excluded.seen_at)",
            (agent, subject, at),
        )

    def delivered(self, agent: str) -> set[str]:
        """Return all items that went into an agent's inbox."""
        rows = self._db.execute("SELECT item FROM deliveries WHERE agent = ? AND done", (agent,))
        return {str(row["item"]) for row in rows}

    def count_delivered(self) -> dict[str, int]:
        """Return how many items went into each inbox."""
        rows = self._db.execute(
            "SELECT agent, count(*) AS many FROM deliveries WHERE done GROUP BY agent"
        )
        return {str(row["agent"]): int(row["many"]) for row in rows}

    def begin_delivery(self, agent: str, item: str, at: float) -> bool:
        """Note that an item is about to be sent; False: it was before, and what became of it is unknown."""
        done = self._db.execute(
            "INSERT OR IGNORE INTO deliveries VALUES (?, ?, 0, ?)", (agent, item, at)
        )
        return done.rowcount == 1

    def end_delivery(self, agent: str, item: str) -> None:
        """Note that an item is in the inbox."""
        self._db.execute(
            "UPDATE deliveries SET done = 1 WHERE agent = ? AND item = ?", (agent, item)
        )

    def rechecks(self, agent: str) -> list[str]:
        """Return the issues that were marked as read, but perhaps not looked at since."""
        rows = self._db.execute("SELECT path FROM rechecks WHERE agent = ? ORDER BY path", (agent,))
        return [str(row["path"]) for row in rows]

    def add_recheck(self, agent: str, path: str) -> None:
        """Note that an issue is about to be marked as read."""
        self._db.execute("INSERT OR IGNORE INTO rechecks VALUES (?, ?)", (agent, path))

    def end_recheck(self, agent: str, path: str) -> None:
        """Note that an issue was looked at after it was marked as read."""
        self._db.execute("DELETE FROM rechecks WHERE agent = ? AND path = ?", (agent, path))

    # Mirrors

    def mirrored(self, repo: str) -> str:
        """Return the digest of what was last pushed."""
        row = self._db.execute("SELECT digest FROM mirrors WHERE repo = ?", (repo,)).fetchone()
        return str(row["digest"]) if row else ""

    def set_mirrored(self, repo: str, digest: str) -> None:
        """Note what was pushed; an empty digest forgets."""
        self._db.execute("INSERT OR REPLACE INTO mirrors VALUES (?, ?)", (repo, digest))
