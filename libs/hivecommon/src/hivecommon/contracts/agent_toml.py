"""`agent.toml`: what an agent is told of itself, as a schema that names key and line of what is wrong."""

import json
import re
import tomllib
from typing import Annotated, Any, Final

import msgspec

from hivecommon.contracts.inbox import OPERATOR
from hivecommon.contracts.lifecycle import AgentSettings, ModelName, Persona
from hivecommon.errors import HiveError
from hivecommon.names import AGENT_PORTS, parse_agent_name

FILE: Final = "agent.toml"
MAX_BYTES: Final = 64 * 1024

ToolName = Annotated[
    str, msgspec.Meta(pattern=r"\A[A-Za-z][A-Za-z0-9_-]{0,63}(\([^\n]{0,200}\))?\Z")
]
ServerName = Annotated[str, msgspec.Meta(pattern=r"\A[a-z][a-z0-9_-]{0,31}\Z")]
VariableName = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z_][A-Za-z0-9_]{0,63}\Z")]
Argument = Annotated[str, msgspec.Meta(max_length=1000)]

Effort = Annotated[str, msgspec.Meta(pattern=r"\A(low|medium|high|xhigh|max)?\Z")]
"""How hard the model thinks, in the CLI's words; empty: as it does by itself."""

COMPACT_AT: Final = 0.75
CLI_MEMORY_BYTES: Final = 1536 << 20
SILENCE_S: Final = 300.0
"""Pieces of an answer, of thinking too, come several times a second; the API itself pings a silent stream."""
_OWN_SERVER: Final = "hive"
_SMALLEST_MEMORY_BYTES: Final = 256 << 20
_UNITS: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
# `msgspec.ValidationError` ends with "- at `$.tools.allow[0]`".
_PLACE: Final = re.compile(r" - at `(?:key in )?\$\.?(?P<path>[^`]*)`\Z")
_UNKNOWN: Final = re.compile(r"unknown field `(?P<key>[^`]*)`")


class ToolRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which of the model's own tools there are; those of the hive are always there."""

    allow: Annotated[list[ToolName], msgspec.Meta(max_length=100)] | None = None
    """None: all."""
    deny: Annotated[list[ToolName], msgspec.Meta(max_length=100)] = msgspec.field(
        default_factory=list
    )


class McpServer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One more MCP server: a program (`command`) or an address (`url`)."""

    command: Argument = ""
    args: Annotated[list[Argument], msgspec.Meta(max_length=50)] = msgspec.field(
        default_factory=list
    )
    env: dict[VariableName, Argument] = msgspec.field(default_factory=dict)
    url: Annotated[str, msgspec.Meta(pattern=r"\A(https?://[^\s\x00-\x1f]{1,500})?\Z")] = ""


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What it may use of the host; empty means no limit. systemd.resource-control(5)."""

    memory: Annotated[str, msgspec.Meta(pattern=r"\A([1-9][0-9]{0,14}[KMGT]?)?\Z")] = ""
    cpu: Annotated[str, msgspec.Meta(pattern=r"\A([1-9][0-9]{0,5}%)?\Z")] = ""


class ContextRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a conversation is made shorter, and when its process is started anew."""

    compact_at: Annotated[float, msgspec.Meta(ge=0.1, le=1)] = COMPACT_AT
    """Share of the context in use, after a turn; 1 leaves it to the CLI, which does it late."""
    cli_memory: Annotated[str, msgspec.Meta(pattern=r"\A[1-9][0-9]{0,14}[KMGT]?\Z")] = "1536M"
    """A CLI that holds more is started anew when it is idle; the conversation goes on."""


class InboxRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How messages become turns."""

    batch: Annotated[int, msgspec.Meta(ge=1, le=50)] = 1
    """At most so many messages of one sender in one turn."""


class TurnRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a turn goes."""

    silence_s: Annotated[float, msgspec.Meta(ge=1, le=86_400)] = SILENCE_S
    """How long the model may say nothing before the turn is stopped and begun again."""


class SpendRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What it may cost."""

    usd_per_day: Annotated[float, msgspec.Meta(gt=0, le=100_000)] | None = None


