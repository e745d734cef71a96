"""Bodies arrive byte for byte, or are refused with the reason."""

import secrets
from pathlib import Path

import pytest
from hivetesting.forge.members import Place

HARD = (
    "\"double\" 'single' `tick` $(x) \\ \\n \t \r\n\r \n\n ünï 😀 👩\u200d👩\u200d👧 \u2028 \ufeff "
    "<b>&amp;</b> \x01\x1b[0m trailing  \n\n"
)


def test_hard_texts_arrive_byte_for_byte_from_stdin_file_and_argument(
    place: Place, tmp_path: Path
) -> None:
    number = str(place.issue())
    (tmp_path / "body").write_bytes(HARD.encode())
    place.alice.ok("comment", number, "--body-file", "-", stdin=HARD.encode())
    place.alice.ok("comment", number, "--body-file", str(tmp_path / "body"))
    place.alice.ok("comment", number, "--body", HARD)
    assert place.comments(int(number)) == [HARD] * 3
    place.alice.ok("create", "--title", "t", "--body-file", "-", stdin=HARD.encode())
    assert place.show(int(number) + 1)["body"] == HARD


def test_a_megabyte_arrives_byte_for_byte(place: Place) -> None:
    number = place.issue()
    big = (secrets.token_urlsafe(30) + " 😀\r\n").encode() * 22_000
    assert len(big) > 1_000_000
    place.alice.ok("comment", str(number), "--body-file", "-", stdin=big)
    assert place.comments(number)[-1].encode() == big


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"ab\0c", "a NUL byte at offset 2"),
        (b"ok \xff\xfe", "no UTF-8: byte 0xff at offset 3"),
        (b"\xed\xa0\x80", "no UTF-8"),
        (b"", "the body is empty"),
        (b" \n\t", "the body is empty"),
        (b"x" * (4 << 20) + b"y", "at most 4194304 are sent"),
    ],
    ids=["nul", "latin", "surrogate", "empty", "blank", "too long"],
)
def test_what_would_not_arrive_is_refused_with_the_reason(
    place: Place, raw: bytes, reason: str
) -> None:
    number = place.issue()
    result = place.alice("comment", str(number), "--body-file", "-", stdin=raw)
    assert result.code in {1, 2}
    assert reason in result.stderr
    assert place.comments(number) == []


def test_an_argument_that_is_no_utf8_is_refused(place: Place) -> None:
    number = place.issue()
    result = place.alice(
        "comment", str(number), "--body", b"caf\xe9".decode("utf-8", "surrogateescape")
    )
    assert (result.code, "no UTF-8" in result.stderr) == (1, True)
    assert place.comments(number) == []


def test_a_text_that_the_forge_changed_is_an_error(scripted: Place) -> None:
    assert scripted.site.script is not None
    number = scripted.issue()
    issue = scripted.site.script.world.repos[0].issues[0]
    kept = type(issue.entries)

    class Trimming(kept):  # type: ignore[misc, valid-type]
        def append(self, entry: object) -> None:
            entry.body = entry.body.strip()  # type: ignore[attr-defined]
            super().append(entry)

    issue.entries = Trimming()
    result = scripted.alice("comment", str(number), "--body", "trailing  ")
    assert result.code == 1
    assert "the forge kept another text: 8 bytes of 10" in result.stderr
