"""`hive operator`: the humans of a hive."""

import re
from typing import Final

import click
from hivecommon.broker import operator_key
from hivecommon.contracts.operators import (
    OPERATOR_NAME_PATTERN,
    AddOperator,
    ListOperators,
    OperatorsReply,
    RemoveOperator,
)
from hivecommon.errors import HiveError

from hivectl.cli import hive_command, json_option
from hivectl.shell import Shell

_NAME: Final = re.compile(OPERATOR_NAME_PATTERN)


def _parse_name(text: str) -> str:
    if _NAME.match(text):
        return text
    raise HiveError(
        f"{text!r} is no operator's name", code="bad_name",
        hint="use 1 to 32 of a-z, 0-9, '.', '_' and '-', with a letter or digit at both ends",
    )  # fmt: skip


@click.group("operator")
def operator() -> None:
    """Add, remove and list operators: each has a name and a key, and every decision bears the name."""


operator.params.append(json_option())


def _tell(shell: Shell, reply: OperatorsReply) -> None:
    if shell.terminal.as_json:
        shell.terminal.json(reply)
        return
    for name in reply.operators:
        shell.terminal.line(name + (" (you)" if name == shell.operator else ""))


@hive_command("list", ("hive operator list", "all of them"))
async def list_operators(shell: Shell) -> None:
    """List the operators."""
    async with shell.bus() as bus:
        _tell(shell, await bus.request(ListOperators()))


@hive_command("add", ("hive operator add anna", "a key for anna, who then sets HIVE_OPERATOR=anna"))
@click.argument("name")
async def add(shell: Shell, name: str) -> None:
    """Make an operator called NAME; one that exists is kept."""
    async with shell.bus() as bus:
        reply = await bus.request(AddOperator(name=_parse_name(name)))
    _tell(shell, reply)
    shell.terminal.note(f"{name}'s key: {operator_key(shell.environment.home, name)}")


@hive_command("remove", ("hive operator remove anna", "anna's key opens nothing any more"))
@click.argument("name")
async def remove(shell: Shell, name: str) -> None:
    """Cut the operator NAME off; what they decided stays on record."""
    async with shell.bus() as bus:
        _tell(shell, await bus.request(RemoveOperator(name=_parse_name(name))))


for command in (list_operators, add, remove):
    operator.add_command(command)
