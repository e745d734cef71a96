"""`hive-lifecycle` answers on the bus; `prepare-bus` and `stop-agents` work without one: wiring only."""

import argparse
import os
import sys
from importlib.metadata import version

import uvloop
from hivecommon.application import Identity, run_service
from hivecommon.command import run
from hivecommon.environment import HiveEnvironment, read_environment
from hivecommon.errors import HiveError

from hive_lifecycle.application import now, setup
from hive_lifecycle.config import read_config
from hive_lifecycle.offline import prepare, stop_agents
from hive_lifecycle.runtimes import open_runtime


def main() -> None:
    """Run the service until it is asked to stop, or one of the offline commands."""
    parser = argparse.ArgumentParser(prog="hive-lifecycle", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    prepare_bus = commands.add_parser(
        "prepare-bus", help="make keys and configuration of the bus, and print where the latter is"
    )
    prepare_bus.add_argument("--operator", required=True, help="an operator that there will be")
    commands.add_parser("stop-agents", help="stop all agents; they start again with the hive")
    arguments = parser.parse_args()
    if arguments.command is None:
        identity = Identity("lifecycle", version("hive-lifecycle"), "The agents' lives")
        sys.exit(run_service(identity, setup, os.environ))
    try:
        sys.exit(_offline(arguments))
    except HiveError as error:
        sys.exit(_say(error))


def _offline(arguments: argparse.Namespace) -> int:
    hive = read_environment(os.environ, uid=os.getuid())
    if arguments.command == "prepare-bus":
        print(prepare(hive, arguments.operator))
        return 0
    return max((_say(error) for error in uvloop.run(_stop_agents(hive))), default=0)


async def _stop_agents(hive: HiveEnvironment) -> list[HiveError]:
    with open_runtime(read_config(os.environ, hive), os.environ, run, now) as runtime:
        return await stop_agents(hive, runtime)


def _say(error: HiveError) -> int:
    print(f"error: {error.message}", file=sys.stderr)
    if error.hint:
        print(f"hint: {error.hint}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    main()
