"""`hive`: wiring only."""

import io
import os
import sys
from datetime import UTC, datetime

from hivectl.dispatch import dispatch
from hivectl.shell import Shell


def main() -> int:
    """Run `hive` with this process's arguments; return the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    return dispatch(None, Shell(os.environ, now=lambda: datetime.now(UTC)))


if __name__ == "__main__":
    sys.exit(main())
