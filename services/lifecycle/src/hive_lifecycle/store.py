"""lifecycle's own database: which agents there are, and the jobs on them."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
from hivecommon.contracts.agent_toml import AgentToml
from hivecommon.contracts.jobs import Job
from hivecommon.contracts.lifecycle import AgentSettings, Cap
from hivecommon.errors import HiveError
from hivecommon.home import make_private
from hivecommon.names import AgentName

from hive_lifecycle.agents import Agent, Wanted
from hive_lifecycle.orders import Order, StoredJob

_MIGRATIONS: Final = (
    """
    CREATE TABLE agents (
        name TEXT PRIMARY KEY,
        settings BLOB NOT NULL,
        wanted TEXT NOT NULL,
        paused INTEGER NOT NULL DEFAULT 0,
        origin TEXT NOT NULL,
        created_at TEXT NOT NULL,
        crashed_at TEXT,
        restarts INTEGER NOT NULL DEFAULT 0,
        destroyed_at TEXT,
        purged INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE TABLE jobs (
        id TEXT PRIMARY KEY,
        number INTEGER NOT NULL UNIQUE,
        agent TEXT NOT NULL,
        state TEXT NOT NULL,
        ended INTEGER NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        created_at TEXT NOT NULL,
        work BLOB NOT NULL,
        job BLOB NOT NULL
    ) STRICT;
    CREATE INDEX jobs_by_agent ON jobs (agent, number);
    CREATE INDEX jobs_active ON jobs (number) WHERE NOT ended;
    CREATE TABLE job_keys (
        key TEXT PRIMARY KEY,
        job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE
    ) STRICT;
    """,
    """
    ALTER TABLE agents ADD COLUMN config BLOB NOT NULL DEFAULT '{}';
    ALTER TABLE agents ADD COLUMN revision TEXT NOT NULL DEFAULT '';
    """,
    "ALTER TABLE agents ADD COLUMN paused_by TEXT NOT NULL DEFAULT '';",
    """
    CREATE TABLE build_logs (
        job TEXT PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
        text TEXT NOT NULL
    ) STRICT;
    """,
    """ALTER TABLE agents ADD COLUMN cap TEXT NOT NULL DEFAULT '"config"';""",
)


class Store:
    """The database, opened by one process at a time; every method is one transaction."""

    def __init__(self, file: Path) -> None:
        make_private(file.parent)
        self._db = sqlite3.connect(file, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode = WAL")
        # An answered command survives a power loss.
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA foreign_keys = ON")
        self._db.execute("PRAGMA busy_timeout = 5000")
        self._migrate(file)
        # `hive.list` tells it with every answer; sqlite would be a third of that answer's time.
        self._kept: list[AgentName] | None = None

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
        self._kept = None
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    # Agents

    def living(self) -> list[Agent]:
        """Return all agents, in the order of their names, the manager first."""
        rows = self._db.execute("SELECT * FROM agents WHERE destroyed_at IS NULL ORDER BY name")
        return sorted(map(_agent, rows), key=lambda agent: not agent.manager)

    def kept(self) -> list[AgentName]:
        """Return the destroyed agents whose login and notes are kept."""
        if self._kept is None:
            rows = self._db.execute(
                "SELECT name FROM agents WHERE destroyed_at IS NOT NULL AND NOT purged ORDER BY name"
            )
            self._kept = [AgentName(row["name"]) for row in rows]
        return self._kept

    def find(self, name: AgentName) -> Agent | None:
        """Return a living agent."""
        row = self._db.execute(
            "SELECT * FROM agents WHERE name = ? AND destroyed_at IS NULL", (name,)
        ).fetchone()
        return _agent(row) if row else None

    def ever_had(self, name: AgentName) -> bool:
        """Whether there was ever an agent of this name."""
        found = self._db.execute("SELECT 1 FROM agents WHERE name = ?", (name,)).fetchone()
        return found is not None

    def put(self, agent: Agent) -> None:
        """Make an agent, or a destroyed one alive again."""
        with self._transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO agents (name, settings, wanted, paused, origin, created_at,"
                " crashed_at, restarts, config, revision, paused_by, cap)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    agent.name, msgspec.json.encode(agent.settings), agent.wanted, agent.paused,
                    agent.origin, _text(agent.created_at),
                    _text(agent.crashed_at) if agent.crashed_at else None, agent.restarts,
                    msgspec.json.encode(agent.config), agent.revision, agent.paused_by,
                    _json(agent.cap),
                ),
            )  # fmt: skip

    def want(self, name: AgentName, wanted: Wanted) -> None:
        """Write down what is asked for; restarts count from here."""
        self._update(name, wanted=wanted, restarts=0)

    def set_paused(self, name: AgentName, *, paused: bool, by: str) -> bool:
        """Write it down, and who asked for a pause; return whether it was otherwise before."""
        agent = self.find(name)
        self._update(name, paused=paused, paused_by=by if paused else "")
        return agent is not None and agent.paused != paused

    def set_cap(self, name: AgentName, cap: Cap) -> bool:
        """Write down what a day may cost; return whether it was otherwise before."""
        agent = self.find(name)
        self._update(name, cap=_json(cap))
        return agent is not None and agent.cap != cap

    def configure(self, name: AgentName, config: AgentToml, revision: str) -> None:
        """Write down what is deployed: the agent has it from its next start on."""
        self._update(
            name, settings=msgspec.json.encode(config.settings),
            config=msgspec.json.encode(config), revision=revision,
        )  # fmt: skip

    def note_crash(self, name: AgentName, at: datetime) -> bool:
        """Write a crash down; return False when this one was known."""
        agent = self.find(name)
        if agent is None or agent.crashed_at == at:
            return False
        self._update(name, crashed_at=_text(at))
        return True

    def note_restart(self, name: AgentName, restarts: int) -> None:
        """Write down how often the agent was started again after crashes."""
        self._update(name, restarts=restarts)

    def bury(self, name: AgentName, at: datetime, *, purged: bool) -> None:
        """Write down that an agent is destroyed; one that was purged is not `kept`."""
        with self._transaction():
            self._db.execute(
                "UPDATE agents SET destroyed_at = coalesce(destroyed_at, ?),"
                " purged = max(purged, ?) WHERE name = ?",
                (_text(at), purged, name),
            )

    def rename(self, old: AgentName, new: AgentName) -> None:
        """Give a living agent another name, also where others list it as recipient."""
        with self._transaction():
            self._db.execute(
                "DELETE FROM agents WHERE name = ? AND destroyed_at IS NOT NULL", (new,)
            )
            self._db.execute(
                "UPDATE agents SET name = ? WHERE name = ? AND destroyed_at IS NULL", (new, old)
            )
            for row in self._db.execute("SELECT name, settings FROM agents").fetchall():
                settings = msgspec.json.decode(row["settings"], type=AgentSettings)
                recipients = settings.recipients or []
                if old in recipients:
                    listed = [new if one == old else one for one in recipients]
                    changed = msgspec.structs.replace(settings, recipients=listed)
                    self._db.execute(
                        "UPDATE agents SET settings = ? WHERE name = ?",
                        (msgspec.json.encode(changed), row["name"]),
                    )

    def _update(self, name: AgentName, **columns: Any) -> None:
        names = ", ".join(f"{column} = ?" for column in columns)
        with self._transaction():
            self._db.execute(
                f"UPDATE agents SET {names} WHERE name = ? AND destroyed_at IS NULL",  # noqa: S608 - column names of ours
                (*columns.values(), name),
            )

    # Jobs

    def add_job(self, order: Order, job: Job, key: str) -> StoredJob:
        """Write a job down before anybody is told of it."""
        with self._transaction():
            self._db.execute(
                "INSERT INTO jobs (id, number, agent, state, ended, created_at, work, job)"
                " VALUES (?, (SELECT coalesce(max(number), 0) + 1 FROM jobs), ?, ?, 0, ?, ?, ?)",
                (
                    job.id, job.agent, job.state, _text(job.created_at),
                    msgspec.json.encode(order), msgspec.json.encode(job),
                ),
            )  # fmt: skip
            self._db.execute("INSERT INTO job_keys (key, job) VALUES (?, ?)", (key, job.id))
        return StoredJob(order, job, 0)

    def add_key(self, key: str, job: str) -> None:
        """Let one more command be answered with this job."""
        with self._transaction():
            self._db.execute("INSERT OR IGNORE INTO job_keys (key, job) VALUES (?, ?)", (key, job))

    def save_job(self, job: Job) -> None:
        """Write a job's progress down."""
        with self._transaction():
            self._db.execute(
                "UPDATE jobs SET state = ?, ended = ?, job = ? WHERE id = ?",
                (job.state, job.state.ended, msgspec.json.encode(job), job.id),
            )

    def keep_log(self, job: str, text: str) -> None:
        """Keep what a job's build said, instead of what an earlier attempt's said."""
        with self._transaction():
            # Python's strings can hold what UTF-8 cannot.
            clean = text.encode(errors="replace").decode()
            self._db.execute("INSERT OR REPLACE INTO build_logs VALUES (?, ?)", (job, clean))

    def find_log(self, job: str) -> str:
        """Return what the build of a job said; empty when none failed."""
        row = self._db.execute("SELECT text FROM build_logs WHERE job = ?", (job,)).fetchone()
        return str(row["text"]) if row else ""

    def count_attempt(self, job: str) -> int:
        """Write down that a job is begun; return how often it now was."""
        with self._transaction():
            self._db.execute("UPDATE jobs SET attempts = attempts + 1 WHERE id = ?", (job,))
        return int(self._db.execute("SELECT attempts FROM jobs WHERE id = ?", (job,)).fetchone()[0])

    def uncount_attempt(self, job: str) -> None:
        """Take an attempt back: it was not the job's fault that it was not finished."""
        with self._transaction():
            self._db.execute("UPDATE jobs SET attempts = attempts - 1 WHERE id = ?", (job,))

    def find_job(self, job: str) -> StoredJob | None:
        """Return a job by its id."""
        return self._one_job("SELECT * FROM jobs WHERE id = ?", job)

    def find_key(self, key: str) -> StoredJob | None:
        """Return the job that a command was answered with."""
        return self._one_job(
            "SELECT jobs.* FROM jobs JOIN job_keys ON job_keys.job = jobs.id WHERE key = ?", key
        )

    def active_jobs(self) -> list[StoredJob]:
        """Return what waits or runs, the oldest first."""
        return list(
            map(_job, self._db.execute("SELECT * FROM jobs WHERE NOT ended ORDER BY number"))
        )

    def list_jobs(self, agent: str | None, limit: int, *, active: bool) -> list[Job]:
        """Return jobs, the newest first."""
        rows = self._db.execute(
            "SELECT job FROM jobs WHERE (?1 IS NULL OR agent = ?1) AND NOT (?2 AND ended)"
            " ORDER BY number DESC LIMIT ?3",
            (agent, active, limit),
        )
        return [msgspec.json.decode(row["job"], type=Job) for row in rows]

    def forget_jobs(self, before: datetime) -> int:
        """Remove ended jobs that are older; those of approvals stay, as approvals do."""
        with self._transaction():
            removed = self._db.execute(
                "DELETE FROM jobs WHERE ended AND created_at < ? AND json_extract(job, '$.approval')"
                " IS NULL",
                (_text(before),),
            )
        return removed.rowcount

    def _one_job(self, query: str, key: str) -> StoredJob | None:
        row = self._db.execute(query, (key,)).fetchone()
        return _job(row) if row else None


def _json(value: Cap) -> str:
    return msgspec.json.encode(value).decode()


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()


def _agent(row: sqlite3.Row) -> Agent:
    return Agent(
        name=AgentName(row["name"]),
        settings=msgspec.json.decode(row["settings"], type=AgentSettings),
        wanted=Wanted(row["wanted"]),
        paused=bool(row["paused"]),
        paused_by=row["paused_by"],
        cap=msgspec.json.decode(row["cap"], type=Cap),
        origin=row["origin"],
        created_at=datetime.fromisoformat(row["created_at"]),
        crashed_at=datetime.fromisoformat(row["crashed_at"]) if row["crashed_at"] else None,
        restarts=row["restarts"],
        config=msgspec.json.decode(row["config"], type=AgentToml),
        revision=row["revision"],
    )


def _job(row: sqlite3.Row) -> StoredJob:
    return StoredJob(
        order=msgspec.json.decode(row["work"], type=Order),
        job=msgspec.json.decode(row["job"], type=Job),
        attempts=row["attempts"],
    )
