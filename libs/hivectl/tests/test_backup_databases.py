"""Copies of databases under load are whole; what an agent put in their place is not followed."""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from hivecommon.errors import HiveError
from hivectl.backup.databases import copy_agents, copy_own

NAME = "notes.sqlite"


def fill(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("pragma journal_mode = wal")
        connection.execute("create table account (id integer primary key, balance integer, pad)")
        # A page each, so that copying takes longer than a few transactions.
        rows = [(number, "x" * 3000) for number in range(500)]
        connection.executemany("insert into account values (?, 100, ?)", rows)


@contextmanager
def written_to(database: Path) -> Iterator[None]:
    """Move money between accounts all the time; the log begins anew every few transactions."""
    over = threading.Event()
    began = threading.Event()

    def write() -> None:
        with closing(sqlite3.connect(database, isolation_level=None)) as connection:
            connection.execute("pragma wal_autocheckpoint = 40")
            connection.execute("pragma synchronous = off")
            number = 0
            while not over.is_set():
                number += 1
                connection.execute("begin")
                connection.execute(
                    "update account set balance = balance - 1 where id = ?", (number % 500,)
                )
                connection.execute(
                    "update account set balance = balance + 1 where id = ?", (number * 7 % 500,)
                )
                connection.execute("commit")
                began.set()

    thread = threading.Thread(target=write)
    thread.start()
    assert began.wait(10)
    try:
        yield
    finally:
        over.set()
        thread.join()


def is_whole(copy: Path) -> bool:
    with closing(sqlite3.connect(copy)) as connection:
        sound = connection.execute("pragma integrity_check").fetchone() == ("ok",)
        total = connection.execute("select sum(balance), count(*) from account").fetchone()
    return bool(sound and total == (500 * 100, 500))


@contextmanager
def opened(directory: Path) -> Iterator[int]:
    folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield folder
    finally:
        os.close(folder)


def test_no_transaction_is_torn_in_a_copy_of_an_agents_database(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    fill(state / NAME)
    copied = 0
    with written_to(state / NAME), opened(state) as folder:
        for number in range(50):
            copy = tmp_path / f"copy{number}" / NAME
            copy.parent.mkdir()
            with suppress(HiveError):  # that it is written to too fast is a fair answer
                copy_agents(NAME, folder, copy)
                copied += 1
                assert is_whole(copy)
    assert copied


def test_a_copy_of_our_own_is_of_one_moment(tmp_path: Path) -> None:
    fill(tmp_path / NAME)
    with written_to(tmp_path / NAME):
        for number in range(10):
            copy = tmp_path / f"copy{number}.sqlite"
            copy_own(tmp_path / NAME, copy)
            assert is_whole(copy)


def test_what_is_no_database_is_said(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("not a database at all, but long enough to be looked at" * 100)
    with pytest.raises(HiveError) as caught:
        copy_own(tmp_path / NAME, tmp_path / "copy")
    assert caught.value.code == "bad_database"
    assert NAME in caught.value.message


def test_a_link_in_the_place_of_a_database_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of somebody else")
    state = tmp_path / "state"
    state.mkdir()
    (state / NAME).symlink_to(secret)
    with opened(state) as folder, pytest.raises(OSError, match="symbolic links"):
        copy_agents(NAME, folder, tmp_path / NAME)


def test_a_pipe_in_the_place_of_a_database_is_not_waited_for(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    os.mkfifo(state / NAME)
    with opened(state) as folder, pytest.raises(OSError, match="regular file"):
        copy_agents(NAME, folder, tmp_path / NAME)
