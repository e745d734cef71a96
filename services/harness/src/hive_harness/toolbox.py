"""What a tool of the hive is, and how its answers and refusals are put to the model."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog
from hivecommon.errors import HiveError

Handler = Callable[[Any], Awaitable[str]]

SERVER = "hive"
"""The MCP server's name: the model knows its tools as `mcp__hive__<name>`."""

_log = structlog.get_logger()


@dataclass(frozen=True)
class Tool:
    """One tool: its arguments are a msgspec class, from which the schema comes too."""

    name: str
    description: str
    arguments: type[msgspec.Struct]
    handler: Handler

    @property
    def schema(self) -> dict[str, Any]:
        """The arguments' JSON schema, without references: some models do not follow them."""
        (_reference,), components = msgspec.json.schema_components([self.arguments])
        schema = dict(components[self.arguments.__name__])
        schema.pop("title", None)
        schema.pop("description", None)
        return schema


@dataclass(frozen=True)
class Answer:
    """What the model is told."""

    text: str
    is_error: bool = False


async def call(tool: Tool, arguments: Mapping[str, Any]) -> Answer:
    """Run a tool; whatever goes wrong becomes an answer that says what to do next."""
    try:
        parsed = msgspec.convert(arguments, type=tool.arguments)
        return Answer(await tool.handler(parsed))
    except msgspec.ValidationError as error:
        return Answer(f"bad arguments: {error}", is_error=True)
    except HiveError as error:
        hint = f" ({error.hint})" if error.hint else ""
        return Answer(f"{error.code}: {error.message}{hint}", is_error=True)
    except Exception:  # noqa: BLE001 - logged with its traceback; the model gets a plain word
        _log.exception("tool_failed", tool=tool.name)
        return Answer("something went wrong inside the harness; operators see it", is_error=True)
