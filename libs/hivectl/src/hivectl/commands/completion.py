"""`hive completion`: names and options by the Tab key."""

import click
from click.shell_completion import get_completion_class
from hivecommon.errors import HiveError

from hivectl.cli import cli, hive_command
from hivectl.shell import Shell


@hive_command(
    "completion",
    ('eval "$(hive completion bash)"', "for this shell, or in ~/.bashrc"),
    ("hive completion fish > ~/.config/fish/completions/hive.fish", "for fish, for good"),
)
@click.argument("kind", metavar="SHELL", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: Shell, kind: str) -> None:
    """Print what makes SHELL complete commands, options and agents' names."""
    completer = get_completion_class(kind)
    if completer is None:
        raise HiveError(f"no completion for {kind}", code="bad_argument")
    source = completer(cli, {}, "hive", "_HIVE_COMPLETE").source()
    if shell.terminal.as_json:
        shell.terminal.json({"ok": True, "shell": kind, "script": source})
    else:
        shell.terminal.block(source, indent="")
