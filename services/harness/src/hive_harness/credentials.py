"""What an agent's turns are paid with: whether there is anything, which goes first, whether it changed."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
from hivecommon.contracts.login import Holding, KeyKind

from hive_harness.config import CREDENTIAL_VARIABLES
from hive_harness.given_key import GivenKey, KeyFile, read_at_most

Fingerprint = tuple[object, ...]
"""Differs from an earlier one when somebody has logged in, or gave another key."""

_BLANK: Final = len("{}\n")
_MAX_CONFIG_BYTES: Final = 16 << 20
_VARIABLE: Final = {
    KeyKind.OAUTH_TOKEN: "CLAUDE_CODE_OAUTH_TOKEN", KeyKind.API_KEY: "ANTHROPIC_API_KEY",
}  # fmt: skip


class _CliConfig(msgspec.Struct):
    """Of the CLI's `.claude.json`: where a login to the console leaves a key of its making."""

    key: str = msgspec.field(default="", name="primaryApiKey")


@dataclass(frozen=True)
class Credentials:
    """Where the CLI finds what it logs in with."""

    directory: Path
    has_key: bool
    """Whether the hive's environment holds a key or token."""

    @property
    def given(self) -> KeyFile:
        """The file of a key that was given to this agent."""
        return KeyFile(self.directory)

    @property
    def holding(self) -> Holding:
        """What is used. What belongs to this agent alone goes before what the whole hive has."""
        if (given := self.given.read()) is not None:
            return _holding(given)
        if self._logged_in():
            return Holding.LOGIN
        return Holding.HIVE if self.has_key else Holding.NONE

    @property
    def present(self) -> bool:
        """Whether there is anything to try."""
        return self.holding is not Holding.NONE

    @property
    def environment(self) -> dict[str, str]:
        """Return the CLI's variables: empty ones hide what the harness's own environment holds."""
        hidden = dict.fromkeys(CREDENTIAL_VARIABLES, "")
        if (given := self.given.read()) is not None:
            return {**hidden, _VARIABLE[given.kind]: given.key}
        return hidden if self._logged_in() else {}

    @property
    def fingerprint(self) -> Fingerprint:
        """What changes whenever somebody logs in or gives a key."""
        key = hashlib.sha256(self._console_key().encode()).hexdigest()
        return _stat(self.directory / ".credentials.json"), _stat(self.given.path), key

    def _logged_in(self) -> bool:
        login = _stat(self.directory / ".credentials.json")
        # The CLI blanks the file when a login is dead, and after a login to the console.
        return (login is not None and login[1] > _BLANK) or bool(self._console_key())

    def _console_key(self) -> str:
        file = self.directory / ".claude.json"
        try:
            return msgspec.json.decode(read_at_most(file, _MAX_CONFIG_BYTES), type=_CliConfig).key
        except (OSError, msgspec.MsgspecError):
            return ""  # not there, being written at this moment, or the agent's own idea of one


def _holding(given: GivenKey) -> Holding:
    return Holding.GIVEN_TOKEN if given.kind is KeyKind.OAUTH_TOKEN else Holding.GIVEN_KEY


def _stat(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
