"""The body of `POST /v1/messages`, as far as a stand-in needs to read it."""

import msgspec


class Block(msgspec.Struct, frozen=True):
    """One content block of any type; fields of types we do not read are ignored."""

    type: str
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    id: str | None = None
    name: str | None = None
    input: dict[str, object] | None = None
    tool_use_id: str | None = None
    content: "str | list[Block] | None" = None
    is_error: bool | None = None
    source: dict[str, object] | None = None


class Message(msgspec.Struct, frozen=True):
    """One message; a plain string stands for one text block."""

    role: str
    content: str | list[Block]

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The content as blocks; an empty string has none."""
        if isinstance(self.content, str):
            return (Block(type="text", text=self.content),) if self.content else ()
        return tuple(self.content)


class Tool(msgspec.Struct, frozen=True):
    """A tool that is offered to the model."""

    name: str
    description: str = ""


class Body(msgspec.Struct, frozen=True):
    """The request; a missing or mistyped field is a `msgspec.ValidationError` naming its path."""

    model: str
    max_tokens: int
    messages: list[Message]
    system: str | list[Block] = ""
    tools: list[Tool] = []
    stream: bool = False
    metadata: dict[str, object] = {}
    output_config: dict[str, object] = {}
