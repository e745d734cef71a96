"""A token or API key that an operator gave to this agent: in its claude directory alone, mode 0600."""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
from hivecommon.contracts.login import KeyKind
from hivecommon.errors import HiveError
from hivecommon.files import write_atomically
from typing_extensions import override

FILE: Final = "hive-key.json"
_MAX_BYTES: Final = 8192
_CHUNK_BYTES: Final = 1 << 16
_KEY: Final = re.compile(r"\A[\x21-\x7e]{8,4000}\Z")
# A token in the place of a key, or the other way round, is refused by the API with words that help nobody.
_PREFIXES: Final = {KeyKind.OAUTH_TOKEN: "sk-ant-oat", KeyKind.API_KEY: "sk-ant-api"}


class GivenKey(msgspec.Struct, frozen=True):
    """What is used instead of a login."""

    kind: KeyKind
    key: str

    @override
    def __repr__(self) -> str:
        """Return everything but the secret."""
        return f"GivenKey({self.kind!r}, …)"


@dataclass(frozen=True)
class KeyFile:
    """The file, if there is one."""

    directory: Path
    path: Path = field(init=False)

    def __post_init__(self) -> None:
        """Name the file."""
        object.__setattr__(self, "path", self.directory / FILE)

    def read(self) -> GivenKey | None:
        """Return what was given; None when there is nothing, or nothing that is understood."""
        try:
            return msgspec.json.decode(read_at_most(self.path, _MAX_BYTES), type=GivenKey)
        except (OSError, msgspec.MsgspecError):
            return None

    def write(self, kind: KeyKind, key: str) -> None:
        """Keep a key; raise `bad_credential`, which never quotes it, or `key_not_kept`."""
        given = check_key(kind, key)
        try:
            if self.path.exists() and not self.path.is_file():
                self.path.unlink()  # a pipe of the agent's making: reading it would wait for ever
            write_atomically(self.path, msgspec.json.encode(given), mode=0o600)
        except OSError as error:
            raise _not_kept(self.path, error) from error

    def remove(self) -> bool:
        """Forget the key; return whether there was one. Raises `key_not_kept`."""
        try:
            self.path.unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise _not_kept(self.path, error) from error
        return True


def _not_kept(file: Path, error: OSError) -> HiveError:
    return HiveError(
        f"{file}: {error.strerror}", code="key_not_kept",
        hint="see what lies there, in the agent's claude directory, and whether there is room",
    )  # fmt: skip


def read_at_most(file: Path, limit_bytes: int) -> bytes:
    """Return the beginning of a file that the agent may have replaced by a pipe or a flood."""
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        content = b""
        while len(content) < limit_bytes and (part := os.read(descriptor, _CHUNK_BYTES)):
            content += part
    finally:
        os.close(descriptor)
    return content


def check_key(kind: KeyKind, key: str) -> GivenKey:
    """Return a key without the white space around it; raise `bad_credential`, which never quotes it."""
    text = key.strip()
    if not _KEY.match(text):
        raise HiveError(
            "a key is one word of 8 to 4000 printable characters", code="bad_credential",
            hint="does the file hold the key and nothing else?",
        )  # fmt: skip
    for other, prefix in _PREFIXES.items():
        if other is not kind and text.startswith(prefix):
            raise HiveError(
                f"this is {_NAMES[other]}, not {_NAMES[kind]}", code="bad_credential",
                hint=f"give it as {_NAMES[other]}",
            )  # fmt: skip
    return GivenKey(kind, text)


_NAMES: Final = {KeyKind.OAUTH_TOKEN: "a token", KeyKind.API_KEY: "an API key"}
