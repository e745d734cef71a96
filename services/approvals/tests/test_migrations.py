"""Schema changes: up, down, with data, and never apart from the tables in the code."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from hive_approvals.database import HEAD, Database, make_engine
from hive_approvals.migrate import alembic_config, downgrade, upgrade
from hive_approvals.tables import metadata
from sqlalchemy import Engine

ROW = (
    "INSERT INTO approvals (kind, agent, state, details, digest, reason, requested_by,"
    " requested_at, request_id, decision_reason, note, version)"
    " VALUES ('spawn', 'alice', 'pending', '{}', 'd', 'r', 'agent:hm1nd',"
    " '2026-11-22T12:00:00.000000+00:00', 'x', '', '', 1)"
)
AUDIT = (
    "INSERT INTO audit (at, who, what, target, result, detail) VALUES ('t', 'w', 'w', 'o', 'r', '')"
)
QUESTION = (
    "INSERT INTO questions (asker, answerer, state, text, options, asked_at, request_id, answer,"
    " version) VALUES ('alice', 'operator', 'open', 'why?', '[]', 't', 'x', '', 1)"
)

SCHEDULE = (
    "INSERT INTO schedules (agent, prompt, cron, zone, state, created_by, created_at, request_id,"
    " fired, version) VALUES ('alice', 'p', '0 9 * * *', 'UTC', 'active', 'operator:a', 't', 'x', 0, 1)"
)
MARK = (
    "INSERT INTO marks (approval, agent, \"commit\", stage) VALUES (1, 'alice', 'aa', 'proposal')"
)
CURSOR = "INSERT INTO cursors (name, seq) VALUES ('events', 7)"
CONDITION = "INSERT INTO conditions (agent, needs_login, needs_update) VALUES ('alice', 1, 0)"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "approvals.sqlite"


@pytest.fixture
def engine(file: Path) -> Iterator[Engine]:
    engine = make_engine(file)
    yield engine
    engine.dispose()


def ask(file: Path, sql: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(file)
    try:
        with connection:
            return connection.execute(sql).fetchall()
    finally:
        connection.close()


def schema(file: Path) -> dict[str, str]:
    rows = ask(file, "SELECT type || ' ' || name, sql FROM sqlite_master")
    return {str(name): "".join(str(sql).replace('"', "").split()) for name, sql in rows}


def columns(file: Path) -> dict[str, list[tuple[object, ...]]]:
    tables = [str(row[0]) for row in ask(file, "SELECT name FROM sqlite_master WHERE type='table'")]
    return {table: ask(file, f"PRAGMA table_info({table})") for table in tables}


def test_the_migrations_make_what_the_tables_say(engine: Engine) -> None:
    upgrade(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        command.check(alembic_config(connection))


async def test_a_fresh_database_and_a_migrated_one_are_the_same(
    engine: Engine, file: Path, tmp_path: Path
) -> None:
    upgrade(engine)
    fresh = tmp_path / "fresh.sqlite"
    await (await Database.open(fresh)).close()
    migrated = schema(file)
    assert set(schema(fresh)) == set(migrated)
    assert columns(fresh) == columns(file)
    triggers = {name for name in migrated if name.startswith("trigger ")}
    assert len(triggers) == 5
    assert {n: schema(fresh)[n] for n in triggers} == {n: migrated[n] for n in triggers}
    assert ask(fresh, "SELECT * FROM alembic_version") == [(HEAD,)]


def test_the_head_in_the_code_is_the_newest_script() -> None:
    assert ScriptDirectory.from_config(alembic_config()).get_heads() == [HEAD]


def test_down_and_up_again_keeps_every_approval(engine: Engine, file: Path) -> None:
    upgrade(engine)
    ask(file, ROW)
    ask(file, AUDIT)
    ask(file, QUESTION)
    every = "SELECT id, kind, agent, state, details, digest, requested_by, version FROM approvals"
    before = ask(file, every)
    downgrade(engine, "0002")
    assert ask(file, "SELECT count(*) FROM audit") == [(1,)]
    assert "base" not in [column[1] for column in columns(file)["approvals"]]
    downgrade(engine, "0001")
    assert ask(file, every) == before
    assert "audit" not in columns(file)
    upgrade(engine)
    assert ask(file, every) == before
    assert ask(file, "SELECT count(*) FROM audit") == [(0,)]


def test_all_the_way_down_leaves_nothing_and_up_works_again(engine: Engine, file: Path) -> None:
    upgrade(engine)
    ask(file, ROW)
    downgrade(engine, "base")
    assert set(columns(file)) <= {"alembic_version", "sqlite_sequence"}
    upgrade(engine)
    ask(file, ROW)


def test_every_table_keeps_its_rows_through_the_migration_that_it_was_there_before(
    engine: Engine, file: Path
) -> None:
    upgrade(engine, "0003")
    for insert in (ROW, AUDIT, QUESTION, SCHEDULE, MARK, CURSOR, CONDITION):
        ask(file, insert)
    tables = ("approvals", "audit", "questions", "schedules", "marks", "cursors", "conditions")
    every = [f"SELECT * FROM {table}" for table in tables]  # noqa: S608 - names of our own
    before = [ask(file, query) for query in every]
    assert all(before)
    upgrade(engine)
    assert ask(file, "SELECT multiple, choices FROM questions") == [(0, "[]")]
    downgrade(engine, "0003")
    assert [ask(file, query) for query in every] == before
    for statement in ("DELETE FROM questions", "DELETE FROM schedules", "DELETE FROM audit"):
        with pytest.raises(sqlite3.IntegrityError):
            ask(file, statement)


def test_what_was_chosen_is_said_in_words_after_a_downgrade(engine: Engine, file: Path) -> None:
    upgrade(engine)
    ask(file, QUESTION)
    ask(
        file,
        """UPDATE questions SET multiple = 1, choices = '["red","blue"]', answer = 'or gold'""",
    )
    downgrade(engine, "0003")
    assert ask(file, "SELECT answer FROM questions") == [("red; blue\nor gold",)]


async def test_an_older_database_is_brought_up_to_date_at_the_start(
    engine: Engine, file: Path
) -> None:
    upgrade(engine, "0001")
    ask(file, ROW)
    engine.dispose()
    await (await Database.open(file)).close()
    assert ask(file, "SELECT agent FROM approvals") == [("alice",)]
    assert ask(file, "SELECT * FROM alembic_version") == [(HEAD,)]


def test_a_migration_that_breaks_off_leaves_the_schema_as_it_was(
    engine: Engine, file: Path
) -> None:
    upgrade(engine, "0001")
    ask(file, "CREATE TABLE ix_audit_target_id (x)")  # in the way of the index, after the table
    with pytest.raises(Exception, match="already"):
        upgrade(engine)
    assert "audit" not in columns(file)
    assert ask(file, "SELECT * FROM alembic_version") == [("0001",)]


@pytest.mark.parametrize(
    ("insert", "statement"),
    [
        (ROW, "DELETE FROM approvals"),
        (QUESTION, "DELETE FROM questions"),
        (AUDIT, "DELETE FROM audit"),
        (AUDIT, "UPDATE audit SET who = 'nobody'"),
    ],
)
def test_what_is_on_record_cannot_be_removed(
    engine: Engine, file: Path, insert: str, statement: str
) -> None:
    upgrade(engine)
    ask(file, insert)
    with pytest.raises(sqlite3.IntegrityError, match=r"never deleted|append-only"):
        ask(file, statement)
