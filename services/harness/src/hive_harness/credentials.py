"""The agent's own Claude login: whether there is one, and whether it has changed. Never what is in it."""

from dataclasses import dataclass
from pathlib import Path

Fingerprint = tuple[int, int, int] | None
"""Inode, size and time of the credentials file; None without one."""


@dataclass(frozen=True)
class Credentials:
    """Where the CLI finds what it logs in with."""

    directory: Path
    has_key: bool
    """Whether the environment holds a key or token."""

    @property
    def present(self) -> bool:
        """Whether there is anything to try; the CLI blanks the file when a login is dead."""
        fingerprint = self.fingerprint
        return self.has_key or (fingerprint is not None and fingerprint[1] > len("{}\n"))

    @property
    def fingerprint(self) -> Fingerprint:
        """What changes whenever somebody logs in."""
        try:
            found = (self.directory / ".credentials.json").stat()
        except OSError:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns
