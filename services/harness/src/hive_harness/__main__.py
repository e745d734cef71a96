"""The harness's process: wiring."""

import os
import sys

from hivecommon.daemon import run_daemon
from hivecommon.errors import HiveError
from hivecommon.log import configure

from hive_harness.config import read_settings
from hive_harness.harness import run


def main() -> None:
    """Run one agent's harness until SIGTERM."""
    try:
        settings = read_settings(os.environ)
    except HiveError as error:
        print(f"error: {error.message}\nhint: {error.hint}", file=sys.stderr)
        sys.exit(1)
    bus_log = configure(settings.name)
    sys.exit(run_daemon(lambda stop: run(settings, bus_log, os.environ.get("NOTIFY_SOCKET"), stop)))


if __name__ == "__main__":
    main()
