"""`hive-forge`: the environment and the exit status."""

import os
import sys

from hiveforge.application import run


def main() -> None:
    """Run the command of this process."""
    sys.exit(run(sys.argv[1:], os.environ))


if __name__ == "__main__":
    main()
