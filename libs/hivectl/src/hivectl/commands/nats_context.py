"""`hive nats-context`: lets natscli (`nats`) speak to this hive as the operator."""

import json
import os
import pwd
import re
from pathlib import Path

import click
from hivecommon.errors import HiveError
from hivecommon.files import write_atomically
from hivecommon.keys import read_seed

from hivectl.cli import hive_command
from hivectl.identity import key_file
from hivectl.shell import Shell

_CONTEXT_NAME = re.compile(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,60}\Z")


@hive_command(
    "nats-context",
    ("hive nats-context", "writes the context `hive`, and selects it if none is selected"),
    ("nats req --raw hive.rebuild alice | jq -e .ok", "then scripts can command the hive"),
    ("nats micro ls", "and see its services"),
)
@click.argument("name", default="hive")
@click.option("--select", is_flag=True, help="Select it even if another one is selected.")
def nats_context(shell: Shell, name: str, *, select: bool) -> None:
    """Write a natscli context called NAME that uses the operator's key."""
    if not _CONTEXT_NAME.match(name):
        raise HiveError(
            f"{name!r} is no context name", code="bad_argument",
            hint="use letters, digits, '.', '_' and '-'",
        )  # fmt: skip
    key = key_file(shell.environment.home, shell.environ)
    read_seed(key)  # complains in our words rather than natscli's
    directory = _config_home(shell) / "nats"
    file = directory / "context" / f"{name}.json"
    context = {
        "description": f"hyperhive in {shell.environment.home.root}, operator {shell.operator}",
        "url": shell.environment.bus.url,
        "nkey": str(key),
    }
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(file, (json.dumps(context, indent=2) + "\n").encode(), mode=0o600)
        selected = _select(directory, name, even_if_taken=select)
    except OSError as error:
        raise HiveError(
            f"cannot write {error.filename or file}: {error.strerror}", code="cannot_write",
            hint="XDG_CONFIG_HOME says where natscli looks",
        ) from error  # fmt: skip
    _tell(shell, file, name, selected)
    home = Path(pwd.getpwuid(os.getuid()).pw_dir)
    if not shell.environ.get("XDG_CONFIG_HOME") and shell.environ.get("HOME") != str(home):
        # natscli asks the user database, whatever HOME says (v0.5.1, jsm.go's natscontext).
        shell.terminal.note(f"natscli will look in {home}/.config: set XDG_CONFIG_HOME for both")


def _config_home(shell: Shell) -> Path:
    given = shell.environ.get("XDG_CONFIG_HOME")
    return Path(given) if given else Path(shell.environ.get("HOME") or "/") / ".config"


def _select(directory: Path, name: str, *, even_if_taken: bool) -> str:
    """Return the selected context's name, which is ours unless another one was selected before."""
    file = directory / "context.txt"
    try:
        selected = file.read_text().strip()
    except FileNotFoundError:
        selected = ""
    if selected in {"", name} or even_if_taken:
        write_atomically(file, name.encode(), mode=0o600)
        return name
    return selected


def _tell(shell: Shell, file: Path, name: str, selected: str) -> None:
    if shell.terminal.as_json:
        shell.terminal.json(
            {"ok": True, "context": name, "file": str(file), "selected": selected == name}
        )
        return
    shell.terminal.line(str(file))
    if selected == name:
        shell.terminal.note("selected; try: nats req --raw hive.list '' | jq .")
    else:
        shell.terminal.note(f"{selected} is selected: use `nats --context {name} …` or --select")
