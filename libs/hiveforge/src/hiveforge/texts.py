"""Texts on their way to the forge: from an argument, a file or stdin, byte for byte or refused."""

import sys
from pathlib import Path

from hiveforge.errors import ForgeError, misuse

MAX_BYTES = 4 << 20


def check(text: str, what: str) -> str:
    """Return a text from the command line; refuse bytes that are no UTF-8, and NUL."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ForgeError(f"the {what} is no UTF-8: bad byte at character {error.start}") from None
    if "\0" in text:
        raise _nul(what, len(text[: text.index("\0")].encode()))
    return text


def decode(raw: bytes, what: str) -> str:
    """Return bytes as a text; refuse what would not arrive as it is."""
    if len(raw) > MAX_BYTES:
        raise ForgeError(
            f"the {what} has {len(raw)} bytes; at most {MAX_BYTES} are sent",
            hint="attach it as a file: hive-forge attach NUMBER FILE",
        )
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise ForgeError(
            f"the {what} is no UTF-8: byte {raw[error.start]:#04x} at offset {error.start}",
            hint="attach binary data as a file: hive-forge attach NUMBER FILE",
        ) from None
    if "\0" in text:
        raise _nul(what, raw.index(0))
    return text


def _nul(what: str, offset: int) -> ForgeError:
    return ForgeError(
        f"the {what} has a NUL byte at offset {offset}, which forges do not keep",
        hint="attach binary data as a file: hive-forge attach NUMBER FILE",
    )


def read_file(name: str, what: str) -> str:
    """Return the text of a file, or of stdin for `-`, exactly as it is there."""
    if name == "-":
        return decode(sys.stdin.buffer.read(MAX_BYTES + 1), what)
    try:
        with Path(name).open("rb") as stream:
            return decode(stream.read(MAX_BYTES + 1), what)
    except OSError as error:
        raise misuse(f"cannot read {name}: {error.strerror}") from None


def body_of(body: str | None, file: str | None) -> str | None:
    """Return what `--body` or `--body-file` gives; None if neither was given."""
    if body is not None and file is not None:
        raise misuse("--body and --body-file exclude each other")
    if file is not None:
        return read_file(file, "body")
    return check(body, "body") if body is not None else None


def required_body(body: str | None, file: str | None) -> str:
    """Return the body; refuse when there is none, or nothing in it."""
    text = body_of(body, file)
    if text is None:
        raise misuse("what should it say?", "give --body TEXT, or --body-file FILE (- is stdin)")
    if not text.strip():
        raise misuse("the body is empty")
    return text


def verify_kept(sent: str, kept: object) -> None:
    """Raise when the forge stored another text than was sent."""
    if kept != sent:
        size = len(kept.encode()) if isinstance(kept, str) else 0
        raise ForgeError(
            f"it was posted, but the forge kept another text: {size} bytes of {len(sent.encode())}",
            hint="look at it with `hive-forge view`, and repair it or attach a file",
        )
