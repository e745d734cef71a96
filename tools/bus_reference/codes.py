"""The error codes: the table that explains them, and where the source says which there are."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from hivecommon.contracts.events import Trouble

ROOT: Final = Path(__file__).resolve().parents[2]
TABLE: Final = Path(__file__).with_name("error_codes.toml")


def explained(family: str = "errors") -> dict[str, str]:
    """Return what each code of a family (`errors`, `troubles`) means and what to do about it."""
    families: dict[str, dict[str, str]] = tomllib.loads(TABLE.read_text())
    return families[family]


def used_codes(family: str = "errors") -> dict[str, str]:
    """Return the codes of a family that the source makes, each with a file that does.

    A code that is put together at run time comes as the pattern that all its forms match.
    """
    trees = {file: ast.parse(file.read_text()) for file in _sources()}
    constants = {name: value for tree in trees.values() for name, value in constants_in(tree)}
    return {
        code: str(file.relative_to(ROOT))
        for file, tree in trees.items()
        for found, code in codes_in(tree, constants)
        if found == family
    }


def unexplained() -> list[str]:
    """Return the error codes that the table lacks, each with a file that uses it."""
    known = explained()
    return [
        f"{code} ({file})"
        for code, file in sorted(used_codes().items())
        if not any(re.fullmatch(code, one) for one in known)
    ]


def unused() -> list[str]:
    """Return the error codes that the table explains though nothing uses them."""
    patterns = list(used_codes())
    return [
        code for code in explained() if not any(re.fullmatch(pattern, code) for pattern in patterns)
    ]


def table(family: str) -> str:
    """Return the codes of a family as Markdown, in the order of the alphabet."""
    rows = [f"| `{code}` | {meaning} |" for code, meaning in sorted(explained(family).items())]
    return "\n".join(["| code | what it means, and what to do |", "| --- | --- |", *rows]) + "\n"


def _sources() -> list[Path]:
    found = [*ROOT.glob("libs/*/src/**/*.py"), *ROOT.glob("services/*/src/**/*.py")]
    return sorted(file for file in found if "hivetesting" not in file.parts)


def constants_in(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield name and text of the module's constants."""
    for statement in tree.body:
        match statement:
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.Constant(value=str(value))):
                yield name, value
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str(value))):
                yield name, value
            case _:
                pass


def codes_in(tree: ast.Module, constants: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield family and pattern of each `code=…` in a module, whose names `constants` resolves."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        values = [argument.value for argument in node.keywords if argument.arg == "code"]
        family = "errors"
        if isinstance(node.func, ast.Name) and node.func.id == Trouble.__name__:
            values += node.args[:1]
            family = "troubles"
        yield from ((family, pattern) for one in values for pattern in _patterns(one, constants))


def _patterns(value: ast.expr, constants: dict[str, str]) -> Iterator[str]:
    match value:
        case ast.Constant(value=str(code)):
            yield re.escape(code)
        case ast.Name(id=name) if name in constants:
            yield re.escape(constants[name])
        case ast.IfExp(body=one, orelse=other):
            yield from _patterns(one, constants)
            yield from _patterns(other, constants)
        case ast.JoinedStr(values=parts):
            yield "".join(
                re.escape(str(part.value)) if isinstance(part, ast.Constant) else "[a-z_]+"
                for part in parts
            )
        case _:
            pass  # an error handed on: its code stands where it was made
