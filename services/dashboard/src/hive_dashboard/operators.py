"""Which operators there are, so that the token of a removed one ends."""

import json
from pathlib import Path


class KnownOperators:
    """Tells whether a name still is an operator's, from the file that the bus's directory is."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._read_at = 0
        self._names: frozenset[str] = frozenset()

    def __call__(self, name: str) -> bool:
        """Return whether `name` is an operator; with an unreadable directory nobody is."""
        try:
            changed_at = self._directory.stat().st_mtime_ns
            if changed_at != self._read_at:
                self._names = frozenset(json.loads(self._directory.read_text()).values())
                self._read_at = changed_at
        except (OSError, ValueError):
            self._read_at = 0
            self._names = frozenset()
        return name in self._names
