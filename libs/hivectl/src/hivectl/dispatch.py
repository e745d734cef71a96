"""Running one command line: whatever happens ends in an exit status and two readable lines."""

import errno
import os
import sys
from collections.abc import Sequence

import click
from hivecommon.errors import HiveError

from hivectl.cli import cli
from hivectl.outcomes import INTERRUPTED, Outcome, exit_status
from hivectl.shell import Shell


def dispatch(arguments: Sequence[str] | None, shell: Shell) -> int:
    """Run `hive` with `arguments` (None: the process's own); return the exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    if "--json" in given:
        shell.terminal.as_json = True  # also where an option before it cannot be understood
    try:
        status = cli.main(list(given), prog_name="hive", obj=shell, standalone_mode=False)
    except HiveError as error:
        shell.terminal.error(error)
        return exit_status(error)
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "hive"
        misuse = HiveError(
            error.format_message(), code="bad_argument", hint=f"see `{where} --help`"
        )
        shell.terminal.error(misuse)
        return Outcome.MISUSED
    except click.ClickException as error:
        shell.terminal.error(HiveError(error.format_message(), code="bad_argument"))
        return Outcome.MISUSED
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except OSError as error:
        if error.errno != errno.EPIPE:
            raise
        # Whoever read our output has had enough (`hive logs | head`); nothing is left to flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Outcome.DONE
    return status if isinstance(status, int) else Outcome.DONE
