from datetime import UTC, datetime

import pytest
from hivecommon.contracts.logs import Level
from hivectl.log_lines import read_record

AT = datetime(2026, 11, 22, 18, tzinfo=UTC)


def test_a_line_is_told_with_its_fields() -> None:
    line = (
        b'{"ts":"2026-11-22T17:00:00.5Z","level":"info","event":"turn_started","n":3,"who":"a b"}'
    )
    record = read_record(line, source="alice", level=Level.WARNING, at=AT)
    assert record.text().endswith('WARNING  alice      turn_started n=3 who="a b"')
    assert record.at == datetime(2026, 11, 22, 17, 0, 0, 500000, tzinfo=UTC)


def test_source_and_level_come_from_the_subject_not_from_the_line() -> None:
    line = b'{"source":"lifecycle","level":"debug","event":"x"}'
    record = read_record(line, source="alice", level=Level.ERROR, at=AT)
    assert record.as_json()["source"] == "alice"
    assert record.as_json()["level"] == "error"


@pytest.mark.parametrize(
    "line",
    [
        b"plain words",
        b"\xff\xfe",
        b"[1]",
        b'{"event":',
        b'{"event":{"a":1},"ts":5,"level":[]}',
        b"",
    ],
)
def test_whatever_comes_makes_a_record(line: bytes) -> None:
    record = read_record(line, source="alice", level=None, at=AT)
    assert record.at == AT
    assert record.level is Level.INFO
    assert "alice" in record.text()


def test_an_exception_is_told_in_a_few_words() -> None:
    line = b'{"event":"crashed","exception":[{"exc_type":"ValueError","exc_value":"no"}]}'
    text = read_record(line, source="alice", level=Level.ERROR, at=AT).text()
    assert text.endswith("crashed (ValueError: no)")
