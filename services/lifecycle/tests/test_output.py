"""A harness's output: bounded, and its last words found."""

from pathlib import Path

import pytest
from hive_lifecycle.output import last_words, rotate, truncate_live

LARGE = b"x" * (6 << 20)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"", ""),
        (b"one\ntwo\n\n", "two"),
        (b"error: the key is gone\nhint: run hive up\n", "the key is gone"),
        (b"\x1b[31mred\xff\n", "?[31mred�"),
        (b"y" * 1000, "y" * 300),
        (LARGE + b"\nerror: too much\n", "too much"),
        (b'{"event":"port_taken","level":"warning","port":8879}\n', ""),
        (b'Killed\n{"event":"harness_started","level":"info"}\n', "Killed"),
        (
            b'{"event":"disk_full","level":"error","reason":"no space left"}',
            "disk_full: no space left",
        ),
        (
            b'{"event":"x_failed","level":"error","exception":"Traceback\\nValueError: no"}',
            "x_failed: ValueError: no",
        ),
        (b'{"event":"x_failed","level":"critical"}\n', "x_failed"),
        (b'{"event":"port_taken","level":', '{"event":"port_taken","level":'),
        (b'{"event":5,"level":"error"}', '{"event":5,"level":"error"}'),
    ],
)
def test_the_last_words_are_the_last_error_or_the_last_line(
    tmp_path: Path, said: bytes, words: str
) -> None:
    (tmp_path / "log").write_bytes(said)
    assert last_words(tmp_path / "log") == words


def test_a_missing_log_says_nothing(tmp_path: Path) -> None:
    assert last_words(tmp_path / "log") == ""


def test_a_large_log_is_moved_aside_before_a_start(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"small")
    rotate(log)
    assert log.read_bytes() == b"small"
    log.write_bytes(LARGE)
    rotate(log)
    assert not log.exists()
    assert (tmp_path / "log.1").stat().st_size == len(LARGE)


def test_a_large_log_is_emptied_under_the_feet_of_its_writer(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("ab") as writer:
        writer.write(LARGE)
        writer.flush()
        truncate_live(log)
        writer.write(b"afterwards")
    assert log.read_bytes() == b"afterwards"
    assert (tmp_path / "log.1").stat().st_size == len(LARGE)
