"""Payload classes as Markdown: fields with their types, bounds and the docstrings beside them."""

import ast
import inspect
import itertools
import re
import textwrap
from collections.abc import Iterable
from enum import Enum
from functools import cache
from typing import Any, Final

import msgspec
import msgspec.inspect as shape
from hivecommon.contracts.base import AgentRequest

_AGENT_NAME = "agent's name"
_WORDS: Final[dict[type[shape.Type], str]] = {
    shape.BoolType: "true or false",
    shape.NoneType: "null",
    shape.DateTimeType: "time (RFC 3339)",
    shape.DateType: "day (`2026-03-01`)",
    shape.DictType: "object",
    shape.AnyType: "anything",
}
_MOST_SHOWN = 3  # larger unions are the bodies of events, which have a section of their own


def doc_of(cls: type) -> str:
    """Return the class's docstring as one paragraph per line."""
    paragraphs = inspect.cleandoc(cls.__doc__ or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


@cache
def field_docs(cls: type) -> dict[str, str]:
    """Return the docstring that stands below each field, also of the fields it inherits."""
    docs: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if not issubclass(base, msgspec.Struct) or base is msgspec.Struct:
            continue
        docs |= _docs_in(ast.parse(textwrap.dedent(inspect.getsource(base))).body[0])
    return docs


def _docs_in(definition: ast.stmt) -> dict[str, str]:
    body = definition.body if isinstance(definition, ast.ClassDef) else []
    return {
        field.target.id: " ".join(following.value.value.split())
        for field, following in itertools.pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(following, ast.Expr)
        and isinstance(following.value, ast.Constant)
        and isinstance(following.value.value, str)
    }


class Shapes:
    """Renders payloads and remembers the classes they mention, so that each is described once."""

    def __init__(self) -> None:
        self._mentioned: dict[str, type] = {}

    def fields(self, cls: type, *, without: Iterable[str] = ()) -> str:
        """Return the table of a class's fields; a line when it has none."""
        info = shape.type_info(cls)
        if not isinstance(info, shape.StructType):
            raise TypeError(f"{cls} is no message")
        docs = field_docs(cls)
        rows = [
            f"| `{field.encode_name}` | {self._field_type(cls, field)} | {_default(field)} "
            f"| {_cell(docs.get(field.name, ''))} |"
            for field in info.fields
            if field.name not in without
        ]
        if not rows:
            return "No fields.\n"
        return (
            "\n".join(["| field | type | default | |", "| --- | --- | --- | --- |", *rows]) + "\n"
        )

    def mentioned(self) -> str:
        """Return a section for each class that was mentioned so far and by those sections."""
        sections: dict[str, str] = {}
        while missing := [name for name in sorted(self._mentioned) if name not in sections]:
            for name in missing:
                sections[name] = self._section(self._mentioned[name])
        return "\n".join(sections[name] for name in sorted(sections))

    def _section(self, cls: type) -> str:
        title = f"### {cls.__name__}\n\n{doc_of(cls)}\n"
        if issubclass(cls, Enum):
            return f"{title}\nOne of {', '.join(f'`{member.value}`' for member in cls)}.\n"
        return f"{title}\n{self.fields(cls)}"

    def link(self, cls: type) -> str:
        """Return a link to the section of `cls`, which will be written."""
        self._mentioned[cls.__name__] = cls
        return f"[{cls.__name__}](#{cls.__name__.lower()})"

    def _field_type(self, cls: type, field: shape.Field) -> str:
        if field.name == "agent" and issubclass(cls, AgentRequest):
            return _AGENT_NAME  # checked when the request is made, beyond what a schema can say
        return self._type(field.type)

    def _type(self, info: shape.Type) -> str:  # noqa: PLR0911 - one line per kind of type
        if (word := _WORDS.get(type(info))) is not None:
            return word
        match info:
            case shape.Metadata(type=inner):
                return self._type(inner)
            case shape.StrType():
                return "string" + _bounds(
                    (info.pattern is not None, f"matches `{_pattern(info.pattern)}`"),
                    (info.max_length is not None, f"at most {info.max_length} characters"),
                )
            case shape.IntType() | shape.FloatType():
                kind = "integer" if isinstance(info, shape.IntType) else "number"
                return kind + _bounds(
                    (info.ge is not None, f"from {info.ge}"), (info.le is not None, f"to {info.le}")
                )
            case shape.ListType(item_type=item):
                return f"list of {self._type(item)}"
            case shape.EnumType(cls=cls) | shape.StructType(cls=cls):
                return self.link(cls)
            case shape.LiteralType(values=values):
                return " or ".join(f"`{value}`" for value in values)
            case shape.UnionType(types=types) if len(types) > _MOST_SHOWN:
                return "one of the kinds of [events](#events)"
            case shape.UnionType(types=types):
                return " or ".join(self._type(one) for one in types)
            case _:
                raise TypeError(f"the reference has no words for {info}")


def _bounds(*bounds: tuple[bool, str]) -> str:
    said = [text for holds, text in bounds if holds]
    return f" ({' '.join(said) if said[0].startswith('from') else ', '.join(said)})" if said else ""


def _pattern(pattern: str | None) -> str:
    r"""Return a pattern without its anchors, which `\A` and `\Z` are in Python alone."""
    return re.sub(r"^\\A|\\Z$", "", pattern or "").replace("|", r"\|")


def _default(field: shape.Field) -> str:
    if field.required:
        return "required"
    value = field.default
    if value is msgspec.NODEFAULT:
        factory: Any = field.default_factory
        value = factory()
    if value == "":
        return "empty"
    return f"`{msgspec.json.encode(value).decode()}`"


def _cell(text: str) -> str:
    return text.replace("|", r"\|")