class AgentToml(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole `agent.toml`; an empty file is one."""

    persona: Persona = ""
    model: ModelName | None = None
    effort: Effort = ""
    recipients: Annotated[list[str], msgspec.Meta(max_length=AGENT_PORTS)] | None = None
    tools: ToolRules = msgspec.field(default_factory=ToolRules)
    mcp_servers: Annotated[dict[ServerName, McpServer], msgspec.Meta(max_length=20)] = (
        msgspec.field(default_factory=dict)
    )
    limits: Limits = msgspec.field(default_factory=Limits)
    inbox: InboxRules = msgspec.field(default_factory=InboxRules)
    context: ContextRules = msgspec.field(default_factory=ContextRules)
    spend: SpendRules = msgspec.field(default_factory=SpendRules)
    turn: TurnRules = msgspec.field(default_factory=TurnRules)

    @property
    def settings(self) -> AgentSettings:
        """Return the part that a spawn can set too."""
        return AgentSettings(persona=self.persona, model=self.model, recipients=self.recipients)


def bytes_of(size: str) -> int:
    """Return how many bytes a size like `512M` is."""
    return int(size.rstrip("KMGT")) * _UNITS[size.lstrip("0123456789")]


def parse_agent_toml(content: bytes) -> AgentToml:
    """Return what `content` says; raise `bad_agent_toml` with the key and, if known, the line."""
    if len(content) > MAX_BYTES:
        raise _bad(f"it has {len(content)} bytes; at most {MAX_BYTES} are read")
    try:
        text = content.decode()
        document = tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise _bad(f"byte {error.start} is no UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise _bad(f"it is no TOML: {error}") from error
    except RecursionError as error:
        raise _bad("its values are nested too deeply") from error
    try:
        parsed = msgspec.convert(document, type=AgentToml)
    except msgspec.ValidationError as error:
        raise _bad(*_locate(str(error), text)) from error
    _check(parsed, text)
    return parsed


def render_agent_toml(settings: AgentSettings) -> str:
    """Return the first `agent.toml` of an agent that is spawned with `settings`."""
    lines = ["# What this agent is. The keys: docs/changes.md"]
    if settings.model:
        lines.append(f"model = {_string(settings.model)}")
    if settings.recipients is not None:
        lines.append(f"recipients = [{', '.join(map(_string, settings.recipients))}]")
    if settings.persona:
        lines.append(f"persona = {_text(settings.persona)}")
    return "\n".join(lines) + "\n"


def line_of(text: str, path: str) -> int | None:
    """Return the line, from 1, on which `path` (`tools.allow[0]`) is set; None when it is not found."""
    keys = re.sub(r"\[(\d+|\.\.\.)\]", "", path).split(".")
    table = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*\[+\s*([^\]]+?)\s*\]+", line):
            table = header[1].replace('"', "").replace(" ", "")
            if table == ".".join(keys):
                return number
            continue
        if assigned := re.match(r"\s*([A-Za-z0-9_.\"-]+)\s*=", line):
            dotted = ".".join(filter(None, (table, assigned[1].replace('"', ""))))
            if dotted == ".".join(keys) or ".".join(keys).startswith(f"{dotted}."):
                return number
    return None


def _check(parsed: AgentToml, text: str) -> None:
    for place, recipient in enumerate(parsed.recipients or ()):
        if recipient == OPERATOR:
            continue
        try:
            parse_agent_name(recipient)
        except HiveError as error:
            raise _bad(error.message, f"recipients[{place}]", text) from error
    if "\0" in parsed.persona:
        raise _bad("it has a NUL character", "persona", text)
    for name, server in parsed.mcp_servers.items():
        _check_server(name, server, text)
    sizes = {"limits.memory": parsed.limits.memory, "context.cli_memory": parsed.context.cli_memory}
    for key, size in sizes.items():
        if size and bytes_of(size) < _SMALLEST_MEMORY_BYTES:
            raise _bad(f"{size!r} is less than an agent needs to start, 256M", key, text)


def _check_server(name: str, server: McpServer, text: str) -> None:
    if name == _OWN_SERVER:
        raise _bad("this name is the hive's own server", f"mcp_servers.{name}", text)
    if bool(server.command) == bool(server.url):
        raise _bad("it needs either a command or a url", f"mcp_servers.{name}", text)
    if server.url and (server.args or server.env):
        raise _bad("args and env belong to a command", f"mcp_servers.{name}", text)


def _locate(message: str, text: str) -> tuple[str, str, str]:
    """Return what is wrong, where, and the text to find the line in, from msgspec's words."""
    place = _PLACE.search(message)
    path = place["path"] if place else ""
    words = message[: place.start()] if place else message
    if unknown := _UNKNOWN.search(words):
        path = f"{path}.{unknown['key']}" if path else unknown["key"]
        words = "there is no such key"
    return words, path, text


def _bad(what: str, path: str = "", text: str = "") -> HiveError:
    line = line_of(text, path) if path else None
    where = f" line {line}," if line else ""
    key = f" key {path!r}:" if path else ""
    return HiveError(
        f"{FILE}{',' if where else ':' if not key else ''}{where}{key} {what}",
        code="bad_agent_toml",
        hint=f"the keys are: {', '.join(_keys(AgentToml))}",
    )


def _keys(of: Any, prefix: str = "") -> list[str]:
    found: list[str] = []
    for field in msgspec.structs.fields(of):
        nested = isinstance(field.type, type) and issubclass(field.type, msgspec.Struct)
        name = f"{prefix}{field.name}"
        found += _keys(field.type, f"{name}.") if nested else [name]
    return found


def _string(text: str) -> str:
    # A JSON string is a TOML string but for DEL, which TOML wants escaped.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _text(text: str) -> str:
    return '"""\n' + "\n".join(_string(line)[1:-1] for line in text.split("\n")) + '"""'
