"""The `hive` command: its verbs, loaded one by one since only one of them is run."""

import importlib
from collections.abc import Awaitable, Callable, Sequence
from functools import wraps
from inspect import isawaitable
from typing import Any, Concatenate, Final, ParamSpec

import click
from click.shell_completion import CompletionItem
from hivecommon.names import parse_agent_name
from typing_extensions import override

from hivectl.shell import Shell, run

P = ParamSpec("P")

# Each verb's module below hivectl.commands (and its name there, if that is another), in the order in
# which `hive --help` tells them.
COMMANDS: Final = {
    "up": "up", "down": "up", "doctor": "doctor",
    "ls": "agents", "status": "agents",
    "spawn": "spawn", "send": "send", "inbox": "inbox", "open": "open:open_",
    "start": "power", "stop": "power", "restart": "power", "rebuild": "power",
    "rename": "changes", "destroy": "changes",
    "pause": "turns", "resume": "turns", "interrupt": "turns", "retry": "turns",
    "compact": "conversation", "new-session": "conversation", "model": "conversation",
    "resend": "waiting",
    "login": "login", "usage": "usage", "cap": "usage",
    "approvals": "approvals", "approval": "approvals", "approve": "approvals", "deny": "approvals",
    "cancel": "cancel",
    "diff": "configs", "history": "configs", "rollback": "configs", "update": "configs",
    "questions": "questions", "answer": "questions",
    "schedule": "schedules", "audit": "audit",
    "jobs": "jobs", "events": "events", "logs": "logs",
    "operator": "operators", "forge": "forge", "nats-context": "nats_context",
    "backup": "backup", "restore": "backup", "completion": "completion",
}  # fmt: skip


class HiveCommand(click.Command):
    """A command whose help ends with examples."""

    def __init__(self, *args: Any, examples: Sequence[tuple[str, str]] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._examples = examples

    @override
    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if self._examples:
            with formatter.section("Examples"):
                formatter.write_dl(list(self._examples), col_max=44)


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is named."""

    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    @override
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        place, _, attribute = COMMANDS[cmd_name].partition(":")
        module = importlib.import_module(f"hivectl.commands.{place}")
        command: click.Command = getattr(module, attribute or cmd_name.replace("-", "_"))
        return command

    @override
    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            from difflib import get_close_matches  # noqa: PLC0415 - only for a slip of the fingers

            near = get_close_matches(args[0], COMMANDS, n=1)
            meant = f"; did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(f"there is no command {args[0]!r}{meant}", ctx)
        return super().resolve_command(ctx, args)


class NameParam(click.ParamType[str]):
    """A name, checked by `parse`; agents are completed from their directories, without the bus."""

    def __init__(self, name: str, parse: Callable[[str], str]) -> None:
        self.name = name
        self._parse = parse

    @override
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return self._parse(str(value))

    @override
    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        shell = ctx.find_object(Shell)
        if shell is None:
            return []
        directory = shell.environment.home.agents
        names = sorted(file.name for file in directory.glob("*")) if directory.is_dir() else []
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]


AGENT: Final = NameParam("agent", parse_agent_name)


class _Number(click.IntRange):
    name = "number"  # click would speak of a "valid integer range"


NUMBER: Final = _Number(1, 2**53)
"""What approvals, questions and schedules are told apart by."""


def _remember_json(ctx: click.Context, _param: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's signature
    shell = ctx.find_object(Shell)
    if value and shell is not None:
        shell.terminal.as_json = True


def json_option() -> click.Option:
    """Return `--json`, which every command takes."""
    return click.Option(
        ["--json"], is_flag=True, expose_value=False, callback=_remember_json,
        help="Print JSON, as the bus answers it.",
    )  # fmt: skip


def hive_command(
    name: str, *examples: tuple[str, str]
) -> Callable[[Callable[Concatenate[Shell, P], Awaitable[None] | None]], HiveCommand]:
    """Make a function a verb of `hive`: it gets the `Shell`, and `--json` comes by itself.

    `examples` are pairs of a command line and what it does.
    """

    def decorate(function: Callable[Concatenate[Shell, P], Awaitable[None] | None]) -> HiveCommand:
        @click.pass_obj
        @wraps(function)
        def invoke(shell: Shell, /, *args: P.args, **kwargs: P.kwargs) -> None:
            result = function(shell, *args, **kwargs)
            if isawaitable(result):
                run(result)

        command = click.command(name, cls=HiveCommand, examples=examples)(invoke)
        command.params.append(json_option())
        return command

    return decorate


@click.group("hive", cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="hivectl", prog_name="hive")
def cli() -> None:
    """Command a hive: a swarm of Claude Code agents on this host.

    Start with `hive up`, then `hive spawn alice` and `hive send alice hello`. Every command
    explains itself with --help and prints JSON with --json. Exit status: 0 done, 1 failed,
    2 misused, 3 refused.
    """


cli.params.append(json_option())
